/** Atomics.waitAsync, which the language has since ES2024 and Node.js since 16. */
interface AsyncAtomics {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
  ): { readonly async: false } | { readonly async: true; readonly value: Promise<unknown> }
}

const { waitAsync } = Atomics as unknown as Partial<AsyncAtomics>

/** Whether this platform can wait for another thread without blocking. */
export const canWait = waitAsync !== undefined

const COUNT = 0
const WAITING = 1

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
    if (waitAsync === undefined) return false
    const result = waitAsync(this.#words, this.#base + COUNT, count)
    if (!result.async) return false
    void result.value.then(woken)
    return true
  }
}
