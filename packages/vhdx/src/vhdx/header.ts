import { at, DiskImageError } from '../errors.ts'
import { asciiAt, getU64, MIB, putAscii, setU64, viewOf } from '../shared/bytes.ts'
import { crc32c } from '../shared/crc32c.ts'
import { isZero, sameBytes } from '../shared/guid.ts'
import { FIRST_FREE, HEADER_OFFSETS, SECTOR } from './layout.ts'

/** The header, [MS-VHDX] 2.2.2: two copies written in turn, the valid one with the greater sequence number counts. */

export const HEADER_BYTES = SECTOR
const SIGNATURE = 'head'
const CHECKSUM = 4

export interface Header {
  sequence: number
  /** Changes before the first change to the file in each session that changes it. */
  fileWriteGuid: Uint8Array
  /** Changes before the first change of what the disk holds; children name their parent by it. */
  dataWriteGuid: Uint8Array
  /** Zero: nothing in the log. Otherwise the log entries that carry it must be replayed. */
  logGuid: Uint8Array
  logVersion: number
  version: number
  logLength: number
  logOffset: number
}

/** The header in these bytes, or undefined when signature or checksum are wrong. */
export function decodeHeader(bytes: Uint8Array): Header | undefined {
  const view = viewOf(bytes)
  if (asciiAt(bytes, 0, 4) !== SIGNATURE || view.getUint32(CHECKSUM, true) !== crc32c(bytes, CHECKSUM)) return undefined
  return {
    sequence: getU64(view, 8, true),
    fileWriteGuid: bytes.slice(16, 32),
    dataWriteGuid: bytes.slice(32, 48),
    logGuid: bytes.slice(48, 64),
    logVersion: view.getUint16(64, true),
    version: view.getUint16(66, true),
    logLength: view.getUint32(68, true),
    logOffset: getU64(view, 72, true),
  }
}

export function encodeHeader(header: Header): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = viewOf(bytes)
  putAscii(bytes, 0, SIGNATURE)
  setU64(view, 8, header.sequence, true)
  bytes.set(header.fileWriteGuid, 16)
  bytes.set(header.dataWriteGuid, 32)
  bytes.set(header.logGuid, 48)
  view.setUint16(64, header.logVersion, true)
  view.setUint16(66, header.version, true)
  view.setUint32(68, header.logLength, true)
  setU64(view, 72, header.logOffset, true)
  view.setUint32(CHECKSUM, crc32c(bytes, CHECKSUM), true)
  return bytes
}

/** Which copy counts; throws when neither does. `copies` are the bytes at the two header places, in order. */
export function chooseHeader(copies: readonly [Uint8Array, Uint8Array]): { header: Header; slot: 0 | 1 } {
  const [first, second] = [decodeHeader(copies[0]), decodeHeader(copies[1])]
  if (first === undefined && second === undefined) {
    throw new DiskImageError(
      'bad-checksum',
      `both VHDX headers (at ${at(HEADER_OFFSETS[0])} and ${at(HEADER_OFFSETS[1])}) have a wrong signature or checksum; restore the image from a copy`,
    )
  }
  if (second === undefined) return { header: checked(first as Header, 0), slot: 0 }
  if (first === undefined) return { header: checked(second, 1), slot: 1 }
  if (first.sequence === second.sequence) {
    // The format allows no such pair, but Disk2vhd writes it: harmless only if both say the same.
    if (!sameBytes(copies[0], copies[1])) {
      throw new DiskImageError(
        'corrupt',
        `both VHDX headers have sequence number ${first.sequence} but differ; which one counts cannot be told`,
      )
    }
    return { header: checked(first, 0), slot: 0 }
  }
  return first.sequence > second.sequence
    ? { header: checked(first, 0), slot: 0 }
    : { header: checked(second, 1), slot: 1 }
}

function checked(header: Header, slot: 0 | 1): Header {
  const place = `VHDX header at ${at(HEADER_OFFSETS[slot])}`
  if (header.version !== 1)
    throw new DiskImageError('unsupported', `${place}: format version ${header.version}, only 1 is known`)
  if (header.logVersion !== 0 && !isZero(header.logGuid)) {
    throw new DiskImageError(
      'unsupported',
      `${place}: log version ${header.logVersion} with a log to replay; only version 0 is known`,
    )
  }
  const { logOffset, logLength } = header
  if (
    logLength === 0 ||
    logLength % MIB !== 0 ||
    logOffset % MIB !== 0 ||
    logOffset < FIRST_FREE ||
    !Number.isSafeInteger(logOffset)
  ) {
    throw new DiskImageError(
      'corrupt',
      `${place}: log of ${logLength} bytes at ${at(logOffset)}; both must be whole MiB, at 1 MiB or later`,
    )
  }
  return header
}
