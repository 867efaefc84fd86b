export { Machine, type PowerOff } from './machine.ts'
export type { MachineOptions } from './machine-options.ts'
export { platformRandom } from './platform-random.ts'
