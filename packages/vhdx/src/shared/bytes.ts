/** Little helpers over DataView for on-disk structures. 64-bit sizes and offsets are numbers: no disk passes 2^53 bytes. */

export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB
export const TIB = 1024 * GIB

const HIGH = 2 ** 32

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A 64-bit value as a number; values past 2^53 come out inexact but stay that large, so range checks still refuse them. */
export function getU64(view: DataView, offset: number, littleEndian: boolean): number {
  const first = view.getUint32(offset, littleEndian)
  const second = view.getUint32(offset + 4, littleEndian)
  return littleEndian ? second * HIGH + first : first * HIGH + second
}

export function setU64(view: DataView, offset: number, value: number, littleEndian: boolean): void {
  const high = Math.floor(value / HIGH)
  const low = value % HIGH
  view.setUint32(offset, littleEndian ? low : high, littleEndian)
  view.setUint32(offset + 4, littleEndian ? high : low, littleEndian)
}

/** The text of single-byte characters at a place, for signatures. */
export function asciiAt(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length))
}

export function putAscii(bytes: Uint8Array, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i)
}

/** UTF-16 text up to its end or first NUL. */
export function utf16At(bytes: Uint8Array, offset: number, length: number, littleEndian: boolean): string {
  const view = viewOf(bytes)
  let text = ''
  for (let i = offset; i + 1 < offset + length; i += 2) {
    const unit = view.getUint16(i, littleEndian)
    if (unit === 0) break
    text += String.fromCharCode(unit)
  }
  return text
}

export function utf16(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(2 * text.length)
  const view = viewOf(bytes)
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), littleEndian)
  return bytes
}

/** Whether every byte is zero. Looks at 8 bytes at a time where alignment allows. */
export function allZero(bytes: Uint8Array): boolean {
  const misaligned = (8 - (bytes.byteOffset % 8)) % 8
  const head = Math.min(misaligned, bytes.length)
  for (let i = 0; i < head; i++) if (bytes[i] !== 0) return false
  const words = Math.floor((bytes.length - head) / 8)
  if (words > 0) {
    const wide = new Float64Array(bytes.buffer, bytes.byteOffset + head, words)
    const bits = new Uint32Array(bytes.buffer, bytes.byteOffset + head, words * 2)
    for (let i = 0; i < words; i++) {
      // A float compare also accepts -0, so the words that differ only there are caught by the second look.
      if (wide[i] !== 0 || bits[2 * i + 1] !== 0) return false
    }
  }
  for (let i = head + words * 8; i < bytes.length; i++) if (bytes[i] !== 0) return false
  return true
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

export function roundDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && Number.isInteger(Math.log2(value))
}
