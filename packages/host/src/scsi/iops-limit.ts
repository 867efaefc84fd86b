import type { Clock } from '@bis/hyperv-types'
import type { DiskBackend } from './backend.ts'
import { BackendFilter } from './backend-filter.ts'

/** Hyper-V counts I/O in units of 8 KiB: a larger one counts as several. */
const UNIT_BYTES = 8192
/** Idle time that may be made up for at once, in milliseconds. */
const BURST_MS = 100

export interface IopsLimitOptions {
  readonly clock: Clock
  /** Normalised I/Os of 8 KiB per second; 0 for no limit. May be changed later. */
  readonly maximumIops: number
}

/** A backend that does at most so many I/Os per second, as Hyper-V's storage QoS: what is more waits its turn. */
export class IopsLimitedBackend extends BackendFilter {
  /** Normalised I/Os of 8 KiB per second; 0 for no limit. */
  maximumIops: number
  readonly #clock: Clock
  /** When the I/O admitted last may begin. */
  #next = 0

  constructor(inner: DiskBackend, options: IopsLimitOptions) {
    super(inner)
    this.#clock = options.clock
    this.maximumIops = options.maximumIops
  }

  override read(offset: number, target: Uint8Array): Promise<void> | undefined {
    const turn = this.#turn(target.length)
    return turn === undefined ? super.read(offset, target) : turn.then(() => super.read(offset, target))
  }

  override write(offset: number, source: Uint8Array): Promise<void> | undefined {
    const turn = this.#turn(source.length)
    return turn === undefined ? super.write(offset, source) : turn.then(() => super.write(offset, source))
  }

  #turn(length: number): Promise<void> | undefined {
    if (this.maximumIops <= 0) return undefined
    const now = this.#clock.now()
    const cost = (Math.max(1, Math.ceil(length / UNIT_BYTES)) * 1000) / this.maximumIops
    const start = Math.max(this.#next, now - BURST_MS)
    this.#next = start + cost
    const wait = start - now
    if (wait <= 0) return undefined
    return new Promise((resolve) => this.#clock.after(wait, resolve))
  }
}
