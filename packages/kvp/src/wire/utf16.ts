/** UTF-16LE text of the wire, as sizes in bytes with the NUL. */

/**
 * Text of a field.
 * @param size bytes that count, by the message; undefined: up to the first NUL
 * @returns undefined when the size is odd or beyond the field, when text stands behind a NUL within it, or the text has
 * half a surrogate pair
 */
export function readText(view: DataView, offset: number, fieldBytes: number, size?: number): string | undefined {
  const bytes = size ?? fieldBytes
  if (bytes % 2 !== 0 || bytes > fieldBytes) return undefined
  let text = ''
  let ended = false
  for (let at = offset; at < offset + bytes; at += 2) {
    const unit = view.getUint16(at, true)
    if (unit === 0) {
      if (size === undefined) break
      ended = true
    } else if (ended) return undefined
    else text += String.fromCharCode(unit)
  }
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
  for (let i = 0; i < fieldBytes / 2; i++) view.setUint16(offset + i * 2, i < units ? text.charCodeAt(i) : 0, true)
  return { size: (units + 1) * 2, cut: units < text.length }
}
