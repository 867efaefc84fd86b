/** Fields of UTF-16LE text as KVP has them: sizes are in bytes, with the NUL. */
import { readUtf16, writeUtf16 } from '@bis/hyperv-types/struct'

/**
 * Text of a field.
 * @param size bytes that count, by the message; undefined: up to the first NUL
 * @returns undefined when the size is odd or beyond the field, when text stands behind a NUL within it, or the text has
 * half a surrogate pair
 */
export function readText(view: DataView, offset: number, fieldBytes: number, size?: number): string | undefined {
  const bytes = size ?? fieldBytes
  if (bytes % 2 !== 0 || bytes > fieldBytes) return undefined
  const units = readUtf16(view, offset, bytes)
  const [text = ''] = units.split('\0', 1)
  if (size !== undefined && /[^\0]/.test(units.slice(text.length))) return undefined
  return /\p{Surrogate}/u.test(text) ? undefined : text
}

/**
 * Writes text and fills the field with NULs. What does not fit is cut, between characters.
 * @returns bytes with the NUL, and whether something was cut
 */
export function writeText(
  view: DataView,
  offset: number,
  fieldBytes: number,
  text: string,
): { readonly size: number; readonly cut: boolean } {
  const room = fieldBytes / 2 - 1
  let units = Math.min(text.length, room)
  // Not between the halves of a pair.
  if (units < text.length && (text.charCodeAt(units - 1) & 0xfc00) === 0xd800) units--
  writeUtf16(text.slice(0, units).padEnd(fieldBytes / 2, '\0'), view, offset)
  return { size: (units + 1) * 2, cut: units < text.length }
}
