import type { Clock, PortDevice, PortIo, PortWidth } from '@bis/hyperv-types'

const PORTS = 65_536
const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const

/** I/O ports of a machine: passes accesses on to the emulated devices, and their interrupts to the guest. */
export class PortSpace implements PortIo {
  readonly #clock: Clock
  readonly #devices: PortDevice[] = []
  readonly #routines = new Map<number, () => void>()
  readonly #pending = new Set<number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Puts a device at its ports. @throws RangeError when another has one of them. */
  plug(device: PortDevice): void {
    for (const { base, size } of device.ranges) {
      if (base < 0 || size < 1 || base + size > PORTS) throw new RangeError(`no ports ${base} to ${base + size - 1}`)
      for (let port = base; port < base + size; port++) {
        if (this.#at(port) !== undefined) throw new RangeError(`port 0x${port.toString(16)} is taken`)
      }
    }
    this.#devices.push(device)
    device.connect((line) => this.#raise(line))
  }

  read(port: number, width: PortWidth): number {
    const value = this.#at(port)?.read(port, width) ?? ALL_ONES[width]
    return width === 4 ? value >>> 0 : value & ALL_ONES[width]
  }

  write(port: number, width: PortWidth, value: number): void {
    this.#at(port)?.write(port, width, width === 4 ? value >>> 0 : value & ALL_ONES[width])
  }

  setIrq(line: number, isr: (() => void) | undefined): void {
    if (isr === undefined) this.#routines.delete(line)
    else this.#routines.set(line, isr)
  }

  /** The machine is off: no device, no routine. */
  clear(): void {
    this.#devices.length = 0
    this.#routines.clear()
    this.#pending.clear()
  }

  /** As with vectors, the routine never runs inside the device's call; what is raised twice meanwhile runs once. */
  #raise(line: number): void {
    if (this.#pending.has(line)) return
    this.#pending.add(line)
    this.#clock.soon(() => {
      if (this.#pending.delete(line)) this.#routines.get(line)?.()
    })
  }

  #at(port: number): PortDevice | undefined {
    return this.#devices.find(({ ranges }) => ranges.some(({ base, size }) => port >= base && port < base + size))
  }
}
