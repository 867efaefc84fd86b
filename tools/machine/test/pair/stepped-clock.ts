import type { Clock, SeededRandom, Timer } from '@bis/hyperv-types'

interface PendingTimer {
  readonly due: number
  readonly task: () => void
}

/**
 * A clock that runs one task at a time, so that a test can do something between any two of them, and that chooses by seed
 * which of the tasks put off with `later` comes next.
 */
export class SteppedClock implements Clock {
  readonly #random: SeededRandom
  readonly #soon: (() => void)[] = []
  readonly #later: (() => void)[] = []
  #timers: PendingTimer[] = []
  #now = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  now(): number {
    return this.#now
  }

  realtime(): number {
    return this.#now
  }

  soon(task: () => void): void {
    this.#soon.push(task)
  }

  later(task: () => void): void {
    this.#later.push(task)
  }

  after(milliseconds: number, task: () => void): Timer {
    const timer = { due: this.#now + Math.max(0, milliseconds), task }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  /** Runs up to so many tasks. @returns whether there was one each time */
  async step(tasks: number): Promise<boolean> {
    for (let n = 0; n < tasks; n++) {
      await settle()
      const task = this.#soon.shift() ?? this.#later.splice(this.#random.below(this.#later.length || 1), 1)[0]
      if (task === undefined) return false
      task()
    }
    return true
  }

  /** Runs all tasks, and lets time pass until so many milliseconds are over. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    for (;;) {
      while (await this.step(1));
      const next = this.#timers.reduce<PendingTimer | undefined>(
        (first, timer) => (first === undefined || timer.due < first.due ? timer : first),
        undefined,
      )
      if (next === undefined || next.due > end) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.due)
      next.task()
    }
    this.#now = end
  }

  get pendingTimers(): number {
    return this.#timers.length
  }
}

/** Lets every chain of awaits come to rest. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
