import type { Clock } from '@bis/hyperv-types'

/** 100 ns units in a millisecond. */
const TICKS_PER_MS = 10_000
const TICKS_PER_SECOND = 10_000_000n

/**
 * The partition's time: a time stamp counter, and the reference counter in 100 ns units that the hypervisor derives
 * from it as the reference TSC page tells the guest to: `((tsc * scale) >> 64) + offset`. Page and register therefore
 * agree to the tick.
 */
export class ReferenceTime {
  readonly #clock: Clock
  /** The clock when the counter was `#tscAtBase`. */
  #base: number
  #tscAtBase: bigint
  #frequency: number
  #scale: bigint
  #offset: bigint

  /**
   * @param frequency ticks of the TSC per second
   * @param tsc what the counter shows when the partition is created
   */
  constructor(clock: Clock, frequency: number, tsc: bigint) {
    this.#clock = clock
    this.#base = clock.now()
    this.#tscAtBase = tsc
    this.#frequency = frequency
    this.#scale = scaleOf(frequency)
    this.#offset = -((tsc * this.#scale) >> 64n)
  }

  /** Ticks of the TSC per second. */
  get frequency(): number {
    return this.#frequency
  }

  get scale(): bigint {
    return this.#scale
  }

  get offset(): bigint {
    return this.#offset
  }

  tsc(): bigint {
    const elapsed = Math.max(0, this.#clock.now() - this.#base)
    return this.#tscAtBase + BigInt(Math.floor((elapsed * this.#frequency) / 1000))
  }

  /** Time since the partition was created, in 100 ns units. */
  now(): bigint {
    return ((this.tsc() * this.#scale) >> 64n) + this.#offset
  }

  /** Milliseconds until the reference counter shows `time`; at least one tick, so that waiting makes progress. */
  millisecondsUntil(time: bigint): number {
    const ticks = time - this.now()
    return ticks <= 0n ? 0 : Math.max(1, Number(ticks)) / TICKS_PER_MS
  }

  /**
   * Goes on with another counter, as after a live migration to other hardware: the reference time continues where it
   * is, scale and offset change.
   */
  migrate(frequency: number, tsc: bigint): void {
    const now = this.now()
    this.#base = this.#clock.now()
    this.#tscAtBase = tsc
    this.#frequency = frequency
    this.#scale = scaleOf(frequency)
    this.#offset = now - ((tsc * this.#scale) >> 64n)
  }
}

function scaleOf(frequency: number): bigint {
  return (TICKS_PER_SECOND << 64n) / BigInt(frequency)
}
