import type { Clock, Timer } from '@bis/hyperv-types'
import { onNotify } from '@bis/hyperv-types/threads'
import type { EventFlags } from '../platform/event-flags.ts'
import type { ProcessorBoard } from './board.ts'

/** A timer this far away only keeps a thread alive that has nothing but its processor; in milliseconds. */
const KEEP_ALIVE_MS = 1_000_000_000

export interface EventWatchParts {
  readonly clock: Clock
  readonly flags: EventFlags
  readonly board: ProcessorBoard
  /** Looks at the board, before the flags. @returns whether to go on waiting */
  look(): boolean
  /** A flag was set. */
  onEvent(channelId: number): void
}

/** Waits, without blocking the thread, for event flags and for the bell of the processor's board; looks at both then. */
export class EventWatch {
  readonly #parts: EventWatchParts
  readonly #onFlag: (channelId: number) => void
  /** Words of event flags that are waited on. */
  readonly #armed = new Set<number>()
  readonly #keepAlive: Timer
  #bellArmed = false
  #scheduled = false
  #ended = false

  constructor(parts: EventWatchParts) {
    this.#parts = parts
    this.#onFlag = (channelId) => parts.onEvent(channelId)
    this.#keepAlive = parts.clock.after(KEEP_ALIVE_MS, () => {})
    this.#schedule()
  }

  end(): void {
    this.#ended = true
    this.#keepAlive.cancel()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#parts.clock.soon(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  /** Looks at everything, then waits for the next change of anything. */
  #turn(): void {
    if (this.#ended) return
    const { board, flags } = this.#parts
    const { index, value } = board.bell('processor')
    if (!this.#parts.look()) return
    const used = board.usedWords
    flags.widen(used)
    flags.take(this.#onFlag)
    let due = false
    for (let word = 0; word < used; word++) if (!this.#armWord(word)) due = true
    if (!this.#armBell(index, value)) due = true
    if (due) this.#schedule()
  }

  /** @returns false when there is something to look at already */
  #armWord(word: number): boolean {
    if (this.#armed.has(word)) return true
    const armed = onNotify(this.#parts.flags.words, word, 0, () => {
      this.#armed.delete(word)
      this.#turn()
    })
    if (armed) this.#armed.add(word)
    return armed
  }

  /** @returns false when it has rung since the turn began */
  #armBell(index: number, value: number): boolean {
    this.#bellArmed ||= onNotify(this.#parts.board.words, index, value, () => {
      this.#bellArmed = false
      this.#turn()
    })
    return this.#bellArmed
  }
}
