/** Numbers handed out lowest first, or from wherever `choose` says, and taken back. */
export class IdPool {
  readonly #first: number
  readonly #choose: ((limit: number) => number) | undefined
  readonly #taken = new Set<number>()

  constructor(first: number, choose?: (limit: number) => number) {
    this.#first = first
    this.#choose = choose
  }

  /** A free number below `end`, or undefined. */
  take(end: number): number | undefined {
    const count = end - this.#first
    const start = this.#choose?.(count) ?? 0
    for (let n = 0; n < count; n++) {
      const id = this.#first + ((start + n) % count)
      if (this.#taken.has(id)) continue
      this.#taken.add(id)
      return id
    }
    return undefined
  }

  /** Takes this number. @returns false when it is none below `end`, or taken */
  claim(id: number, end: number): boolean {
    if (!Number.isInteger(id) || id < this.#first || id >= end || this.#taken.has(id)) return false
    this.#taken.add(id)
    return true
  }

  free(id: number): void {
    this.#taken.delete(id)
  }
}
