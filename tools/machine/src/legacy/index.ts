export { ataDrivers, type IdeNames } from './ata-drivers.ts'
export { hasPci, pciDriver } from './pci-bus.ts'
