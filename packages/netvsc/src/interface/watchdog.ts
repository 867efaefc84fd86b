import type { Clock, Timer } from '@bis/hyperv-types'

/** Looks at something again and again. */
export class Watchdog {
  readonly #clock: Clock
  readonly #milliseconds: number
  readonly #look: () => void
  #timer: Timer | undefined

  /** @param milliseconds between two looks; 0 for none at all */
  constructor(clock: Clock, milliseconds: number, look: () => void) {
    this.#clock = clock
    this.#milliseconds = milliseconds
    this.#look = look
  }

  start(): void {
    if (this.#milliseconds === 0) return
    this.#timer = this.#clock.after(this.#milliseconds, () => {
      this.start()
      this.#look()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }
}
