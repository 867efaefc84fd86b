import type { Clock } from '@bis/hyperv-types'

const WINDOW_MS = 1000

/** Counts a peer's protocol violations and says when there are too many within a second. */
export class ViolationLimit {
  readonly #clock: Clock
  readonly #limit: number
  #windowStart = -Infinity
  #count = 0

  constructor(clock: Clock, limit: number) {
    this.#clock = clock
    this.#limit = limit
  }

  /** @returns true when the limit is passed: the channel is to be disabled. */
  note(): boolean {
    const now = this.#clock.now()
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#windowStart = now
      this.#count = 0
    }
    return ++this.#count > this.#limit
  }
}
