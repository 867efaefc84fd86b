/** A small repeatable generator (xorshift32): the same seed, the same run. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1
  }

  /** 32 random bits. */
  bits(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** An integer from 0 to below `limit`. */
  below(limit: number): number {
    return this.bits() % limit
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T
  }
}
