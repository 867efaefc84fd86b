/**
 * Lets data I/O run side by side, and a change of the map (trim, resize, close) run alone.
 * A waiting change holds back I/O that comes later, so it is never starved.
 */
export class IoGate {
  #inside = 0
  #alone = false
  readonly #waiting: { exclusive: boolean; go: () => void }[] = []

  /** Enters at once and returns undefined, or returns what to wait for (entered when it resolves). */
  enter(): Promise<void> | undefined {
    if (!this.#alone && this.#waiting.length === 0) {
      this.#inside++
      return undefined
    }
    return new Promise((go) => this.#waiting.push({ exclusive: false, go }))
  }

  leave(): void {
    this.#inside--
    if (this.#inside === 0) this.#admit()
  }

  /** Runs `work` with no I/O inside. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#inside > 0 || this.#waiting.length > 0) {
      await new Promise<void>((go) => this.#waiting.push({ exclusive: true, go }))
    } else {
      this.#alone = true
    }
    try {
      return await work()
    } finally {
      this.#alone = false
      this.#admit()
    }
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && !this.#alone; next = this.#waiting[0]) {
      if (next.exclusive) {
        if (this.#inside > 0) return
        this.#alone = true
      } else {
        this.#inside++
      }
      this.#waiting.shift()
      next.go()
    }
  }
}
