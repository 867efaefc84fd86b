import { asciiAt, getU64, putAscii, roundUp, setU64, viewOf } from '../shared/bytes.ts'
import { crc32c } from '../shared/crc32c.ts'
import { sameBytes } from '../shared/guid.ts'
import { REGION_TABLE_OFFSETS, SECTOR } from './layout.ts'

/** One log entry, [MS-VHDX] 2.3.1: sectors of descriptors, then one sector for each data descriptor. */

const HEADER_BYTES = 64
const DESCRIPTOR_BYTES = 32
const CHECKSUM = 4
/** Bytes of a data sector that stay in their place; the first 8 and last 4 travel in the descriptor. */
const LEADING = 8
const TRAILING = 4

/** One change of the file: a sector's new content, or a run of zeros (`data` undefined). */
export interface LogWrite {
  offset: number
  length: number
  data: Uint8Array | undefined
}

export interface LogEntry {
  sequence: number
  /** Where in the log the oldest entry still needed begins. */
  tail: number
  /** Place and size in the log. */
  position: number
  length: number
  flushedFileSize: number
  lastFileSize: number
  descriptorCount: number
  writes: LogWrite[]
}

export interface LogEntryContent {
  sequence: number
  tail: number
  logGuid: Uint8Array
  flushedFileSize: number
  lastFileSize: number
  /** Whole sectors at sector-aligned offsets. */
  sectors: readonly { offset: number; bytes: Uint8Array }[]
}

/** Sectors an entry takes in the log. */
export function entrySectors(dataSectors: number): number {
  return descriptorSectors(dataSectors) + dataSectors
}

export function encodeLogEntry(content: LogEntryContent): Uint8Array {
  const { sectors, sequence } = content
  const descriptorBytes = descriptorSectors(sectors.length) * SECTOR
  const bytes = new Uint8Array(descriptorBytes + sectors.length * SECTOR)
  const view = viewOf(bytes)
  putAscii(bytes, 0, 'loge')
  view.setUint32(8, bytes.length, true)
  view.setUint32(12, content.tail, true)
  setU64(view, 16, sequence, true)
  view.setUint32(24, sectors.length, true)
  bytes.set(content.logGuid, 32)
  setU64(view, 48, content.flushedFileSize, true)
  setU64(view, 56, content.lastFileSize, true)
  sectors.forEach((sector, i) => {
    const descriptor = HEADER_BYTES + i * DESCRIPTOR_BYTES
    const data = descriptorBytes + i * SECTOR
    putAscii(bytes, descriptor, 'desc')
    bytes.set(sector.bytes.subarray(SECTOR - TRAILING), descriptor + 4)
    bytes.set(sector.bytes.subarray(0, LEADING), descriptor + 8)
    setU64(view, descriptor + 16, sector.offset, true)
    setU64(view, descriptor + 24, sequence, true)
    bytes.set(sector.bytes, data)
    putAscii(bytes, data, 'data')
    view.setUint32(data + 4, Math.floor(sequence / 2 ** 32), true)
    view.setUint32(data + SECTOR - TRAILING, sequence % 2 ** 32, true)
  })
  view.setUint32(CHECKSUM, crc32c(bytes, CHECKSUM), true)
  return bytes
}

/** What decoding needs to know of the log around the entry. */
export interface LogFrame {
  guid: Uint8Array
  logOffset: number
  /** Copies `length` bytes from a place in the ring, going on at its start after its end. */
  slice(position: number, length: number): Uint8Array
  logLength: number
}

/**
 * The entry at a sector of the log, or undefined if there is no valid one. The shape of all its sectors is
 * checked before its checksum, and no sector has the shape of two things, so a search over a whole log stays linear.
 */
export function decodeLogEntry(frame: LogFrame, position: number): LogEntry | undefined {
  const first = frame.slice(position, SECTOR)
  if (asciiAt(first, 0, 4) !== 'loge' || !sameBytes(first.subarray(32, 48), frame.guid)) return undefined
  const view = viewOf(first)
  const length = view.getUint32(8, true)
  const tail = view.getUint32(12, true)
  const sequence = getU64(view, 16, true)
  const count = view.getUint32(24, true)
  if (
    length === 0 ||
    length % SECTOR !== 0 ||
    length > frame.logLength ||
    tail % SECTOR !== 0 ||
    tail >= frame.logLength ||
    sequence === 0 ||
    !Number.isSafeInteger(sequence) ||
    descriptorSectors(count) * SECTOR > length
  ) {
    return undefined
  }
  if (!hasShape(frame, position, length, count)) return undefined
  const bytes = frame.slice(position, length)
  if (viewOf(bytes).getUint32(CHECKSUM, true) !== crc32c(bytes, CHECKSUM)) return undefined
  const writes = decodeWrites(bytes, count, sequence, frame)
  if (writes === undefined) return undefined
  return {
    sequence,
    tail,
    position,
    length,
    writes,
    descriptorCount: count,
    flushedFileSize: getU64(view, 48, true),
    lastFileSize: getU64(view, 56, true),
  }
}

function descriptorSectors(count: number): number {
  return roundUp(HEADER_BYTES + count * DESCRIPTOR_BYTES, SECTOR) / SECTOR
}

/** Whether each sector after the first begins as a descriptor or data sector must, and their numbers fit. */
function hasShape(frame: LogFrame, position: number, length: number, count: number): boolean {
  const described = descriptorSectors(count)
  for (let sector = 1; sector < length / SECTOR; sector++) {
    const signature = asciiAt(frame.slice((position + sector * SECTOR) % frame.logLength, 4), 0, 4)
    if (sector < described ? signature !== 'desc' && signature !== 'zero' : signature !== 'data') return false
  }
  return true
}

function decodeWrites(bytes: Uint8Array, count: number, sequence: number, frame: LogFrame): LogWrite[] | undefined {
  const view = viewOf(bytes)
  const writes: LogWrite[] = []
  let data = descriptorSectors(count) * SECTOR
  for (let i = 0; i < count; i++) {
    const descriptor = HEADER_BYTES + i * DESCRIPTOR_BYTES
    const signature = asciiAt(bytes, descriptor, 4)
    const offset = getU64(view, descriptor + 16, true)
    if (getU64(view, descriptor + 24, true) !== sequence) return undefined
    const length = signature === 'zero' ? getU64(view, descriptor + 8, true) : SECTOR
    if (!mayBeWritten(offset, length, frame)) return undefined
    if (signature === 'zero') {
      writes.push({ offset, length, data: undefined })
    } else if (signature === 'desc') {
      if (data + SECTOR > bytes.length) return undefined
      const high = view.getUint32(data + 4, true)
      const low = view.getUint32(data + SECTOR - TRAILING, true)
      if (high * 2 ** 32 + low !== sequence) return undefined
      const content = bytes.slice(data, data + SECTOR)
      content.set(bytes.subarray(descriptor + 8, descriptor + 8 + LEADING), 0)
      content.set(bytes.subarray(descriptor + 4, descriptor + 4 + TRAILING), SECTOR - TRAILING)
      writes.push({ offset, length, data: content })
      data += SECTOR
    } else {
      return undefined
    }
  }
  return data === bytes.length ? writes : undefined
}

/** Headers are never logged, and a log that rewrites itself is none. */
function mayBeWritten(offset: number, length: number, frame: LogFrame): boolean {
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    Number.isSafeInteger(offset + length) &&
    offset % SECTOR === 0 &&
    length % SECTOR === 0 &&
    offset >= REGION_TABLE_OFFSETS[0] &&
    (offset + length <= frame.logOffset || offset >= frame.logOffset + frame.logLength)
  )
}
