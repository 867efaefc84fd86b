/** No section, no buffer, no descriptor. */
export const NONE = -1

/** What each message that the host has is made of, by descriptor: to take it back when the host is done with it. */
export class MessageBook {
  /** Messages that the host has not completed. */
  outstanding = 0
  readonly #free: Int32Array
  #freeCount: number
  /** Section of the send buffer, or NONE. */
  readonly #section: Int32Array
  /** Large buffer, or NONE. */
  readonly #large: Int32Array
  /** Frames in the message, 0 when the host does not have it. */
  readonly #frames: Int32Array
  #completions = 0
  /** What was seen when {@link isStuck} was last asked. */
  #seenCompletions = 0
  #seenOutstanding = 0

  constructor(descriptors: number) {
    this.#free = Int32Array.from({ length: descriptors }, (_, i) => descriptors - 1 - i)
    this.#freeCount = descriptors
    this.#section = new Int32Array(descriptors).fill(NONE)
    this.#large = new Int32Array(descriptors).fill(NONE)
    this.#frames = new Int32Array(descriptors)
  }

  get hasFree(): boolean {
    return this.#freeCount > 0
  }

  /** Messages sent so far. */
  get sends(): number {
    return this.#completions + this.outstanding
  }

  /** The descriptor of the next message, or NONE. It is free until {@link sent}. */
  next(): number {
    return this.#freeCount === 0 ? NONE : (this.#free[this.#freeCount - 1] ?? NONE)
  }

  /** Writes down a message before the host can see it. */
  write(descriptor: number, section: number, large: number, frames: number): void {
    this.#section[descriptor] = section
    this.#large[descriptor] = large
    this.#frames[descriptor] = frames
  }

  /** The host did not get the message that was written down. */
  erase(descriptor: number): void {
    this.write(descriptor, NONE, NONE, 0)
  }

  /** The host has the message of the descriptor that {@link next} gave. */
  sent(): void {
    this.#freeCount--
    this.outstanding++
  }

  /** The host is done with a message that it has. */
  completed(descriptor: number): void {
    this.erase(descriptor)
    this.#free[this.#freeCount++] = descriptor
    this.outstanding--
    this.#completions++
  }

  sectionOf(descriptor: number): number {
    return this.#section[descriptor] ?? NONE
  }

  largeOf(descriptor: number): number {
    return this.#large[descriptor] ?? NONE
  }

  /** 0 for what is no descriptor too: the host may name any. */
  framesOf(descriptor: number): number {
    return this.#frames[descriptor] ?? 0
  }

  /** Whether the host has completed nothing since the last time this was asked, although it had messages then. */
  isStuck(): boolean {
    const stuck = this.outstanding > 0 && this.#seenOutstanding > 0 && this.#completions === this.#seenCompletions
    this.#seenOutstanding = this.outstanding
    this.#seenCompletions = this.#completions
    return stuck
  }
}
