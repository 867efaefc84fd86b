/**
 * UTF-16LE text at any place and of any length, unit by unit: half a surrogate pair stays what it is. A field of fixed
 * length is a `utf16` of the codec.
 */

/** All units of `byteLength` bytes, NULs too; a last odd byte does not count. */
export function readUtf16(view: DataView, offset: number, byteLength: number): string {
  let text = ''
  for (let at = 0; at + 1 < byteLength; at += 2) text += String.fromCharCode(view.getUint16(offset + at, true))
  return text
}

/** The units before the first NUL, or all of `byteLength` bytes where there is none. */
export function readUtf16z(view: DataView, offset: number, byteLength: number): string {
  let text = ''
  for (let at = 0; at + 1 < byteLength; at += 2) {
    const unit = view.getUint16(offset + at, true)
    if (unit === 0) break
    text += String.fromCharCode(unit)
  }
  return text
}

/** Writes the text, without a NUL. @returns its bytes */
export function writeUtf16(text: string, view: DataView, offset: number): number {
  for (let i = 0; i < text.length; i++) view.setUint16(offset + i * 2, text.charCodeAt(i), true)
  return text.length * 2
}

/** The text's bytes, without a NUL. */
export function encodeUtf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2)
  writeUtf16(text, new DataView(bytes.buffer), 0)
  return bytes
}
