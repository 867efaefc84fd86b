export { type PortsCase, type PortsFixture, synicPortsCases } from './cases.ts'
export { ComplianceError } from './expect.ts'
export { SynicGuest } from './guest.ts'
export { NotingRoot } from './root.ts'
