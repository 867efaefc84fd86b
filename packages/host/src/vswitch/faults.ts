import type { Clock } from '@bis/hyperv-types'
import { SeededRandom } from '@bis/hyperv-types'
import type { FrameSink } from './finisher.ts'
import type { SwitchFrame } from './switch-frame.ts'

/** How often what goes wrong on the way to a port: probabilities from 0 to 1. */
export interface LinkFaults {
  /** Repeats a run. Default 1. */
  readonly seed?: number
  readonly drop?: number
  readonly duplicate?: number
  /** The frame goes after the next one. */
  readonly reorder?: number
  /** Every frame takes so long, and up to `jitterMs` more. */
  readonly delayMs?: number
  readonly jitterMs?: number
}

/** A link that loses, doubles, swaps and delays frames as its seed says. */
export class FaultyLink {
  readonly counters = { dropped: 0, duplicated: 0, reordered: 0, delayed: 0 }
  readonly #faults: LinkFaults
  readonly #clock: Clock
  readonly #sink: FrameSink
  readonly #random: SeededRandom
  #held: SwitchFrame | undefined

  constructor(faults: LinkFaults, clock: Clock, sink: FrameSink) {
    this.#faults = faults
    this.#clock = clock
    this.#sink = sink
    this.#random = new SeededRandom(faults.seed ?? 1)
  }

  send(frame: SwitchFrame): void {
    const { drop = 0, duplicate = 0, reorder = 0 } = this.#faults
    if (this.#random.fraction() < drop) {
      this.counters.dropped++
      return
    }
    const twice = this.#random.fraction() < duplicate
    if (this.#held === undefined && this.#random.fraction() < reorder) {
      this.counters.reordered++
      this.#held = frame.copy()
      return
    }
    const again = twice ? frame.copy() : undefined
    this.#pass(frame)
    if (again !== undefined) {
      this.counters.duplicated++
      this.#pass(again)
    }
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#pass(held)
  }

  #pass(frame: SwitchFrame): void {
    const { delayMs = 0, jitterMs = 0 } = this.#faults
    if (delayMs === 0 && jitterMs === 0) {
      this.#sink(frame)
      return
    }
    this.counters.delayed++
    const kept = frame.copy()
    this.#clock.after(delayMs + this.#random.fraction() * jitterMs, () => this.#sink(kept))
  }
}
