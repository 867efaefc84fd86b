import { fstatSync, fsyncSync, ftruncateSync, futimesSync } from 'node:fs'
import { KvpError } from '../errors.ts'
import { BasePool } from '../pool/base-pool.ts'
import type { EditPlan } from '../pool/edits.ts'
import { encodeEdits, KeyIndex } from '../pool/edits.ts'
import { byteString, KVP_RECORD_BYTES, KvpEntry } from '../pool/entry.ts'
import { encodeKey } from '../pool/limits.ts'
import type { KvpEdit, KvpPoolNumber, SetOptions } from '../pool/pool.ts'
import type { LockSettings } from './locked-file.ts'
import { withFile } from './locked-file.ts'
import type { RecordChange } from './pool-journal.ts'
import { pendingChange, removeJournal, writeAll, writeJournal } from './pool-journal.ts'
import { isThere, readRecords, readWhole } from './read-records.ts'

export interface FilePoolSettings {
  readonly reads: LockSettings
  readonly writes: LockSettings
  /** Mode of a file that is made; undefined to make none. */
  readonly create: number | undefined
  /** Waits for the medium, so that a change survives a power failure. */
  readonly durable: boolean
}

/** File times of the same tick are alike: a file that was changed just now may change once more and look the same. */
const TICK_MS = 50

/** What the file looked like when its keys were read. */
interface Known {
  readonly stamp: string
  readonly index: KeyIndex
}

/** A pool in a file of the daemons' format. Files are opened for each call, and never kept. */
export class FilePool extends BasePool {
  readonly path: string
  readonly #settings: FilePoolSettings
  #known: Known | undefined

  constructor(number: KvpPoolNumber, path: string, settings: FilePoolSettings) {
    super(number)
    this.path = path
    this.#settings = settings
  }

