/** A seeded source of chances (xorshift32). */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = (Math.imul(seed + 1, 0x9e37_79b1) | 1) >>> 0
  }

  /** An unsigned 32-bit number. */
  word(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return this.word() % limit
  }

  /** Whether something of this probability happens now. Impossible things leave the course of chances as it is. */
  happens(probability: number | undefined): boolean {
    return probability !== undefined && probability > 0 && this.word() < probability * 0x1_0000_0000
  }
}
