import type { Kernel, Timer } from '@bis/hyperv-types'

const INTERVAL_MS = 1000
/** Parts of a second in a second: what adjtime(2) allows itself. */
const RATE = 500e-6

/** Moves the time of day slowly, so that it never jumps and never goes back. */
export class Slew {
  readonly #kernel: Kernel
  #left = 0
  #timer: Timer | undefined

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Milliseconds still to go; positive while the clock is behind. */
  get left(): number {
    return this.#left
  }

  /** Takes the place of what was left. */
  start(milliseconds: number): void {
    this.#left = milliseconds
    if (milliseconds === 0) this.stop()
    else this.#timer ??= this.#kernel.clock.after(INTERVAL_MS, () => this.#step())
  }

  stop(): void {
    this.#left = 0
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #step(): void {
    const most = INTERVAL_MS * RATE
    const step = Math.max(-most, Math.min(most, this.#left))
    this.#kernel.setRealtime(this.#kernel.clock.realtime() + step)
    this.#left -= step
    this.#timer = this.#left === 0 ? undefined : this.#kernel.clock.after(INTERVAL_MS, () => this.#step())
  }
}
