import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KVP_RECORD_BYTES } from '@bis/kvp'
import type { FilePool } from '@bis/kvp/node'
import { PoolFolder } from '@bis/kvp/node'
import type { KvpRow } from './rows.ts'

/** How the bench runs; every field may be left out. */
export interface KvpBenchOptions {
  /** Where the pool goes; a folder of its own is made there. Default: the system's folder for temporary files. */
  readonly folder?: string
  /** Keys of the largest pool; smaller ones have powers of two. Default 10,000. */
  readonly keys?: number
  /** Operations of each kind on each size. Default 200. */
  readonly operations?: number
  readonly onRow?: (row: KvpRow) => void
  readonly signal?: AbortSignal
}

const SMALLEST = 16

/** One key at a time on pool files that grow in powers of two, with the daemons' lock where koffi is installed. */
export async function benchKvp(options: KvpBenchOptions = {}): Promise<KvpRow[]> {
  const { keys: most = 10_000, operations = 200, signal } = options
  const folder = await mkdtemp(join(options.folder ?? tmpdir(), 'bis-bench-'))
  const rows: KvpRow[] = []
  try {
    const pool = await openPool(folder)
    let keys = 0
    for (let size = Math.min(SMALLEST, most); ; size = Math.min(size * 2, most)) {
      const plainRead = plain(pool.path, operations, false)
      const plainWrite = plain(join(folder, 'plain'), operations, true)
      const add = (bench: KvpRow['bench'], microseconds: number, plainMicroseconds: number): void => {
        const row = { bench, keys: size, microseconds, plainMicroseconds }
        rows.push(row)
        options.onRow?.(row)
      }
      const grown = size - keys
      add('append', await each(grown, () => pool.set(`key ${keys++}`, 'value')), plainWrite)
      signal?.throwIfAborted()
      const some = (index: number): string => `key ${(index * 7919) % size}`
      add('change', await each(operations, (i) => pool.set(some(i), `value ${i}`)), plainWrite)
      add('get', await each(operations, (i) => pool.get(some(i))), plainRead)
      add('enumerate', await each(Math.min(size, operations), (i) => pool.at(i)), plainRead)
      const removed = Math.min(size, 20)
      add('delete', await each(removed, (i) => pool.delete(`key ${size - 1 - i}`)), plainWrite)
      for (let i = removed - 1; i >= 0; i--) await pool.set(`key ${size - 1 - i}`, 'value')
      signal?.throwIfAborted()
      if (size === most) return rows
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function openPool(folder: string): Promise<FilePool> {
  const locked = new PoolFolder({ folder, create: 'private' })
  try {
    await locked.create()
    return locked.pool(0)
  } catch {
    const unlocked = new PoolFolder({ folder, create: 'private', lock: 'none' })
    await unlocked.create()
    return unlocked.pool(0)
  }
}

async function each(count: number, work: (index: number) => Promise<unknown>): Promise<number> {
  const start = performance.now()
  for (let index = 0; index < count; index++) await work(index)
  return ((performance.now() - start) * 1000) / Math.max(1, count)
}

function plain(path: string, operations: number, write: boolean): number {
  const record = new Uint8Array(KVP_RECORD_BYTES)
  const start = performance.now()
  for (let index = 0; index < operations; index++) {
    const descriptor = openSync(path, write ? 'a' : 'r')
    if (write) writeSync(descriptor, record)
    else readSync(descriptor, record, 0, record.length, 0)
    closeSync(descriptor)
  }
  return ((performance.now() - start) * 1000) / operations
}
