/** A channel as far as a list of sub-channels looks at it. */
interface Indexed {
  readonly offer: { readonly subIndex: number }
}

/** The sub-channels of a primary channel, by their index, and who wants to hear of new ones. */
export class SubchannelList<C extends Indexed> {
  readonly #failed: (error: unknown) => void
  readonly #listeners = new Set<(channel: C) => void>()
  #channels: readonly C[] = []

  /** @param failed a listener threw */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  get all(): readonly C[] {
    return this.#channels
  }

  add(channel: C): void {
    this.#channels = [...this.#channels, channel].sort((a, b) => a.offer.subIndex - b.offer.subIndex)
    for (const listener of [...this.#listeners]) {
      try {
        listener(channel)
      } catch (error) {
        this.#failed(error)
      }
    }
  }

  remove(channel: C): void {
    this.#channels = this.#channels.filter((other) => other !== channel)
  }

  /** Calls the listener for each that is there and each that comes. @returns how to stop */
  listen(listener: (channel: C) => void): () => void {
    for (const channel of this.#channels) listener(channel)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
