import type { Clock, Timer } from '@bis/hyperv-types'
import type { FrameSink } from './finisher.ts'
import type { SwitchFrame } from './switch-frame.ts'

/** A burst that passes at once, in milliseconds of the rate. */
const BURST_MS = 20
/** What may wait, in milliseconds of the rate; more is dropped. */
const QUEUE_MS = 200

/** Limits what a port sends to so many bits in a second: a token bucket with a queue behind it. */
export class Shaper {
  /** Frames that found the queue full. */
  dropped = 0
  readonly #bytesPerMs: number
  readonly #burst: number
  readonly #limit: number
  readonly #clock: Clock
  readonly #sink: FrameSink
  #tokens: number
  #last: number
  #queue: SwitchFrame[] = []
  #queued = 0
  #timer: Timer | undefined

  constructor(bitsPerSecond: number, clock: Clock, sink: FrameSink) {
    this.#bytesPerMs = bitsPerSecond / 8000
    this.#burst = Math.max(this.#bytesPerMs * BURST_MS, 0x1_0000)
    this.#limit = Math.max(this.#bytesPerMs * QUEUE_MS, 0x1_0000)
    this.#tokens = this.#burst
    this.#clock = clock
    this.#last = clock.now()
    this.#sink = sink
  }

  send(frame: SwitchFrame): void {
    this.#refill()
    if (this.#queue.length === 0 && this.#tokens >= frame.length) {
      this.#tokens -= frame.length
      this.#sink(frame)
    } else if (this.#queued + frame.length > this.#limit) {
      this.dropped++
    } else {
      this.#queue.push(frame.copy())
      this.#queued += frame.length
      this.#arm()
    }
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#queue = []
    this.#queued = 0
  }

  #refill(): void {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#last) * this.#bytesPerMs)
    this.#last = now
  }

  #arm(): void {
    const first = this.#queue[0]
    if (this.#timer !== undefined || first === undefined) return
    const wait = Math.max(0, (Math.min(first.length, this.#burst) - this.#tokens) / this.#bytesPerMs)
    this.#timer = this.#clock.after(wait + 0.01, () => {
      this.#timer = undefined
      this.#release()
    })
  }

  #release(): void {
    this.#refill()
    let sent = 0
    for (const frame of this.#queue) {
      if (this.#tokens < frame.length) break
      this.#tokens -= frame.length
      this.#queued -= frame.length
      sent++
      this.#sink(frame)
    }
    this.#queue.splice(0, sent)
    this.#arm()
  }
}
