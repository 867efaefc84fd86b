import type { Backend } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import { asciiAt, isPowerOfTwo, KIB, MIB, roundUp } from '../shared/bytes.ts'
import { sameBytes } from '../shared/guid.ts'
import type { DynamicHeader } from './dynamic-header.ts'
import { DYNAMIC_HEADER_BYTES, decodeDynamicHeader } from './dynamic-header.ts'
import type { Footer } from './footer.ts'
import { COOKIE, decodeFooter, FOOTER_BYTES, OLD_FOOTER_BYTES, VHD_TYPE } from './footer.ts'

export const VHD_SECTOR = 512
/** Block tables count sectors in 32 bits; the specification stops a little before. */
export const MAX_VHD_DISK = 2040 * 1024 * MIB
const MIN_BLOCK = 4 * KIB
const MAX_BLOCK = 256 * MIB

export interface FoundFooter {
  footer: Footer
  /** Where the footer that counts was found. */
  source: 'end' | 'start'
  /** Bytes the footer at the end takes: 512, or 511 in old images; 0 if there is none. */
  endBytes: number
  /** Whether the copy at offset 0 is good and says the same (never in fixed images). */
  startIsGood: boolean
}

/**
 * Finds the footer: the one at the end counts, its copy at the start serves when that is damaged or missing.
 * Undefined when nothing looks like a VHD; throws when something does but no copy is whole.
 */
export async function findFooter(backend: Backend): Promise<FoundFooter | undefined> {
  const size = await backend.size()
  if (size < OLD_FOOTER_BYTES) return undefined
  const start = new Uint8Array(FOOTER_BYTES)
  await backend.read(0, start)
  const atStart = decodeFooter(start)
  for (const endBytes of [FOOTER_BYTES, OLD_FOOTER_BYTES]) {
    const end = new Uint8Array(endBytes)
    if (size < endBytes) continue
    await backend.read(size - endBytes, end)
    const footer = decodeFooter(end)
    if (footer !== undefined)
      return {
        footer,
        source: 'end',
        endBytes,
        startIsGood: atStart !== undefined && sameBytes(end, start.subarray(0, endBytes)),
      }
    if (asciiAt(end, 0, 8) === COOKIE && atStart === undefined) {
      throw new DiskImageError(
        'bad-checksum',
        `the VHD footer at ${at(size - endBytes)} has a wrong checksum, and there is no good copy at the start; restore the image from a copy`,
      )
    }
  }
  if (atStart !== undefined) {
    if (atStart.type === VHD_TYPE.fixed) return undefined
    return { footer: atStart, source: 'start', endBytes: 0, startIsGood: true }
  }
  if (asciiAt(start, 0, 8) === COOKIE) {
    throw new DiskImageError(
      'bad-checksum',
      'the VHD footer copy at 0x0 has a wrong checksum, and there is no footer at the end; restore the image from a copy',
    )
  }
  return undefined
}

export function checkFooter({ footer }: FoundFooter, fileSize: number): void {
  if (Math.floor(footer.version / 65_536) !== 1)
    throw new DiskImageError('unsupported', `VHD footer: version ${at(footer.version)}, only 1.x is known`)
  if (footer.type !== VHD_TYPE.fixed && footer.type !== VHD_TYPE.dynamic && footer.type !== VHD_TYPE.differencing) {
    throw new DiskImageError(
      'unsupported',
      `VHD footer: disk type ${footer.type}; 2 (fixed), 3 (dynamic) and 4 (differencing) are known`,
    )
  }
  const { currentSize } = footer
  if (currentSize === 0 || currentSize > MAX_VHD_DISK || currentSize % VHD_SECTOR !== 0) {
    throw new DiskImageError(
      'corrupt',
      `VHD footer: disk size ${currentSize} is not a whole number of sectors up to ${MAX_VHD_DISK}`,
    )
  }
  if (footer.type === VHD_TYPE.fixed && currentSize > fileSize - OLD_FOOTER_BYTES) {
    throw new DiskImageError(
      'truncated',
      `the file has ${fileSize} bytes, but a fixed VHD of ${currentSize} takes that and a footer; its start or middle was lost`,
    )
  }
}

export async function readDynamicHeader(backend: Backend, footer: Footer): Promise<DynamicHeader> {
  const fileSize = await backend.size()
  const offset = footer.dataOffset ?? 0
  if (offset < FOOTER_BYTES || offset % VHD_SECTOR !== 0 || offset + DYNAMIC_HEADER_BYTES > fileSize) {
    throw new DiskImageError('corrupt', `VHD footer: dynamic header at ${at(offset)}, not a sector of this file`)
  }
  const bytes = new Uint8Array(DYNAMIC_HEADER_BYTES)
  await backend.read(offset, bytes)
  const header = decodeDynamicHeader(bytes)
  const place = `VHD dynamic header at ${at(offset)}`
  if (header === undefined)
    throw new DiskImageError('bad-checksum', `${place}: wrong signature or checksum; restore the image from a copy`)
  const { blockSize, maxEntries, batOffset } = header
  if (!isPowerOfTwo(blockSize) || blockSize < MIN_BLOCK || blockSize > MAX_BLOCK) {
    throw new DiskImageError('corrupt', `${place}: block size ${blockSize} is not a power of two from 4 KiB to 256 MiB`)
  }
  if (maxEntries < Math.ceil(footer.currentSize / blockSize)) {
    throw new DiskImageError(
      'corrupt',
      `${place}: ${maxEntries} block table entries, but ${footer.currentSize} bytes in blocks of ${blockSize} need ${Math.ceil(footer.currentSize / blockSize)}`,
    )
  }
  if (batOffset < FOOTER_BYTES || batOffset % VHD_SECTOR !== 0 || !Number.isSafeInteger(batOffset)) {
    throw new DiskImageError('corrupt', `${place}: block table at ${at(batOffset)}, not a sector after the footer copy`)
  }
  const batEnd = batOffset + tableBytes(Math.ceil(footer.currentSize / blockSize))
  if (batEnd > fileSize)
    throw new DiskImageError(
      'truncated',
      `${place}: the block table up to ${at(batEnd)} lies past the end of the file at ${at(fileSize)}`,
    )
  return header
}

/** Bytes a block table takes, in whole sectors. */
export function tableBytes(entries: number): number {
  return roundUp(entries * 4, VHD_SECTOR)
}

/** Bytes of sector bitmap before each block's data, in whole sectors. */
export function bitmapBytes(blockSize: number): number {
  return roundUp(blockSize / VHD_SECTOR / 8, VHD_SECTOR)
}
