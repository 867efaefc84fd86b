import type { Clock } from '@bis/hyperv-types'

/** Between two rounds: a host that asks for more and more of them cannot keep the guest busy with nothing else. */
const PAUSE_MS = 50

/**
 * Work that is done again whenever it is asked for, one round at a time: what is asked for during a round makes one more.
 */
export class Rounds {
  readonly #clock: Clock
  readonly #work: () => Promise<void>
  #waiting: (() => void)[] = []
  #running = false
  #stopped = false
  #ended: Promise<void> = Promise.resolve()

  /** @param work must not reject */
  constructor(clock: Clock, work: () => Promise<void>) {
    this.#clock = clock
    this.#work = work
  }

  /** Resolves at the end of a round that began after the call, or when there will be no more. */
  request(): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    const round = new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (!this.#running) this.#ended = this.#run()
    return round
  }

  /** No round begins any more. Resolves when none runs. */
  stop(): Promise<void> {
    this.#stopped = true
    return this.#ended
  }

  async #run(): Promise<void> {
    this.#running = true
    for (let round = 0; this.#waiting.length > 0; round++) {
      if (round > 0 && !this.#stopped) await new Promise<void>((resolve) => this.#clock.after(PAUSE_MS, resolve))
      const waiting = this.#waiting
      this.#waiting = []
      if (!this.#stopped) await this.#work()
      for (const resolve of waiting) resolve()
    }
    this.#running = false
  }
}