  override list(): Promise<readonly KvpEntry[]> {
    return this.#read((descriptor, locked) => {
      const file = readWhole(descriptor, locked)
      return Array.from({ length: file.length / KVP_RECORD_BYTES }, (_, index) => entryAt(file, index))
    })
  }

  override at(index: number): Promise<KvpEntry | undefined> {
    if (!Number.isInteger(index) || index < 0) return Promise.resolve(undefined)
    return this.#read((descriptor) => firstOf(readRecords(descriptor, index, 1)))
  }

  override async entry(key: string): Promise<KvpEntry | undefined> {
    const wanted = byteString(encodeKey(key, 'file'))
    return this.#read((descriptor) => {
      const index = this.#index(descriptor).first(wanted)
      const entry = index === undefined ? undefined : firstOf(readRecords(descriptor, index, 1))
      // Without a lock the file may have changed in between.
      return entry !== undefined && byteString(entry.keyBytes) === wanted ? entry : undefined
    })
  }

  override async change(edits: readonly KvpEdit[], options: SetOptions = {}): Promise<number> {
    const encoded = encodeEdits(this.number, edits, options)
    return this.#write((descriptor) => {
      const index = this.#index(descriptor)
      const before = index.length
      this.#known = undefined
      const plan = index.plan(encoded)
      this.#apply(descriptor, before, plan)
      this.#remember(descriptor, index.after(plan))
      return plan.removals
    })
  }

  override clear(): Promise<void> {
    return this.#write((descriptor) => {
      this.#known = undefined
      ftruncateSync(descriptor, 0)
      if (this.#settings.durable) fsyncSync(descriptor)
    })
  }

  /** Makes the file when it is not there. */
  create(): Promise<void> {
    return this.#write(() => undefined)
  }

  async #read<T>(task: (descriptor: number, locked: boolean) => T): Promise<T> {
    // A half-done change is finished first, if this process may.
    if (isThere(this.#journal)) {
      await this.#write(() => undefined).catch((error: unknown) => {
        if (!isRefusal(error)) throw error
      })
    }
    return withFile(this.path, { write: false, create: undefined }, this.#settings.reads, task)
  }

  #write<T>(task: (descriptor: number) => T): Promise<T> {
    const { writes, create } = this.#settings
    return withFile(this.path, { write: true, create }, writes, (descriptor) => {
      if (isThere(this.#journal)) this.#recover(descriptor)
      return task(descriptor)
    })
  }

  get #journal(): string {
    return `${this.path}.journal`
  }

  #recover(descriptor: number): void {
    this.#known = undefined
    const change = pendingChange(this.#journal, readWhole(descriptor, true))
    if (change !== undefined) this.#store(descriptor, change)
    removeJournal(this.#journal)
  }

  #index(descriptor: number): KeyIndex {
    const stamp = stampOf(descriptor)
    if (this.#known?.stamp === stamp) return this.#known.index
    const index = new KeyIndex()
    const file = readWhole(descriptor, true)
    for (let at = 0; at < file.length; at += KVP_RECORD_BYTES)
      index.add(byteString(entryAt(file, index.length).keyBytes))
    const isSettled = Date.now() - fstatSync(descriptor).mtimeMs > TICK_MS
    this.#known = isSettled ? { stamp, index } : undefined
    return index
  }

  #apply(descriptor: number, before: number, plan: EditPlan): void {
    const { replaced, removed, appended } = plan
    if (replaced.size + removed.size + appended.length === 0) return
    const changed = [...replaced.keys(), ...removed]
    const first = changed.reduce((least, index) => Math.min(least, index), before)
    const last = changed.reduce((most, index) => Math.max(most, index), before === first ? before - 1 : first)
    const end = removed.size > 0 || appended.length > 0 ? before : last + 1
    const old = readRecords(descriptor, first, end - first)
    const kept: KvpEntry[] = []
    for (let index = first; index < end; index++) {
      if (!removed.has(index)) kept.push(replaced.get(index) ?? entryAt(old, index - first))
    }
    const records = joined([...kept, ...appended])
    const after = before - removed.size + appended.length
    const change = { first, before, after, old, records }
    // One record behind the last needs no journal: it is there whole, or the part of it does not count.
    const plainAppend = first === before && appended.length === 1
    if (!plainAppend) writeJournal(this.#journal, change, this.#settings.durable)
    this.#store(descriptor, change)
    if (!plainAppend) removeJournal(this.#journal)
  }

  #store(descriptor: number, { first, after, records }: Omit<RecordChange, 'old'>): void {
    writeAll(descriptor, records, first * KVP_RECORD_BYTES)
    if (fstatSync(descriptor).size !== after * KVP_RECORD_BYTES) ftruncateSync(descriptor, after * KVP_RECORD_BYTES)
    if (this.#settings.durable) fsyncSync(descriptor)
  }

  /** Keeps the keys for the next call; the file gets a time of its own, so that a change in the same tick shows. */
  #remember(descriptor: number, index: KeyIndex): void {
    try {
      const now = Date.now() / 1000 - Math.random() / 1000
      futimesSync(descriptor, now, now)
    } catch {
      return // not ours: its keys are read again next time
    }
    this.#known = { stamp: stampOf(descriptor), index }
  }
}

function stampOf(descriptor: number): string {
  const { ino, size, mtimeNs } = fstatSync(descriptor, { bigint: true })
  return `${ino} ${size} ${mtimeNs}`
}

function entryAt(records: Uint8Array, index: number): KvpEntry {
  return new KvpEntry(records.subarray(index * KVP_RECORD_BYTES, (index + 1) * KVP_RECORD_BYTES))
}

function firstOf(records: Uint8Array): KvpEntry | undefined {
  return records.length < KVP_RECORD_BYTES ? undefined : entryAt(records, 0)
}

function joined(entries: readonly KvpEntry[]): Uint8Array {
  const records = new Uint8Array(entries.length * KVP_RECORD_BYTES)
  for (const [index, { record }] of entries.entries()) records.set(record, index * KVP_RECORD_BYTES)
  return records
}

/** Whether the error says that this process may not change the file. */
function isRefusal(error: unknown): boolean {
  const { code } = error as { code?: string }
  return error instanceof KvpError ? code === 'no-lock' : code === 'EACCES' || code === 'EROFS' || code === 'EPERM'
}
