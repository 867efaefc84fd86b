/** Something that happens now and then, and who waits for it to happen next. */
export class Happening {
  #waiters: (() => void)[] = []

  /** Resolves when it happens next. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  happens(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}
