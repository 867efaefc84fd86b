import { existsSync, fstatSync, readSync } from 'node:fs'
import { KVP_RECORD_BYTES } from '../pool/entry.ts'

/** Whole records from an index on; fewer where the file ends, none of a record that is cut off. */
export function readRecords(descriptor: number, first: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * KVP_RECORD_BYTES)
  let done = 0
  while (done < bytes.length) {
    const read = readSync(descriptor, bytes, done, bytes.length - done, first * KVP_RECORD_BYTES + done)
    if (read === 0) break
    done += read
  }
  return bytes.subarray(0, done - (done % KVP_RECORD_BYTES))
}

/** How often an unlocked file is read again when it changes meanwhile. */
const ATTEMPTS = 5

/** All whole records. Without a lock the file is read until it looks the same before and after. */
export function readWhole(descriptor: number, locked: boolean): Uint8Array {
  for (let attempt = 1; ; attempt++) {
    const before = fstatSync(descriptor, { bigint: true })
    const records = readRecords(descriptor, 0, Math.floor(Number(before.size) / KVP_RECORD_BYTES))
    if (locked || attempt === ATTEMPTS) return records
    const after = fstatSync(descriptor, { bigint: true })
    if (after.size === before.size && after.mtimeNs === before.mtimeNs) return records
  }
}

/** Whether there is a file. */
export function isThere(path: string): boolean {
  return existsSync(path)
}
