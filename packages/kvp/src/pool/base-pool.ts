import type { KvpEntry } from './entry.ts'
import type { KvpEdit, KvpPool, KvpPoolNumber, SetOptions } from './pool.ts'

/** What every pool does by way of its entries and edits. */
export abstract class BasePool implements KvpPool {
  readonly number: KvpPoolNumber

  constructor(number: KvpPoolNumber) {
    this.number = number
  }

  abstract list(): Promise<readonly KvpEntry[]>
  abstract at(index: number): Promise<KvpEntry | undefined>
  abstract entry(key: string): Promise<KvpEntry | undefined>
  abstract change(edits: readonly KvpEdit[], options?: SetOptions): Promise<number>
  abstract clear(): Promise<void>

  async get(key: string): Promise<string | undefined> {
    return (await this.entry(key))?.value
  }

  async set(key: string, value: string, options?: SetOptions): Promise<void> {
    await this.change([{ set: key, value }], options)
  }

  async delete(key: string): Promise<boolean> {
    return (await this.change([{ delete: key }])) > 0
  }
}
