import type { Clock, Timer } from '../interfaces/clock.ts'

interface Pending {
  readonly due: number
  readonly order: number
  readonly task: () => void
}

/**
 * A clock that stands still until it is told to go on: tests with it never wait, and repeat exactly.
 * Promise reactions run on the platform's own queue, which {@link ManualClock.run} lets drain between tasks.
 */
export class ManualClock implements Clock {
  #now = 0
  #order = 0
  #realtimeAtZero: number
  #soon: (() => void)[] = []
  #later: (() => void)[] = []
  #timers: Pending[] = []

  constructor(realtime = Date.UTC(2014, 10, 14)) {
    this.#realtimeAtZero = realtime
  }

  now(): number {
    return this.#now
  }

  realtime(): number {
    return this.#realtimeAtZero + this.#now
  }

  /** Steps the time of day, as an administrator would. */
  setRealtime(milliseconds: number): void {
    this.#realtimeAtZero = milliseconds - this.#now
  }

  after(milliseconds: number, task: () => void): Timer {
    const pending: Pending = { due: this.#now + Math.max(0, milliseconds), order: this.#order++, task }
    this.#timers.push(pending)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== pending)
      },
    }
  }

  soon(task: () => void): void {
    this.#soon.push(task)
  }

  later(task: () => void): void {
    this.#later.push(task)
  }

  /** Timers that have not fired: what a leak check looks at. */
  get pendingTimers(): number {
    return this.#timers.length
  }

  /** Runs everything that is due now, and what that makes due, until nothing is left. */
  async run(): Promise<void> {
    for (;;) {
      await settlePromises()
      const task = this.#soon.shift() ?? this.#later.shift() ?? this.#takeDueTimer(this.#now)
      if (task === undefined) return
      task()
    }
  }

  /** Runs what is due, again and again, until the promise has settled. What waits for time to pass stays pending. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let done = false
    const settled = promise.finally(() => {
      done = true
    })
    settled.catch(() => {}) // the caller gets it when what was due has run
    for (let runs = 0; !done && runs < MOST_RUNS; runs++) await this.run()
    return settled
  }

  /** Lets time pass, stopping at every timer on the way. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    await this.run()
    for (let next = this.#nextDue(); next !== undefined && next <= end; next = this.#nextDue()) {
      this.#now = Math.max(this.#now, next)
      await this.run()
    }
    this.#now = end
  }

  #nextDue(): number | undefined {
    return this.#timers.reduce<number | undefined>((due, timer) => Math.min(due ?? timer.due, timer.due), undefined)
  }

  #takeDueTimer(now: number): (() => void) | undefined {
    let first: Pending | undefined
    for (const timer of this.#timers) {
      if (timer.due > now) continue
      if (first === undefined || timer.due < first.due || (timer.due === first.due && timer.order < first.order)) {
        first = timer
      }
    }
    if (first === undefined) return undefined
    this.#timers = this.#timers.filter((other) => other !== first)
    return first.task
  }
}

/** For one promise: it may wait for many things, each of them due when the one before has ended. */
const MOST_RUNS = 2000

/** Chains of awaits are short; this many turns of the promise queue let each of them come to rest. */
const PROMISE_TURNS = 32

async function settlePromises(): Promise<void> {
  for (let turn = 0; turn < PROMISE_TURNS; turn++) await undefined
}
