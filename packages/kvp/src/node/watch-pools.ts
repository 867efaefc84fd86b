import { watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { KvpError } from '../errors.ts'
import type { KvpEntry } from '../pool/entry.ts'
import type { KvpPoolNumber } from '../pool/pool.ts'
import type { FilePool } from './file-pool.ts'

/** What happened to a key of a pool. */
export type PoolChange =
  | { readonly pool: KvpPoolNumber; readonly type: 'set'; readonly key: string; readonly value: string }
  | { readonly pool: KvpPoolNumber; readonly type: 'deleted'; readonly key: string }

export interface WatchOptions {
  readonly signal: AbortSignal
  /** Reports the entries that are there at the beginning as set. Default false. */
  readonly initial?: boolean
  /** How often the files are looked at where the system does not tell, in milliseconds. Default 500. */
  readonly intervalMs?: number
}

/** Yields changes of pools until the signal is aborted. A pool that is not there yet is an empty one. */
export async function* watchPools(pools: readonly FilePool[], options: WatchOptions): AsyncGenerator<PoolChange> {
  const { signal, initial = false, intervalMs = 500 } = options
  const seen = new Map<FilePool, { stamp: string; entries: ReadonlyMap<string, string> }>()
  let wake = (): void => undefined
  const watchers = pools.map(({ path }) => watchFolderOf(path, () => wake()))
  try {
    for (let first = true; !signal.aborted; first = false) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      for (const pool of pools) {
        const stamp = await stampOf(pool.path)
        const before = seen.get(pool)
        if (before !== undefined && before.stamp === stamp) continue
        const entries = await entriesOf(pool)
        seen.set(pool, { stamp, entries })
        if (!first || initial) yield* difference(pool.number, before?.entries ?? new Map(), entries)
      }
      await Promise.race([woken, delay(intervalMs, undefined, { signal }).catch(() => undefined)])
    }
  } finally {
    for (const watcher of watchers) watcher?.close()
  }
}

function* difference(
  pool: KvpPoolNumber,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Generator<PoolChange> {
  for (const key of before.keys()) if (!after.has(key)) yield { pool, type: 'deleted', key }
  for (const [key, value] of after) if (before.get(key) !== value) yield { pool, type: 'set', key, value }
}

async function entriesOf(pool: FilePool): Promise<ReadonlyMap<string, string>> {
  try {
    const entries: readonly KvpEntry[] = await pool.list()
    return new Map([...entries].reverse().map(({ key, value }) => [key, value]))
  } catch (error) {
    if (error instanceof KvpError && error.code === 'no-pool') return new Map()
    throw error
  }
}

async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch {
    return ''
  }
}

/** Tells of changes at once where the system can; the interval finds the others. */
function watchFolderOf(path: string, listener: () => void): { close(): void } | undefined {
  try {
    const watcher = watch(path, { persistent: false }, listener)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}
