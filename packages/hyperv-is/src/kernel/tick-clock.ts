import type { Clock, Timer } from '@bis/hyperv-types'

/** callout_reset() as older kernels have it: time counts in ticks, and a callout never comes early. */
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
    return this.#clock.after(Math.ceil(milliseconds / this.#tick) * this.#tick, task)
  }

  soon(task: () => void): void {
    this.#clock.soon(task)
  }

  later(task: () => void): void {
    this.#clock.later(task)
  }
}
