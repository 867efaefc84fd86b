import type { Clock } from '@bis/hyperv-types'
import type { DiskBackend } from './backend.ts'

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
export class IopsLimitedBackend implements DiskBackend {
  /** Normalised I/Os of 8 KiB per second; 0 for no limit. */
  maximumIops: number
  readonly #inner: DiskBackend
  readonly #clock: Clock
  /** When the I/O admitted last may begin. */
  #next = 0

  constructor(inner: DiskBackend, options: IopsLimitOptions) {
    this.#inner = inner
    this.#clock = options.clock
    this.maximumIops = options.maximumIops
  }

  get sizeBytes(): number {
    return this.#inner.sizeBytes
  }
  get logicalSectorSize(): number {
    return this.#inner.logicalSectorSize
  }
  get physicalSectorSize(): number {
    return this.#inner.physicalSectorSize
  }
  get blockSize(): number {
    return this.#inner.blockSize
  }
  get diskId(): Uint8Array {
    return this.#inner.diskId
  }
  get readOnly(): boolean {
    return this.#inner.readOnly
  }

  read(offset: number, target: Uint8Array): Promise<void> | undefined {
    const turn = this.#turn(target.length)
    return turn === undefined ? this.#inner.read(offset, target) : turn.then(() => this.#inner.read(offset, target))
  }

  write(offset: number, source: Uint8Array): Promise<void> | undefined {
    const turn = this.#turn(source.length)
    return turn === undefined ? this.#inner.write(offset, source) : turn.then(() => this.#inner.write(offset, source))
  }

  flush(): Promise<void> | undefined {
    return this.#inner.flush()
  }

  trim(offset: number, length: number): Promise<void> | undefined {
    return this.#inner.trim(offset, length)
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
