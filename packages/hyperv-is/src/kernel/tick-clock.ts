import type { Clock, Timer } from '@bis/hyperv-types'

/**
 * callout_reset() as older kernels have it: callouts come at ticks. It counts whole ticks from the one under way on, and so
 * may end up to a tick early; this one takes the first tick that is not early, as drivers of head expect.
 */
export class TickClock implements Clock {
  readonly #clock: Clock
  readonly #tick: number

  /** @param tick milliseconds of a tick */
  constructor(clock: Clock, tick: number) {
    this.#clock = clock
    this.#tick = tick
  }

  now(): number {
    return this.#clock.now()
  }

  realtime(): number {
    return this.#clock.realtime()
  }

  after(milliseconds: number, task: () => void): Timer {
    const now = this.#clock.now()
    const due = Math.ceil((now + milliseconds) / this.#tick) * this.#tick
    return this.#clock.after(Math.max(milliseconds, due - now), task)
  }

  soon(task: () => void): void {
    this.#clock.soon(task)
  }

  later(task: () => void): void {
    this.#clock.later(task)
  }
}
