import { onNotify } from './wait-async.ts'

const COUNT = 0
const WAITING = 1
/** Words of a bell. */
export const BELL_WORDS = 2

/**
 * Wakes the other thread, which waits without blocking its event loop and without looking again and again. Ringing
 * costs one load while nobody waits.
 *
 * Who rings changes the shared state first; who waits says so first and then looks at the state. One of the two always
 * sees the other.
 */
export class Bell {
  readonly #words: Int32Array
  readonly #base: number

  constructor(words: Int32Array, base: number) {
    this.#words = words
    this.#base = base
  }

  ring(): void {
    if (Atomics.load(this.#words, this.#base + WAITING) === 0) return
    Atomics.store(this.#words, this.#base + WAITING, 0)
    Atomics.add(this.#words, this.#base + COUNT, 1)
    Atomics.notify(this.#words, this.#base + COUNT)
  }

  /**
   * Calls `woken` when the bell rings.
   * @param isDue looks at the shared state: whether there is something to do already
   * @returns false when there is: `woken` will not be called
   */
  wait(isDue: () => boolean, woken: () => void): boolean {
    const count = Atomics.load(this.#words, this.#base + COUNT)
    Atomics.store(this.#words, this.#base + WAITING, 1)
    if (isDue()) {
      Atomics.store(this.#words, this.#base + WAITING, 0)
      return false
    }
    return onNotify(this.#words, this.#base + COUNT, count, woken)
  }
}
