/**
 * The parts of a PE/COFF image that its signature covers, and the signatures.
 * Source: Microsoft's PE Format and "Windows Authenticode Portable Executable Signature Format".
 */

import { concat } from './der.ts'
import type { Digest } from './digest.ts'
import { digestOf } from './digest.ts'
import { SecureBootError } from './secure-boot-error.ts'

export interface PeImage {
  /** Everything that is hashed, in order: without checksum, certificate table's entry and certificate table. */
  readonly hashed: readonly Uint8Array[]
  /** Each PKCS#7 signature of the certificate table, perhaps with padding behind. */
  readonly signatures: readonly Uint8Array[]
  /** Where in the file the certificate table's directory entry is. */
  readonly directoryEntry: number
  /** Where the certificate table begins; the file's length when there is none. */
  readonly tableStart: number
}

const WIN_CERTIFICATE_HEADER = 8
const WIN_CERT_REVISION_2 = 0x0200
const WIN_CERT_TYPE_PKCS_SIGNED_DATA = 0x0002

const PE32 = 0x10b
const PE32_PLUS = 0x20b
const COFF_HEADER = 24
const SECTION_HEADER = 40
const CHECKSUM = 64
const MOST_SIGNATURES = 16
/** Index in the data directory. */
const CERTIFICATE_TABLE = 4

/** @throws SecureBootError `malformed-image` */
export function parsePeImage(bytes: Uint8Array): PeImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  need(bytes.length >= 64 && view.getUint16(0, true) === 0x5a4d, 'no MZ header')
  const pe = view.getUint32(60, true)
  need(pe + COFF_HEADER + 2 <= bytes.length && view.getUint32(pe, true) === 0x4550, `no PE header at ${pe}`)
  const sections = view.getUint16(pe + 6, true)
  const optionalSize = view.getUint16(pe + 20, true)
  const optional = pe + COFF_HEADER
  const sectionTable = optional + optionalSize
  need(sectionTable + sections * SECTION_HEADER <= bytes.length, `section table at ${sectionTable} past the end`)
  const magic = view.getUint16(optional, true)
  need(magic === PE32 || magic === PE32_PLUS, `optional header of kind ${magic}`)
  const directories = optional + (magic === PE32 ? 96 : 112)
  const directoryEntry = directories + CERTIFICATE_TABLE * 8
  need(directoryEntry + 8 <= sectionTable, `optional header of ${optionalSize} bytes`)
  const count = view.getUint32(directories - 4, true)
  need(count > CERTIFICATE_TABLE, `${count} data directories`)
  const headers = view.getUint32(optional + 60, true)
  need(headers >= sectionTable + sections * SECTION_HEADER && headers <= bytes.length, `headers of ${headers} bytes`)

  const tableAt = view.getUint32(directoryEntry, true)
  const tableSize = view.getUint32(directoryEntry + 4, true)
  const tableStart = tableSize === 0 ? bytes.length : tableAt
  need(tableStart + tableSize === bytes.length, `certificate table of ${tableSize} bytes at ${tableAt} is not the end`)
  need(tableStart >= headers, `certificate table at ${tableAt}, inside the headers`)

  const checksum = optional + CHECKSUM
  const hashed = [
    bytes.subarray(0, checksum),
    bytes.subarray(checksum + 4, directoryEntry),
    bytes.subarray(directoryEntry + 8, headers),
  ]
  const rest = sectionsOf(view, sectionTable, sections)
  let sum = headers
  let end = headers
  for (const { start, size } of rest) {
    need(start >= end && start + size <= tableStart, `section of ${size} bytes at ${start}`)
    hashed.push(bytes.subarray(start, start + size))
    end = start + size
    sum += size
  }
  hashed.push(bytes.subarray(sum, tableStart))
  return { hashed, signatures: certificateTable(bytes.subarray(tableStart)), directoryEntry, tableStart }
}

/** The Authenticode hash. */
export function imageDigest(image: PeImage, digest: Digest = 'sha256'): Uint8Array {
  return digestOf(digest, ...image.hashed)
}

/** The image with one more signature behind those that it has. */
export function appendSignature(bytes: Uint8Array, signature: Uint8Array): Uint8Array {
  const { tableStart, directoryEntry } = parsePeImage(bytes)
  need(tableStart % 8 === 0, `an image of ${tableStart} bytes; padTo8 makes it a multiple of 8`)
  const entry = padTo8(concat(new Uint8Array(WIN_CERTIFICATE_HEADER), signature))
  const head = new DataView(entry.buffer)
  head.setUint32(0, entry.length, true)
  head.setUint16(4, WIN_CERT_REVISION_2, true)
  head.setUint16(6, WIN_CERT_TYPE_PKCS_SIGNED_DATA, true)
  const signed = concat(bytes, entry)
  const view = new DataView(signed.buffer)
  view.setUint32(directoryEntry, tableStart, true)
  view.setUint32(directoryEntry + 4, signed.length - tableStart, true)
  return signed
}

/** The image without its signatures. @throws SecureBootError `malformed-image` */
export function stripSignatures(bytes: Uint8Array): Uint8Array {
  const { tableStart, directoryEntry } = parsePeImage(bytes)
  const bare = new Uint8Array(bytes.subarray(0, tableStart))
  return bare.fill(0, directoryEntry, directoryEntry + 8)
}

export function padTo8(bytes: Uint8Array): Uint8Array {
  return concat(bytes, new Uint8Array(-bytes.length & 7))
}

function sectionsOf(view: DataView, table: number, count: number): { start: number; size: number }[] {
  return Array.from({ length: count }, (_, i) => {
    const header = table + i * SECTION_HEADER
    return { size: view.getUint32(header + 16, true), start: view.getUint32(header + 20, true) }
  })
    .filter(({ size }) => size > 0)
    .sort((a, b) => a.start - b.start)
}

function certificateTable(table: Uint8Array): Uint8Array[] {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  const found: Uint8Array[] = []
  for (let at = 0, entries = 0; at < table.length; entries++) {
    need(entries < MOST_SIGNATURES, `more than ${MOST_SIGNATURES} entries in the certificate table`)
    need(table.length - at >= WIN_CERTIFICATE_HEADER, `certificate table ends inside an entry at ${at}`)
    const length = view.getUint32(at, true)
    need(length >= WIN_CERTIFICATE_HEADER && length <= table.length - at, `certificate of ${length} bytes at ${at}`)
    // Firmware passes over kinds that it does not know.
    if (
      view.getUint16(at + 4, true) === WIN_CERT_REVISION_2 &&
      view.getUint16(at + 6, true) === WIN_CERT_TYPE_PKCS_SIGNED_DATA
    ) {
      found.push(table.subarray(at + WIN_CERTIFICATE_HEADER, at + length))
    }
    at += Math.ceil(length / 8) * 8
  }
  return found
}

function need(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new SecureBootError('malformed-image', `PE image: ${otherwise}`)
}
