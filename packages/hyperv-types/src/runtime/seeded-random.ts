/**
 * Random choices that a seed repeats (xorshift32): for faults that are injected and for tests.
 * Not for anything that a peer must not guess.
 */
export class SeededRandom {
  #state: number

  /** @param seed a whole number; only its low 32 bits count */
  constructor(seed: number) {
    this.#state = (Math.imul(seed + 1, 0x9e37_79b1) | 1) >>> 0
  }

  /** An unsigned 32-bit number, never 0. */
  word(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state
  }

  /** A number from 0 to below 1. */
  fraction(): number {
    return this.word() / 0x1_0000_0000
  }

  /** A whole number from 0 to `limit` - 1; `limit` is at least 1. */
  below(limit: number): number {
    return this.word() % limit
  }

  /** Whether something of this probability (0 to 1) happens now. The impossible leaves the course of choices as it is. */
  happens(probability: number | undefined): boolean {
    return probability !== undefined && probability > 0 && this.word() < probability * 0x1_0000_0000
  }

  /** One of `items`, of which there is at least one. @throws RangeError when there is none */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from')
    return items[this.below(items.length)] as T
  }

  /** So many random bytes. */
  bytes(length: number): Uint8Array {
    return this.fill(new Uint8Array(length))
  }

  /** Fills `bytes` and returns it. */
  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.below(256)
    return bytes
  }
}
