import { EVENT_FLAGS_BYTES } from '@bis/hyperv-types/hypervisor'

/**
 * A row of event flags: one SINT's in the SIEFP page, or the host's half of the interrupt page. Scanning costs by the
 * highest flag in use, not by the size of the row.
 */
export class EventFlags {
  /** To wait on; otherwise the class's own. */
  readonly words: Int32Array
  #used = 1

  constructor(bytes: Uint8Array) {
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  }

  /** The flags of a SINT in a processor's event-flags page. */
  static ofSint(page: Uint8Array, sint: number): EventFlags {
    const offset = sint * EVENT_FLAGS_BYTES
    return new EventFlags(page.subarray(offset, offset + EVENT_FLAGS_BYTES))
  }

  /** Words that a scan looks at. */
  get scannedWords(): number {
    return this.#used
  }

  /** Scans up to this flag from now on. Flags beyond the old bound that were left over are dropped: they are stale. */
  use(highest: number): void {
    const needed = Math.min((highest >>> 5) + 1, this.words.length)
    for (let word = this.#used; word < needed; word++) Atomics.store(this.words, word, 0)
    if (needed > this.#used) this.#used = needed
  }

  /** As {@link use}, in a second view of the row: what is set there is for it. */
  widen(words: number): void {
    this.#used = Math.max(this.#used, Math.min(words, this.words.length))
  }

  /** Wakes threads that wait for flags of this row, where there are any set. */
  notify(): void {
    for (let word = 0; word < this.#used; word++) {
      if (Atomics.load(this.words, word) !== 0) Atomics.notify(this.words, word)
    }
  }

  /** Clears every flag that is set and reports it; clearing comes first, so that a signal meanwhile sets it again. */
  take(report: (flag: number) => void): void {
    for (let word = 0; word < this.#used; word++) {
      if (Atomics.load(this.words, word) === 0) continue
      let bits = Atomics.exchange(this.words, word, 0)
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits)
        report(word * 32 + bit)
        bits &= bits - 1
      }
    }
  }
}
