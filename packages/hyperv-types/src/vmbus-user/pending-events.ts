/** Events that found a full link: each is sent once when there is room, however often it was signalled meanwhile. */
export class PendingEvents {
  readonly #events = new Map<number, readonly [a: number, b: number, c: number]>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#events.size
  }

  /** Keeps an event for later. @returns false when there are too many. */
  add(key: number, a: number, b: number, c: number): boolean {
    if (this.#events.has(key)) return true
    if (this.#events.size >= this.#limit) return false
    this.#events.set(key, [a, b, c])
    return true
  }

  /** Sends what waits, in the order it came, until `send` answers false. */
  flush(send: (a: number, b: number, c: number) => boolean): void {
    for (const [key, [a, b, c]] of this.#events) {
      if (!send(a, b, c)) return
      this.#events.delete(key)
    }
  }

  clear(): void {
    this.#events.clear()
  }
}
