import type { Environment } from './environment.ts'

export const GUID_BYTES = 16

// The first three fields of a Microsoft GUID are little-endian, the last two are bytes in order.
const FIELD_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
const HYPHEN_BEFORE = new Set([4, 6, 8, 10])

/** `2dc27766-f623-4200-9d64-115e9bfd4a08` from the 16 bytes of a Microsoft GUID. */
export function formatGuid(bytes: Uint8Array): string {
  return FIELD_ORDER.map((from, i) => `${HYPHEN_BEFORE.has(i) ? '-' : ''}${hex(bytes[from])}`).join('')
}

/** A UUID whose bytes are all in order, as VHD footers hold them. */
export function formatUuid(bytes: Uint8Array): string {
  return FIELD_ORDER.map((_, i) => `${HYPHEN_BEFORE.has(i) ? '-' : ''}${hex(bytes[i])}`).join('')
}

/** Reads a GUID with or without braces, upper or lower case; undefined if it is none. */
export function parseGuid(text: string): Uint8Array | undefined {
  const match = /^\{?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}?$/i.exec(text.trim())
  if (match === null) return undefined
  const digits = match.slice(1).join('')
  const bytes = new Uint8Array(GUID_BYTES)
  FIELD_ORDER.forEach((to, i) => {
    bytes[to] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  })
  return bytes
}

/** A random (version 4) GUID in Microsoft's byte order. */
export function randomGuid(environment: Environment): Uint8Array {
  const bytes = new Uint8Array(GUID_BYTES)
  environment.random(bytes)
  bytes[7] = ((bytes[7] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes
}

/** A random (version 4) UUID with its bytes in order. */
export function randomUuid(environment: Environment): Uint8Array {
  const bytes = new Uint8Array(GUID_BYTES)
  environment.random(bytes)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

function hex(byte: number | undefined): string {
  return (byte ?? 0).toString(16).padStart(2, '0')
}
