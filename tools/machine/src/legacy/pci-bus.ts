import type { Attachment, Driver, PciFunction, PortIo, PortWidth } from '@bis/hyperv-types'
import { ProbePriority } from '@bis/hyperv-types'

const ADDRESS = 0xcf8
const DATA = 0xcfc
const SLOTS = 32
const FUNCTIONS = 8
const NONE = 0xffff

/** Access to a function's configuration space through the two ports. */
function config(io: PortIo, slot: number, fn: number) {
  const select = (offset: number): number => {
    io.write(ADDRESS, 4, 0x8000_0000 + slot * 2048 + fn * 256 + (offset & 0xfc))
    return DATA + (offset & 3)
  }
  return {
    read: (offset: number, width: PortWidth): number => io.read(select(offset), width),
    write: (offset: number, width: PortWidth, value: number): void => io.write(select(offset), width, value),
  }
}

/** Whether the machine has a PCI bus at all. */
export function hasPci(io: PortIo): boolean {
  return config(io, 0, 0).read(0, 2) !== NONE
}

/** The PCI bus: a child for each function that answers. */
export const pciDriver: Driver<PortIo> = {
  name: 'pci',
  module: 'kernel',
  bus: 'nexus',
  probe: ({ location }) =>
    location === 'pcib0' ? { priority: ProbePriority.default, description: 'PCI bus' } : undefined,
  async attach(device): Promise<Attachment> {
    for (const found of scan(device.ivars)) {
      const { bus, slot, function: fn, vendor, device: id, class: code } = found
      const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`
      device.addChild({
        location: `pci0:${bus}:${slot}:${fn}`,
        pnpinfo: `vendor=${hex(vendor, 4)} device=${hex(id, 4)} class=${hex(code, 6)}`,
        ivars: found,
      })
    }
    await device.settled()
    return { async [Symbol.asyncDispose]() {} }
  },
}

function scan(io: PortIo): PciFunction[] {
  const found: PciFunction[] = []
  for (let slot = 0; slot < SLOTS; slot++) {
    let functions = 1
    for (let fn = 0; fn < functions; fn++) {
      const { read, write } = config(io, slot, fn)
      const vendor = read(0, 2)
      if (vendor === NONE) continue
      if (fn === 0 && (read(0x0e, 1) & 0x80) !== 0) functions = FUNCTIONS
      const revision = read(8, 1)
      const code = Math.floor(read(8, 4) / 256)
      const identity = { bus: 0, slot, function: fn, vendor, device: read(2, 2), class: code, revision }
      found.push({ ...identity, io, readConfig: read, writeConfig: write })
    }
  }
  return found
}
