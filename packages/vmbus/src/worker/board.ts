const BITMAP_WORDS = 64
/** Words of the board. */
const MAIN_BELL = 0
const PROCESSOR_BELL = 1
const USED_WORDS = 2
const STATE = 3
const TO_HOST = 8
const FORWARDED = TO_HOST + BITMAP_WORDS
const SERVED = FORWARDED + BITMAP_WORDS
const STOPPED = SERVED + BITMAP_WORDS
const LENT = STOPPED + BITMAP_WORDS
const BOARD_WORDS = LENT + BITMAP_WORDS

/** A bitmap of channels, by id. */
export type BoardRow = 'to-host' | 'forwarded' | 'lent' | 'served' | 'stopped'
const ROWS: Readonly<Record<BoardRow, number>> = {
  'to-host': TO_HOST,
  forwarded: FORWARDED,
  lent: LENT,
  served: SERVED,
  stopped: STOPPED,
}

/**
 * - `offered`: no thread has taken the link up; `attached`: one has;
 * - `closing`: the bus wants it to end; `ended`: it touches nothing any more.
 */
export type ThreadState = 'offered' | 'attached' | 'closing' | 'ended'
const STATES: readonly ThreadState[] = ['offered', 'attached', 'closing', 'ended']

/** Who is woken. */
export type BoardBell = 'main' | 'processor'

/**
 * Where the bus and a processor in a thread of its own leave notes for each other, in shared memory:
 * - `to-host`: the processor has written into a ring, and the host must be signalled;
 * - `forwarded`: the processor found an event for a channel that it does not serve;
 * - `lent`: channels handed over and not yet taken up; whoever clears the note has the channel;
 * - `served`: the channels that the processor serves now;
 * - `stopped`: the channels that it is to give back.
 * Whoever leaves a note changes the row first and rings the bell then; whoever waits reads the bell, looks at the rows,
 * and only then waits for the bell to change: one of the two always sees the other.
 */
export class ProcessorBoard {
  readonly words: Int32Array

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer)
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(BOARD_WORDS * 4)
  }

  get state(): ThreadState {
    return STATES[Atomics.load(this.words, STATE)] ?? 'ended'
  }

  /** @returns false, with nothing changed, when the state is another one */
  change(from: ThreadState, to: ThreadState): boolean {
    const old = STATES.indexOf(from)
    return Atomics.compareExchange(this.words, STATE, old, STATES.indexOf(to)) === old
  }

  /** The thread touches nothing any more. */
  end(): void {
    Atomics.store(this.words, STATE, STATES.indexOf('ended'))
  }

  /** Words of event flags that a scan looks at. */
  get usedWords(): number {
    return Atomics.load(this.words, USED_WORDS)
  }

  set usedWords(words: number) {
    Atomics.store(this.words, USED_WORDS, words)
  }

  /** @returns whether the note was not there yet */
  set(row: BoardRow, channelId: number): boolean {
    const bit = 1 << (channelId & 31)
    return (Atomics.or(this.words, ROWS[row] + (channelId >>> 5), bit) & bit) === 0
  }

  /** @returns whether the note was there */
  clear(row: BoardRow, channelId: number): boolean {
    const bit = 1 << (channelId & 31)
    return (Atomics.and(this.words, ROWS[row] + (channelId >>> 5), ~bit) & bit) !== 0
  }

  has(row: BoardRow, channelId: number): boolean {
    return (Atomics.load(this.words, ROWS[row] + (channelId >>> 5)) & (1 << (channelId & 31))) !== 0
  }

  /** Takes every note of a row. */
  take(row: BoardRow, report: (channelId: number) => void): void {
    for (let word = 0; word < BITMAP_WORDS; word++) {
      const at = ROWS[row] + word
      if (Atomics.load(this.words, at) === 0) continue
      for (let bits = Atomics.exchange(this.words, at, 0); bits !== 0; bits &= bits - 1) {
        report(word * 32 + 31 - Math.clz32(bits & -bits))
      }
    }
  }

  ring(bell: BoardBell): void {
    const at = bell === 'main' ? MAIN_BELL : PROCESSOR_BELL
    Atomics.add(this.words, at, 1)
    Atomics.notify(this.words, at)
  }

  /** What to look at before the rows, and to wait on after them. */
  bell(bell: BoardBell): { readonly index: number; readonly value: number } {
    const index = bell === 'main' ? MAIN_BELL : PROCESSOR_BELL
    return { index, value: Atomics.load(this.words, index) }
  }
}
