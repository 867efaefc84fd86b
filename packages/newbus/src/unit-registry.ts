import type { UnitRegistry } from '@bis/hyperv-types'

type Listener<T> = (event: 'arrived' | 'departed', item: T) => void

/** Named things with unit numbers (`da0`, `hn1`), the lowest free unit first. */
export class Units<T extends { readonly name: string }> implements UnitRegistry<T> {
  readonly #items = new Map<string, T>()
  readonly #listeners = new Set<Listener<T>>()

  add<U extends T>(
    prefix: string,
    make: (name: string, unit: number) => U,
    wired = 0,
  ): { readonly item: U; remove(): void } {
    let unit = wired
    while (this.#items.has(`${prefix}${unit}`)) unit++
    const name = `${prefix}${unit}`
    const item = make(name, unit)
    this.#items.set(name, item)
    this.#tell('arrived', item)
    return {
      item,
      remove: () => {
        if (this.#items.get(name) !== item) return
        this.#items.delete(name)
        this.#tell('departed', item)
      },
    }
  }

  get(name: string): T | undefined {
    return this.#items.get(name)
  }

  list(): readonly T[] {
    return [...this.#items.values()]
  }

  watch(listener: Listener<T>): () => void {
    this.#listeners.add(listener)
    for (const item of this.#items.values()) listener('arrived', item)
    return () => this.#listeners.delete(listener)
  }

  #tell(event: 'arrived' | 'departed', item: T): void {
    for (const listener of [...this.#listeners]) listener(event, item)
  }
}
