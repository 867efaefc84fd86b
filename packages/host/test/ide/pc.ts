import type { PortDevice, PortWidth } from '@bis/hyperv-types'
import type { IdePlace } from '../../src/index.ts'
import { gen1Chipset } from '../../src/index.ts'

/** Status bits. */
export const BSY = 0x80
export const DRDY = 0x40
export const DRQ = 0x08
export const ERR = 0x01

/** The ports of a PC with nothing but the chipset. */
export class Pc {
  readonly interrupts: number[] = []
  readonly #devices: readonly PortDevice[]

  constructor(places: readonly IdePlace[]) {
    this.#devices = gen1Chipset(places)
    for (const device of this.#devices) device.connect((line) => this.interrupts.push(line))
  }

  read(port: number, width: PortWidth = 1): number {
    const ones = 2 ** (8 * width)
    return (this.#at(port)?.read(port, width) ?? ones - 1) % ones
  }

  write(port: number, value: number, width: PortWidth = 1): void {
    this.#at(port)?.write(port, width, value)
  }

  /** A dword of a function's configuration space. */
  config(slot: number, fn: number, offset: number): number {
    this.write(0xcf8, 0x8000_0000 + slot * 2048 + fn * 256 + offset, 4)
    return this.read(0xcfc, 4)
  }

  setConfig(slot: number, fn: number, offset: number, value: number): void {
    this.write(0xcf8, 0x8000_0000 + slot * 2048 + fn * 256 + offset, 4)
    this.write(0xcfc, value, 4)
  }

  #at(port: number): PortDevice | undefined {
    return this.#devices.find(({ ranges }) => ranges.some(({ base, size }) => port >= base && port < base + size))
  }
}

/** A channel as a driver has it that polls, with interrupts off or on. */
export class Channel {
  readonly pc: Pc
  readonly base: number
  readonly control: number

  constructor(pc: Pc, channel: 0 | 1) {
    this.pc = pc
    this.base = channel === 0 ? 0x1f0 : 0x170
    this.control = channel === 0 ? 0x3f6 : 0x376
  }

  in(register: number): number {
    return this.pc.read(this.base + register)
  }

  out(register: number, value: number): void {
    this.pc.write(this.base + register, value)
  }

  get status(): number {
    return this.in(7)
  }

  softReset(): void {
    this.pc.write(this.control, 0x08)
    this.pc.write(this.control, 0x0c)
    this.pc.write(this.control, 0x08)
  }

  /** Waits for the end of BSY. */
  async idle(): Promise<number> {
    for (let tries = 0; tries < 1000; tries++) {
      const { status } = this
      if ((status & BSY) === 0) return status
      await Promise.resolve()
    }
    throw new Error('busy for ever')
  }

  /** A command with a 48-bit address, or a 28-bit one. */
  command(code: number, device: number, { lba = 0, count = 0, extended = false, features = 0 } = {}): void {
    const byte = (index: number): number => Math.floor(lba / 2 ** (8 * index)) % 256
    this.out(1, features)
    if (extended) {
      for (const [register, value] of [count >> 8, byte(3), byte(4), byte(5)].entries()) this.out(2 + register, value)
    }
    for (const [register, value] of [count & 0xff, byte(0), byte(1), byte(2)].entries()) this.out(2 + register, value)
    this.out(6, 0xe0 | (device << 4) | (extended ? 0 : byte(3) & 0x0f))
    this.out(7, code)
  }

  /** Data of one DRQ. */
  take(bytes: number): Uint8Array {
    const data = new Uint8Array(bytes)
    for (let at = 0; at < bytes; at += 2) {
      const word = this.pc.read(this.base, 2)
      data[at] = word & 0xff
      data[at + 1] = word >> 8
    }
    return data
  }

  give(data: Uint8Array): void {
    for (let at = 0; at < data.length; at += 2) {
      this.pc.write(this.base, (data[at] ?? 0) + (data[at + 1] ?? 0) * 256, 2)
    }
  }

  async identify(code: number, device: number): Promise<DataView> {
    this.command(code, device)
    if (((await this.idle()) & DRQ) === 0) throw new Error(`no IDENTIFY data, error ${this.in(1)}`)
    return new DataView(this.take(512).buffer)
  }

  /** A packet command that reads, in parts of at most `limit` bytes. @returns undefined for CHECK CONDITION */
  async packet(device: number, cdb: readonly number[], limit = 0x2000): Promise<Uint8Array | undefined> {
    this.out(1, 0)
    this.out(4, limit & 0xff)
    this.out(5, limit >> 8)
    this.out(6, 0xa0 | (device << 4))
    this.out(7, 0xa0)
    if (((await this.idle()) & DRQ) === 0 || (this.in(2) & 3) !== 1) throw new Error('wants no packet')
    this.give(Uint8Array.from({ length: 12 }, (_, i) => cdb[i] ?? 0))
    const parts: number[] = []
    for (;;) {
      const status = await this.idle()
      if ((status & ERR) !== 0) return undefined
      if ((status & DRQ) === 0) {
        if ((this.in(2) & 3) !== 3) throw new Error('no end')
        return Uint8Array.from(parts)
      }
      const length = this.in(4) + this.in(5) * 256
      if ((this.in(2) & 3) !== 2 || length === 0 || length > limit) throw new Error(`a part of ${length} bytes`)
      parts.push(...this.take(length))
    }
  }
}
