/** Numbers handed out lowest first and taken back. */
export class IdPool {
  readonly #first: number
  readonly #taken = new Set<number>()

  constructor(first: number) {
    this.#first = first
  }

  /** The lowest free number below `end`, or undefined. */
  take(end: number): number | undefined {
    for (let id = this.#first; id < end; id++) {
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
