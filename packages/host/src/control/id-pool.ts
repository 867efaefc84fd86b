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

  free(id: number): void {
    this.#taken.delete(id)
  }
}
