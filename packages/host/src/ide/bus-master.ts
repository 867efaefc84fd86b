import type { PortDevice, PortWidth } from '@bis/hyperv-types'

const SIZE = 16
const PER_CHANNEL = 8
const Register = { command: 0, status: 2, table: 4 } as const
/** Of the command: only the direction stays. */
const DIRECTION = 0x08
/** Of the status: an interrupt came (written 1 clears it), and what software notes of its drives. */
const INTERRUPT = 0x04
const DRIVES = 0x60

/**
 * The IDE controller's bus master as a driver finds it that looks before it uses DMA: the registers are there and say
 * that an interrupt came, and no transfer is ever active. No drive offers a DMA mode, so nothing is lost.
 * Source: Intel 82371AB (PIIX4) datasheet, 5.2.
 */
export class BusMaster implements PortDevice {
  readonly #bar: () => number
  readonly #bytes = new Uint8Array(SIZE)

  /** @param bar base address register of the ports as the guest has set it */
  constructor(bar: () => number) {
    this.#bar = bar
  }

  get ranges(): PortDevice['ranges'] {
    return [{ base: this.#base, size: SIZE }]
  }

  connect(): void {}

  /** A drive of this channel interrupts. */
  interrupted(channel: number): void {
    const at = channel * PER_CHANNEL + Register.status
    this.#bytes[at] = (this.#bytes[at] ?? 0) | INTERRUPT
  }

  read(port: number, width: PortWidth): number {
    const at = port - this.#base
    let value = 0
    for (let i = 0; i < width; i++) value += (this.#bytes[at + i] ?? 0) * 2 ** (8 * i)
    return value
  }

  write(port: number, width: PortWidth, value: number): void {
    for (let i = 0; i < width; i++) this.#writeByte(port - this.#base + i, Math.floor(value / 2 ** (8 * i)) & 0xff)
  }

  #writeByte(at: number, value: number): void {
    if (at >= SIZE) return
    const register = at % PER_CHANNEL
    const now = this.#bytes[at] ?? 0
    if (register === Register.command) this.#bytes[at] = value & DIRECTION
    else if (register === Register.status) this.#bytes[at] = (value & DRIVES) | (now & INTERRUPT & ~value)
    else if (register === Register.table) this.#bytes[at] = value & 0xfc
    else if (register > Register.table) this.#bytes[at] = value
  }

  get #base(): number {
    return this.#bar() & 0xfff0
  }
}
