import type { KvpEntry } from './entry.ts'
import type { KvpLimit } from './limits.ts'

/** 0 external, 1 guest, 2 auto, 3 auto-external, 4 auto-internal. */
export type KvpPoolNumber = 0 | 1 | 2 | 3 | 4

export interface SetOptions {
  /** What key and value must fit into. Default `host` in pool 1, which the host reads, `file` in the others. */
  readonly limit?: KvpLimit
}

/** One step of a change to a pool. `append` adds a record although the key may be there. */
export type KvpEdit =
  | { readonly set: string; readonly value: string }
  | { readonly append: string; readonly value: string }
  | { readonly delete: string }

/** A pool of key-value pairs. */
export interface KvpPool {
  readonly number: KvpPoolNumber
  /** All entries, in the order of their records. @throws KvpError `no-pool` */
  list(): Promise<readonly KvpEntry[]>
  /** The entry with this index, which is what a host enumerates by. @throws KvpError `no-pool` */
  at(index: number): Promise<KvpEntry | undefined>
  /** The first entry with this key. @throws KvpError `no-pool` */
  entry(key: string): Promise<KvpEntry | undefined>
  /** The value of the first entry with this key, as text. @throws KvpError `no-pool` */
  get(key: string): Promise<string | undefined>
  /** Adds a key, or changes its value. @throws KvpError `bad-key`, `bad-value`, `too-long`; the pool is then unchanged */
  set(key: string, value: string, options?: SetOptions): Promise<void>
  /** Removes a key, however often it is there. @returns whether it was there */
  delete(key: string): Promise<boolean>
  /** Makes several changes at once: others see all or none. @returns how many entries were removed */
  change(edits: readonly KvpEdit[], options?: SetOptions): Promise<number>
  /** Removes every entry. */
  clear(): Promise<void>
}

/** What a pool measures by, unless told. */
export function usualLimit(number: KvpPoolNumber): KvpLimit {
  return number === 1 ? 'host' : 'file'
}
