import type { Clock } from '@bis/hyperv-types'

/** Messages handled in one task. */
const BUDGET = 64

/** Control messages that a guest has posted and that wait for their turn, in order and up to a limit. */
export class Inbox {
  readonly #clock: Clock
  readonly #limit: number
  readonly #handle: (payload: Uint8Array) => void
  #messages: Uint8Array[] = []
  #scheduled = false
  #held = false

  constructor(clock: Clock, limit: number, handle: (payload: Uint8Array) => void) {
    this.#clock = clock
    this.#limit = limit
    this.#handle = handle
  }

  /** Takes a copy. @returns false when there is no room. */
  put(payload: Uint8Array): boolean {
    if (this.#messages.length >= this.#limit) return false
    this.#messages.push(payload.slice())
    if (!this.#scheduled && !this.#held) {
      this.#scheduled = true
      this.#clock.soon(this.#run)
    }
    return true
  }

  /** Keeps what comes and handles nothing any more. @returns what waits; it grows as more comes */
  hold(): readonly Uint8Array[] {
    this.#held = true
    return this.#messages
  }

  clear(): void {
    this.#messages = []
  }

  readonly #run = (): void => {
    if (this.#held) return
    const batch = this.#messages.splice(0, BUDGET)
    for (const payload of batch) this.#handle(payload)
    this.#scheduled = this.#messages.length > 0
    if (this.#scheduled) this.#clock.later(this.#run)
  }
}
