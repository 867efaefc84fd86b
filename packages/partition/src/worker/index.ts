export { type AttachedPorts, attachPorts, offerPorts, type PortsLink, type PortsLinkData } from './ports-link.ts'
