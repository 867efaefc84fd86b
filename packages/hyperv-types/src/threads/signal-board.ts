import { BELL_WORDS, Bell } from './bell.ts'

/** Connection ids below this have a place on the board: hosts give ids of some 14 bits. */
const CONNECTION_LIMIT = 65_536
/** Each level has a bit for every word of the level below that is not zero. */
const WORDS = CONNECTION_LIMIT / 32
const GROUPS = WORDS / 32
const TOPS = GROUPS / 32
/** The bell has a cache line of its own. */
const HEADER_WORDS = 16

/**
 * HvSignalEvent from threads: processors that run in threads of their own leave the connections that they signal in
 * shared memory, and the root, wherever it runs, takes them from there. A connection that is signalled twice before it
 * is taken is signalled once. Nothing here allocates or waits.
 */
export class SignalBoard {
  readonly #words: Int32Array
  readonly #bell: Bell
  readonly #rows: number

  /** @param rows processors that may signal */
  static allocate(rows: number): SharedArrayBuffer {
    return new SharedArrayBuffer((HEADER_WORDS + rows * (TOPS + GROUPS + WORDS)) * 4)
  }

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer)
    this.#bell = new Bell(this.#words, HEADER_WORDS - BELL_WORDS)
    this.#rows = (this.#words.length - HEADER_WORDS) / (TOPS + GROUPS + WORDS)
  }

  /** Whether a connection has a place here. */
  static takes(connectionId: number): boolean {
    return connectionId < CONNECTION_LIMIT
  }

  /** Signals a connection that has a place here. @param row of the processor that signals */
  signal(row: number, connectionId: number): void {
    const word = row * WORDS + (connectionId >>> 5)
    // Found set, it is on its way: who set it rings the bell, or has.
    if (!this.#mark(this.#wordsAt, word, connectionId)) return
    this.#mark(this.#groupsAt, word >>> 5, word)
    this.#mark(HEADER_WORDS, word >>> 10, word >>> 5)
    this.#bell.ring()
  }

  /** Takes every signal that is there. */
  take(report: (connectionId: number, row: number) => void): void {
    const tops = this.#rows * TOPS
    for (let top = 0; top < tops; top++) {
      for (let groups = this.#takeWord(HEADER_WORDS + top); groups !== 0; groups &= groups - 1) {
        const group = top * 32 + lowestBit(groups)
        for (let words = this.#takeWord(this.#groupsAt + group); words !== 0; words &= words - 1) {
          const word = group * 32 + lowestBit(words)
          for (let bits = this.#takeWord(this.#wordsAt + word); bits !== 0; bits &= bits - 1) {
            report((word % WORDS) * 32 + lowestBit(bits), Math.floor(word / WORDS))
          }
        }
      }
    }
  }

  /**
   * Calls `woken` at the next signal.
   * @returns false when there is one already: `woken` will not be called
   */
  wait(woken: () => void): boolean {
    return this.#bell.wait(() => this.#isDue(), woken)
  }

  get #groupsAt(): number {
    return HEADER_WORDS + this.#rows * TOPS
  }

  get #wordsAt(): number {
    return this.#groupsAt + this.#rows * GROUPS
  }

  #isDue(): boolean {
    const end = this.#groupsAt
    for (let at = HEADER_WORDS; at < end; at++) if (Atomics.load(this.#words, at) !== 0) return true
    return false
  }

  /** @returns whether the bit was clear */
  #mark(level: number, word: number, bit: number): boolean {
    const mask = 1 << (bit & 31)
    return (Atomics.or(this.#words, level + word, mask) & mask) === 0
  }

  #takeWord(at: number): number {
    return Atomics.load(this.#words, at) === 0 ? 0 : Atomics.exchange(this.#words, at, 0)
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word)
}
