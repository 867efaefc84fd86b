import { asciiAt, getU64, putAscii, setU64, viewOf } from '../shared/bytes.ts'

/** Hard disk footer, VHD specification 1.0: the last sector of the file, and a copy in the first of all but fixed images. Big-endian. */

export const FOOTER_BYTES = 512
/** Footers of images older than Virtual PC 2004 have one byte less. */
export const OLD_FOOTER_BYTES = 511
export const COOKIE = 'conectix'
export const VHD_EPOCH_MS = Date.UTC(2000, 0, 1)
const CHECKSUM = 0x40
const NO_OFFSET = 2 ** 64

export const VHD_TYPE = { fixed: 2, dynamic: 3, differencing: 4 } as const

export interface Footer {
  features: number
  version: number
  /** Where the dynamic header is; undefined in fixed images. */
  dataOffset: number | undefined
  /** Seconds since 2000-01-01 UTC. */
  timestamp: number
  creatorApp: string
  creatorVersion: number
  creatorHostOs: string
  originalSize: number
  currentSize: number
  cylinders: number
  heads: number
  sectorsPerTrack: number
  type: number
  uniqueId: Uint8Array
  savedState: number
}

/** The footer in 511 or 512 bytes, or undefined when cookie or checksum are wrong. */
export function decodeFooter(bytes: Uint8Array): Footer | undefined {
  if (asciiAt(bytes, 0, 8) !== COOKIE) return undefined
  const view = viewOf(bytes)
  if (view.getUint32(CHECKSUM) !== vhdChecksum(bytes, CHECKSUM)) return undefined
  const dataOffset = getU64(view, 0x10, false)
  return {
    features: view.getUint32(8),
    version: view.getUint32(0x0c),
    // All ones; the document prints 32 of them.
    dataOffset: dataOffset >= NO_OFFSET - 1 || dataOffset === 0xffffffff ? undefined : dataOffset,
    timestamp: view.getUint32(0x18),
    creatorApp: asciiAt(bytes, 0x1c, 4),
    creatorVersion: view.getUint32(0x20),
    creatorHostOs: asciiAt(bytes, 0x24, 4),
    originalSize: getU64(view, 0x28, false),
    currentSize: getU64(view, 0x30, false),
    cylinders: view.getUint16(0x38),
    heads: view.getUint8(0x3a),
    sectorsPerTrack: view.getUint8(0x3b),
    type: view.getUint32(0x3c),
    uniqueId: bytes.slice(0x44, 0x54),
    savedState: view.getUint8(0x54),
  }
}

export function encodeFooter(footer: Footer): Uint8Array {
  const bytes = new Uint8Array(FOOTER_BYTES)
  const view = viewOf(bytes)
  putAscii(bytes, 0, COOKIE)
  view.setUint32(8, footer.features)
  view.setUint32(0x0c, footer.version)
  if (footer.dataOffset === undefined) bytes.fill(0xff, 0x10, 0x18)
  else setU64(view, 0x10, footer.dataOffset, false)
  view.setUint32(0x18, footer.timestamp)
  putAscii(bytes, 0x1c, footer.creatorApp)
  view.setUint32(0x20, footer.creatorVersion)
  putAscii(bytes, 0x24, footer.creatorHostOs)
  setU64(view, 0x28, footer.originalSize, false)
  setU64(view, 0x30, footer.currentSize, false)
  view.setUint16(0x38, footer.cylinders)
  view.setUint8(0x3a, footer.heads)
  view.setUint8(0x3b, footer.sectorsPerTrack)
  view.setUint32(0x3c, footer.type)
  bytes.set(footer.uniqueId, 0x44)
  view.setUint8(0x54, footer.savedState)
  view.setUint32(CHECKSUM, vhdChecksum(bytes, CHECKSUM))
  return bytes
}

/** Complement of the sum of all bytes, the four at `hole` left out. */
export function vhdChecksum(bytes: Uint8Array, hole: number): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i++) {
    if (i < hole || i >= hole + 4) sum += bytes[i] as number
  }
  return ~sum >>> 0
}

export function vhdTime(ms: number): number {
  return Math.max(0, Math.floor((ms - VHD_EPOCH_MS) / 1000)) % 2 ** 32
}
