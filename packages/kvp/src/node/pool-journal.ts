/**
 * A change to a pool file, written beside it before the file itself is touched: a process that ends in the middle of the
 * change leaves the rest of it to the next one. The file is changed in place, never replaced by a renamed one: the
 * daemons keep their lock on the file they opened when they started.
 *
 * Journal: magic, CRC-32 of what follows, first record, records replaced, records they become, records of the file before
 * and after, a CRC-32 of each record replaced, then the new records. Little-endian.
 */
import { closeSync, constants, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { KVP_RECORD_BYTES } from '../pool/entry.ts'

const MAGIC = 'BISKVP1\n'
const HEAD = 32

/** `old` records from `first` on become `records`, and the file gets `after` records instead of `before`. */
export interface RecordChange {
  readonly first: number
  readonly before: number
  readonly after: number
  /** What stands there now: whole records. */
  readonly old: Uint8Array
  /** What shall stand there: whole records. */
  readonly records: Uint8Array
}

export function writeJournal(path: string, change: RecordChange, durable: boolean): void {
  const sums = change.old.length / KVP_RECORD_BYTES
  const bytes = new Uint8Array(HEAD + sums * 4 + change.records.length)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(MAGIC))
  const head = [change.first, sums, change.records.length / KVP_RECORD_BYTES, change.before, change.after]
  for (const [index, value] of head.entries()) view.setUint32(12 + index * 4, value, true)
  for (let i = 0; i < sums; i++) view.setUint32(HEAD + i * 4, crc32(recordOf(change.old, i)), true)
  bytes.set(change.records, HEAD + sums * 4)
  view.setUint32(8, crc32(bytes.subarray(12)), true)
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  rmSync(path, { force: true })
  const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    writeAll(descriptor, bytes, 0)
    if (durable) fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

export function removeJournal(path: string): void {
  rmSync(path, { force: true })
}

/**
 * What a journal left to do, given the file as it is now. Nothing when the journal itself is not whole (the file is then
 * untouched), or when someone else has rewritten the file since.
 */
export function pendingChange(path: string, file: Uint8Array): Omit<RecordChange, 'old'> | undefined {
  const bytes = readIfThere(path)
  if (bytes === undefined || bytes.length < HEAD || new TextDecoder().decode(bytes.subarray(0, 8)) !== MAGIC) {
    return undefined
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (crc32(bytes.subarray(12)) !== view.getUint32(8, true)) return undefined
  const word = (index: number): number => view.getUint32(12 + index * 4, true)
  const [first, sums, count, before, after] = [word(0), word(1), word(2), word(3), word(4)]
  const records = bytes.subarray(HEAD + sums * 4)
  if (records.length !== count * KVP_RECORD_BYTES) return undefined
  const there = Math.floor(file.length / KVP_RECORD_BYTES)
  if (there < Math.min(before, after) || there > Math.max(before, after)) return undefined
  const oldSum = (index: number): number | undefined =>
    index < sums ? view.getUint32(HEAD + index * 4, true) : undefined
  const region = file.subarray(first * KVP_RECORD_BYTES, (first + Math.max(sums, count)) * KVP_RECORD_BYTES)
  return isHalfDone(region, records, oldSum) ? { first, before, after, records } : undefined
}

/** Whether the region holds new records, then at most one that is half of each, then old ones. */
function isHalfDone(region: Uint8Array, records: Uint8Array, oldSum: (index: number) => number | undefined): boolean {
  let mayBeNew = true
  for (let index = 0; index < Math.floor(region.length / KVP_RECORD_BYTES); index++) {
    const now = recordOf(region, index)
    if (mayBeNew && Buffer.compare(now, recordOf(records, index)) === 0) continue
    if (crc32(now) !== oldSum(index) && !mayBeNew) return false
    mayBeNew = false
  }
  return true
}

function recordOf(bytes: Uint8Array, index: number): Uint8Array {
  return bytes.subarray(index * KVP_RECORD_BYTES, (index + 1) * KVP_RECORD_BYTES)
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Writes all bytes at a position, in as many calls as it takes. */
export function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done)
  }
}
