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

/**
 * Calls `woken` when the word is notified; the wait does not block the thread.
 * @returns false when the word has another value already, or the platform cannot wait: `woken` will not be called
 */
export function onNotify(words: Int32Array, index: number, value: number, woken: () => void): boolean {
  if (waitAsync === undefined) return false
  const result = waitAsync(words, index, value)
  if (!result.async) return false
  void result.value.then(woken)
  return true
}
