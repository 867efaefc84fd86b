import type { Clock, Timer } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'

/** The system's clock, which counts the timers that are set. */
export class CountedClock implements Clock {
  readonly #timers = new Set<Timer>()

  get timers(): number {
    return this.#timers.size
  }

  now(): number {
    return systemClock.now()
  }

  realtime(): number {
    return systemClock.realtime()
  }

  after(milliseconds: number, task: () => void): Timer {
    const inner = systemClock.after(milliseconds, () => {
      this.#timers.delete(timer)
      task()
    })
    const timer: Timer = {
      cancel: () => {
        this.#timers.delete(timer)
        inner.cancel()
      },
    }
    this.#timers.add(timer)
    return timer
  }

  soon(task: () => void): void {
    systemClock.soon(task)
  }

  later(task: () => void): void {
    systemClock.later(task)
  }
}
