import type { Clock } from '@bis/hyperv-types'
import type { SwitchPort } from './switch-port.ts'

/** What is known during one burst of frames: the time, and which ports were given some. */
export class Burst {
  readonly #clock: Clock
  /** Ports that were given frames; the array is never cut short, which would have it made anew. */
  readonly #touched: (SwitchPort | undefined)[] = []
  #count = 0
  /** Seconds; negative when not known yet. */
  #time = -1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The time in seconds, read once for each burst: reading a clock costs more than forwarding. */
  seconds(): number {
    if (this.#time < 0) this.#time = this.#clock.now() / 1000
    return this.#time
  }

  /** The port's client is told when the burst is over. */
  touch(port: SwitchPort): void {
    if (port.touched) return
    port.touched = true
    this.#touched[this.#count++] = port
  }

  /** Tells every client that was given frames. */
  end(): void {
    this.#time = -1
    const touched = this.#touched
    for (let i = 0; i < this.#count; i++) {
      const port = touched[i]
      touched[i] = undefined
      if (port === undefined) continue
      port.touched = false
      port.client.flush?.()
    }
    this.#count = 0
  }
}
