/** Sections of the send buffer, handed out and taken back. Never one twice, whatever the order. */
export class SendSections {
  readonly count: number
  readonly sectionBytes: number
  #freeCount: number
  readonly #free: Int32Array
  readonly #used: Uint8Array

  constructor(bufferBytes: number, sectionBytes: number) {
    this.sectionBytes = sectionBytes
    this.count = sectionBytes === 0 ? 0 : Math.floor(bufferBytes / sectionBytes)
    this.#free = Int32Array.from({ length: this.count }, (_, i) => this.count - 1 - i)
    this.#freeCount = this.count
    this.#used = new Uint8Array(this.count)
  }

  get free(): number {
    return this.#freeCount
  }

  /** @returns a section's index, or -1 when none is free */
  take(): number {
    if (this.#freeCount === 0) return -1
    const index = this.#free[--this.#freeCount] ?? -1
    this.#used[index] = 1
    return index
  }

  give(index: number): void {
    if (this.#used[index] !== 1) return
    this.#used[index] = 0
    this.#free[this.#freeCount++] = index
  }
}
