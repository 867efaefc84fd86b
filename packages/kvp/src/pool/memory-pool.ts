import { encodeEdits, KeyIndex } from './edits.ts'
import type { KvpEntry } from './entry.ts'
import { byteString } from './entry.ts'
import { encodeKey } from './limits.ts'
import type { KvpEdit, KvpPool, KvpPoolNumber, SetOptions } from './pool.ts'

/** A pool that lives in this process. */
export class MemoryPool implements KvpPool {
  readonly number: KvpPoolNumber
  #entries: KvpEntry[] = []
  #index = new KeyIndex()

  constructor(number: KvpPoolNumber) {
    this.number = number
  }

  async list(): Promise<readonly KvpEntry[]> {
    return [...this.#entries]
  }

  async at(index: number): Promise<KvpEntry | undefined> {
    return this.#entries[index]
  }

  async entry(key: string): Promise<KvpEntry | undefined> {
    const index = this.#index.first(byteString(encodeKey(key, 'file')))
    return index === undefined ? undefined : this.#entries[index]
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.entry(key))?.value
  }

  async set(key: string, value: string, options?: SetOptions): Promise<void> {
    await this.change([{ set: key, value }], options)
  }

  async delete(key: string): Promise<boolean> {
    return (await this.change([{ delete: key }])) > 0
  }

  async change(edits: readonly KvpEdit[], options: SetOptions = {}): Promise<number> {
    const plan = this.#index.plan(encodeEdits(this.number, edits, options))
    for (const [index, entry] of plan.replaced) this.#entries[index] = entry
    if (plan.removals > 0) this.#entries = this.#entries.filter((_, index) => !plan.removed.has(index))
    for (const entry of plan.appended) this.#entries.push(entry)
    this.#index = this.#index.after(plan)
    return plan.removals
  }

  async clear(): Promise<void> {
    this.#entries = []
    this.#index = new KeyIndex()
  }
}
