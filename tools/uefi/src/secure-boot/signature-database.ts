/**
 * The firmware's variables `db` and `dbx`: EFI_SIGNATURE_LISTs one after another.
 * Source: UEFI Specification 2.10, 32.4.1 "Signature Database".
 */

import { formatGuid, parseGuid } from '@bis/hyperv-types/struct'
import { concat } from './der.ts'
import { SecureBootError } from './secure-boot-error.ts'

/** What an entry holds: a certificate, an image's hash, or the hash of the signed part of a certificate. */
export const SignatureType = {
  x509: 'a5c059a1-94e4-4aa7-87b5-ab155c2bf072',
  sha256: 'c1c41626-504c-4092-aca9-41f936934328',
  sha384: 'ff3e5307-9fd0-48c9-85f1-8ad56c701e01',
  sha512: '093e0fae-a6c4-4f50-9f1b-d41e2b89c19a',
  x509Sha256: '3bd2a492-96c0-4079-b420-fcf98ef103ed',
  x509Sha384: '7076876e-80c2-4ee6-aad2-28b349a6865b',
  x509Sha512: '446dbf63-2502-4cda-bcfa-2465d2b0fe9d',
} as const

export interface SignatureEntry {
  /** A GUID of SignatureType, or one unknown here. */
  readonly type: string
  /** Who put it there. */
  readonly owner: string
  readonly data: Uint8Array
}

export interface SignatureDatabase {
  readonly entries: readonly SignatureEntry[]
  /** SHA-256 of whole certificates, lower-case hex, for certificates that an image brings along. Not in a variable. */
  readonly thumbprints?: readonly string[]
}

const HEADER = 28
const OWNER = 16
/** Bytes of an entry without its owner; behind a certificate's hash is the time of its revocation. */
const SIZES: Readonly<Record<string, number>> = {
  [SignatureType.sha256]: 32,
  [SignatureType.sha384]: 48,
  [SignatureType.sha512]: 64,
  [SignatureType.x509Sha256]: 32 + 16,
  [SignatureType.x509Sha384]: 48 + 16,
  [SignatureType.x509Sha512]: 64 + 16,
}

/** The entries of a variable's value. @throws SecureBootError `malformed-database` */
export function parseSignatureLists(bytes: Uint8Array): readonly SignatureEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: SignatureEntry[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER) throw malformed(`ends inside a list's header at ${at}`)
    const type = formatGuid(bytes, at)
    const listSize = view.getUint32(at + 16, true)
    const headerSize = view.getUint32(at + 20, true)
    const size = view.getUint32(at + 24, true)
    if (listSize < HEADER || listSize > bytes.length - at) throw malformed(`list of ${listSize} bytes at ${at}`)
    if (headerSize !== 0) throw malformed(`signature header of ${headerSize} bytes at ${at}`)
    if (size <= OWNER || (listSize - HEADER) % size !== 0) throw malformed(`signatures of ${size} bytes at ${at}`)
    if ((SIZES[type] ?? size - OWNER) !== size - OWNER)
      throw malformed(`signatures of ${size} bytes of ${type} at ${at}`)
    for (let entry = at + HEADER; entry < at + listSize; entry += size) {
      entries.push({
        type,
        owner: formatGuid(bytes, entry),
        data: new Uint8Array(bytes.subarray(entry + OWNER, entry + size)),
      })
    }
    at += listSize
  }
  return entries
}

/** The variable's value: a list for each run of entries of one type and size. */
export function serializeSignatureLists(entries: readonly SignatureEntry[]): Uint8Array {
  const runs: SignatureEntry[][] = []
  for (const entry of entries) {
    const run = runs.at(-1)
    const first = run?.[0]
    if (first?.type === entry.type && first.data.length === entry.data.length) run?.push(entry)
    else runs.push([entry])
  }
  return concat(...runs.map(listOf))
}

function listOf(run: readonly SignatureEntry[]): Uint8Array {
  const size = OWNER + (run[0]?.data.length ?? 0)
  const list = new Uint8Array(HEADER + run.length * size)
  const view = new DataView(list.buffer)
  list.set(parseGuid(run[0]?.type ?? ''))
  view.setUint32(16, list.length, true)
  view.setUint32(24, size, true)
  run.forEach(({ owner, data }, i) => {
    list.set(parseGuid(owner), HEADER + i * size)
    list.set(data, HEADER + i * size + OWNER)
  })
  return list
}

function malformed(what: string): SecureBootError {
  return new SecureBootError('malformed-database', `signature database: ${what}`)
}
