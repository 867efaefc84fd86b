import type { Clock, PortIo, Timer } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'

const { BSY, DRQ, ERR } = { BSY: 0x80, DRQ: 0x08, ERR: 0x01 }
const SOFT_RESET = 4
const TIMEOUT_MS = 10_000
/** Looks at the status register before the driver gives others a turn. */
const SPINS = 64

/** Registers of a command; `previous` are the upper bytes of 48-bit addresses. */
export interface AtaCommand {
  readonly device: number
  readonly command: number
  readonly features?: number
  readonly count?: number
  /** Bits 7:0, 15:8, 23:16 of the address. */
  readonly address?: readonly [low: number, mid: number, high: number]
  readonly previous?: readonly [count: number, low: number, mid: number, high: number]
}

/** One IDE channel as a driver sees it: its registers, its interrupt, one command after another. */
export class AtaPort {
  readonly #io: PortIo
  readonly #clock: Clock
  readonly #base: number
  readonly #control: number
  readonly #irq: number
  #last: Promise<unknown> = Promise.resolve()
  #interrupted = false
  #wake: (() => void) | undefined

  constructor(io: PortIo, clock: Clock, place: { base: number; control: number; irq: number }) {
    this.#io = io
    this.#clock = clock
    this.#base = place.base
    this.#control = place.control
    this.#irq = place.irq
    io.setIrq(place.irq, () => {
      this.status()
      this.#interrupted = true
      this.#wake?.()
    })
  }

  close(): void {
    this.#io.setIrq(this.#irq, undefined)
  }

  status(): number {
    return this.#io.read(this.#base + 7, 1)
  }

  register(index: number): number {
    return this.#io.read(this.#base + index, 1)
  }

  /** Runs `work` when everything asked before has ended. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work)
    this.#last = turn.catch(() => {})
    return turn
  }

  /** Selects a device and resets the channel. @returns false when nothing is on it. */
  async reset(): Promise<boolean> {
    if (this.status() === 0x7f) return false
    this.#io.write(this.#control, 1, SOFT_RESET)
    this.#io.write(this.#control, 1, 0)
    await this.ready()
    return true
  }

  select(device: number): void {
    this.#io.write(this.#base + 6, 1, 0xa0 | (device << 4))
  }

  start({ device, command, features = 0, count = 0, address = [0, 0, 0], previous }: AtaCommand): void {
    const write = (register: number, value: number): void => this.#io.write(this.#base + register, 1, value)
    write(6, device)
    write(1, features)
    for (const [i, value] of (previous ?? []).entries()) write(2 + i, value)
    for (const [i, value] of [count, ...address].entries()) write(2 + i, value)
    this.#interrupted = false
    write(7, command)
  }

  /** Waits for the channel's interrupt. @throws DeviceError `timeout`, `io` */
  async interrupt(): Promise<number> {
    if (!this.#interrupted) {
      let timer: Timer | undefined
      const late = await new Promise<boolean>((resolve) => {
        this.#wake = () => resolve(false)
        timer = this.#clock.after(TIMEOUT_MS, () => resolve(true))
      })
      timer?.cancel()
      this.#wake = undefined
      if (late) throw new DeviceError('timeout', `no interrupt in ${TIMEOUT_MS} ms`)
    }
    this.#interrupted = false
    return this.#check(this.status())
  }

  /** Waits until the device is not busy. @throws DeviceError `timeout`, `io` */
  async ready(): Promise<number> {
    for (let tries = 0; ; tries++) {
      const status = this.status()
      if ((status & BSY) === 0) return this.#check(status)
      if (tries > SPINS + TIMEOUT_MS) throw new DeviceError('timeout', 'the device stays busy')
      if (tries > SPINS) await new Promise<void>((resolve) => void this.#clock.after(1, resolve))
      else await new Promise<void>((resolve) => this.#clock.soon(resolve))
    }
  }

  /** Takes a block that the device has ready. @throws DeviceError `protocol` when it has none */
  read(target: Uint8Array): void {
    this.#wantsData()
    for (let at = 0; at < target.length; at += 2) {
      const word = this.#io.read(this.#base, 2)
      target[at] = word & 0xff
      if (at + 1 < target.length) target[at + 1] = word >>> 8
    }
  }

  write(source: Uint8Array): void {
    this.#wantsData()
    for (let at = 0; at < source.length; at += 2) {
      this.#io.write(this.#base, 2, (source[at] ?? 0) + (source[at + 1] ?? 0) * 256)
    }
  }

  #wantsData(): void {
    if ((this.status() & DRQ) === 0) throw new DeviceError('protocol', 'the device wants no data moved')
  }

  #check(status: number): number {
    if ((status & (BSY | ERR)) !== ERR) return status
    throw new AtaError(this.register(1))
  }
}

/** The device ended a command with an error; `bits` are its error register. */
export class AtaError extends DeviceError {
  readonly bits: number

  constructor(bits: number) {
    super('io', `the device reports error 0x${bits.toString(16).padStart(2, '0')}`)
    this.bits = bits
  }
}
