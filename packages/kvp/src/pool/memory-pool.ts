import { BasePool } from './base-pool.ts'
import { encodeEdits, KeyIndex } from './edits.ts'
import type { KvpEntry } from './entry.ts'
import { byteString } from './entry.ts'
import { encodeKey } from './limits.ts'
import type { KvpEdit, SetOptions } from './pool.ts'

/** A pool that lives in this process. */
export class MemoryPool extends BasePool {
  #entries: KvpEntry[] = []
  #index = new KeyIndex()

  override async list(): Promise<readonly KvpEntry[]> {
    return [...this.#entries]
  }

  override async at(index: number): Promise<KvpEntry | undefined> {
    return this.#entries[index]
  }

  override async entry(key: string): Promise<KvpEntry | undefined> {
    const index = this.#index.first(byteString(encodeKey(key, 'file')))
    return index === undefined ? undefined : this.#entries[index]
  }

  override async change(edits: readonly KvpEdit[], options: SetOptions = {}): Promise<number> {
    const plan = this.#index.plan(encodeEdits(this.number, edits, options))
    for (const [index, entry] of plan.replaced) this.#entries[index] = entry
    if (plan.removals > 0) this.#entries = this.#entries.filter((_, index) => !plan.removed.has(index))
    for (const entry of plan.appended) this.#entries.push(entry)
    this.#index = this.#index.after(plan)
    return plan.removals
  }

  override async clear(): Promise<void> {
    this.#entries = []
    this.#index = new KeyIndex()
  }
}
