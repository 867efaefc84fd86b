import { DiskImageError } from '../errors.ts'
import { utf16, viewOf } from '../shared/bytes.ts'
import { parseGuid, sameBytes } from '../shared/guid.ts'

/** Parent locator item, [MS-VHDX] 2.6.2.6: key and value pairs that say which image the parent is and where it was. */

const VHDX_LOCATOR = parseGuid('b04aefb7-d19e-4a81-b789-25b8e9445913') as Uint8Array
const HEADER_BYTES = 20
const ENTRY_BYTES = 12
const MAX_PAIRS = 256

export const KEYS = {
  /** The parent's DataWriteGuid in braces. */
  linkage: 'parent_linkage',
  /** A second one that is as good, while a merge is under way. */
  linkage2: 'parent_linkage2',
  relative: 'relative_path',
  volume: 'volume_path',
  absolute: 'absolute_win32_path',
} as const

export function decodeParentLocator(bytes: Uint8Array): Map<string, string> {
  const refuse = (what: string) => new DiskImageError('corrupt', `VHDX parent locator: ${what}`)
  if (bytes.length < HEADER_BYTES) throw refuse(`${bytes.length} bytes, its header alone takes ${HEADER_BYTES}`)
  if (!sameBytes(bytes.subarray(0, 16), VHDX_LOCATOR))
    throw new DiskImageError('unsupported', 'VHDX parent locator: of an unknown type, not of a VHDX parent')
  const view = viewOf(bytes)
  const count = view.getUint16(18, true)
  if (count > MAX_PAIRS || HEADER_BYTES + count * ENTRY_BYTES > bytes.length)
    throw refuse(`${count} pairs do not fit in ${bytes.length} bytes`)
  const pairs = new Map<string, string>()
  for (let i = 0; i < count; i++) {
    const entry = HEADER_BYTES + i * ENTRY_BYTES
    const text = (offset: number, length: number) => {
      if (offset + length > bytes.length || length % 2 !== 0)
        throw refuse(`pair ${i}: ${length} bytes at ${offset} of ${bytes.length}`)
      let result = ''
      for (let at = offset; at < offset + length; at += 2) result += String.fromCharCode(view.getUint16(at, true))
      return result
    }
    const key = text(view.getUint32(entry, true), view.getUint16(entry + 8, true))
    if (pairs.has(key)) throw refuse(`key "${key}" is there twice`)
    pairs.set(key, text(view.getUint32(entry + 4, true), view.getUint16(entry + 10, true)))
  }
  return pairs
}

export function encodeParentLocator(pairs: ReadonlyMap<string, string>): Uint8Array {
  const texts = [...pairs].map(([key, value]) => [utf16(key, true), utf16(value, true)] as const)
  const total = texts.reduce(
    (sum, [key, value]) => sum + key.length + value.length,
    HEADER_BYTES + pairs.size * ENTRY_BYTES,
  )
  const bytes = new Uint8Array(total)
  const view = viewOf(bytes)
  bytes.set(VHDX_LOCATOR, 0)
  view.setUint16(18, pairs.size, true)
  let place = HEADER_BYTES + pairs.size * ENTRY_BYTES
  texts.forEach(([key, value], i) => {
    const entry = HEADER_BYTES + i * ENTRY_BYTES
    view.setUint32(entry, place, true)
    view.setUint32(entry + 4, place + key.length, true)
    view.setUint16(entry + 8, key.length, true)
    view.setUint16(entry + 10, value.length, true)
    bytes.set(key, place)
    bytes.set(value, place + key.length)
    place += key.length + value.length
  })
  return bytes
}
