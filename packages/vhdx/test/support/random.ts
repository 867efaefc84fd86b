/**
 * A small seeded generator (mulberry32), so that a failing run can be repeated from its seed. Not that of hyperv-types: this
 * package stands alone, and a disk may have more than 2^32 sectors.
 */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor((this.u32() / 2 ** 32) * end)
  }

  chance(probability: number): boolean {
    return this.u32() / 2 ** 32 < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.fill(bytes)
    return bytes
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const value = this.u32()
      for (let j = 0; j < 4 && i + j < bytes.length; j++) bytes[i + j] = value >>> (8 * j)
    }
  }
}

/** Ids and times that depend on the seed only. */
export function seededEnvironment(seed: number): { random(buffer: Uint8Array): void; now(): number } {
  const random = new Random(seed)
  return { random: (buffer) => random.fill(buffer), now: () => Date.UTC(2024, 0, 1) }
}
