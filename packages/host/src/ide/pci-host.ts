import type { PortDevice, PortWidth } from '@bis/hyperv-types'

const ADDRESS = 0xcf8
const DATA = 0xcfc

/** Configuration register with the ports of the IDE controller's bus master. */
export const BUS_MASTER_BAR = 0x20
const BUS_MASTER_PORTS = 0xffa0
export const IDE_CONTROLLER = { slot: 7, function: 1 } as const

/** A function on the emulated PCI bus. */
export interface PciDescription {
  readonly slot: number
  readonly function: number
  readonly vendor: number
  readonly device: number
  /** Base class, subclass, programming interface. */
  readonly class: number
  readonly revision: number
  readonly multifunction?: boolean
  /** Further registers: offset, dword, and the bits that the guest can write. */
  readonly registers?: readonly (readonly [offset: number, value: number, writable: number])[]
}

/**
 * What the chipset of a generation 1 machine shows on bus 0; there is nothing else but a network adapter where one was
 * asked for. The power function is at 7.3 and the USB function of the silicon, 7.2, is absent.
 * Sources: lspci of Hyper-V and Azure guests, OpenVMM chipset_legacy.
 */
export const GEN1_PCI_DEVICES: readonly PciDescription[] = [
  { slot: 0, function: 0, vendor: 0x8086, device: 0x7192, class: 0x06_00_00, revision: 3 },
  { slot: 7, function: 0, vendor: 0x8086, device: 0x7110, class: 0x06_01_00, revision: 1, multifunction: true },
  {
    ...IDE_CONTROLLER,
    vendor: 0x8086,
    device: 0x7111,
    class: 0x01_01_80,
    revision: 1,
    registers: [
      // As the firmware leaves it: I/O and bus master on, the bus master's ports at 0xFFA0.
      [0x04, 0x0280_0005, 0x0000_0005],
      [BUS_MASTER_BAR, BUS_MASTER_PORTS + 1, 0x0000_fff0],
      [0x40, 0x8000_8000, 0xffff_ffff],
      [0xf8, 0x0000_0f30, 0],
    ],
  },
  { slot: 7, function: 3, vendor: 0x8086, device: 0x7113, class: 0x06_80_00, revision: 2 },
  { slot: 8, function: 0, vendor: 0x1414, device: 0x5353, class: 0x03_00_00, revision: 0 },
]

/** Configuration space of the PCI bus, by the ports 0xCF8 and 0xCFC. */
export class PciHost implements PortDevice {
  readonly ranges = [
    { base: ADDRESS, size: 4 },
    { base: DATA, size: 4 },
  ]
  readonly #spaces = new Map<number, { readonly now: Uint8Array; readonly writable: Uint8Array }>()
  #address = 0

  constructor(devices: readonly PciDescription[]) {
    for (const device of devices) this.#spaces.set(device.slot * 8 + device.function, space(device))
  }

  connect(): void {}

  /** A register of a function as it is now. */
  config({ slot, function: number }: { slot: number; function: number }, offset: number): number {
    const space = this.#spaces.get(slot * 8 + number)
    return space === undefined ? 0xffff_ffff : new DataView(space.now.buffer).getUint32(offset, true)
  }

  read(port: number, width: PortWidth): number {
    if (port < DATA) return port === ADDRESS && width === 4 ? this.#address : 0xffff_ffff
    const space = this.#space()
    if (space === undefined) return 0xffff_ffff
    const offset = this.#offset(port)
    let value = 0
    for (let i = 0; i < width; i++) value += (space.now[offset + i] ?? 0xff) * 2 ** (8 * i)
    return value
  }

  write(port: number, width: PortWidth, value: number): void {
    if (port < DATA) {
      if (port === ADDRESS && width === 4) this.#address = value
      return
    }
    const space = this.#space()
    if (space === undefined) return
    const offset = this.#offset(port)
    for (let i = 0; i < width && offset + i < 256; i++) {
      const mask = space.writable[offset + i] ?? 0
      const byte = Math.floor(value / 2 ** (8 * i)) & 0xff
      space.now[offset + i] = ((space.now[offset + i] ?? 0) & ~mask) | (byte & mask)
    }
  }

  #offset(port: number): number {
    return (this.#address & 0xfc) + (port - DATA)
  }

  #space() {
    // Enabled, bus 0.
    if (this.#address >>> 31 === 0 || ((this.#address >>> 16) & 0xff) !== 0) return undefined
    return this.#spaces.get((this.#address >>> 8) & 0xff)
  }
}

function space(device: PciDescription) {
  const now = new Uint8Array(256)
  const writable = new Uint8Array(256)
  const view = new DataView(now.buffer)
  const masks = new DataView(writable.buffer)
  for (const [offset, value, mask] of device.registers ?? []) {
    view.setUint32(offset, value, true)
    masks.setUint32(offset, mask, true)
  }
  view.setUint16(0, device.vendor, true)
  view.setUint16(2, device.device, true)
  view.setUint32(8, device.class * 256 + device.revision, true)
  if (device.multifunction === true) now[0x0e] = 0x80
  return { now, writable }
}
