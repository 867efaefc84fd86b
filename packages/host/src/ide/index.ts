export { gen1Chipset, type IdePlace } from './chipset.ts'
export { GEN1_PCI_DEVICES, type PciDescription } from './pci-host.ts'
