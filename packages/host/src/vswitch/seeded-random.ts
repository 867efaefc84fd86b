/** Numbers that a seed repeats (xorshift32). */
export class SeededRandom {
  #state: number

  constructor(seed: number) {
    this.#state = (Math.imul(seed + 1, 0x9e37_79b1) | 1) >>> 0
  }

  /** 0 to 1, 1 not included. */
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state / 0x1_0000_0000
  }
}
