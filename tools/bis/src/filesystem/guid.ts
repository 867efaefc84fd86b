import { viewOf } from './byte-source.ts'

/** GUID text of 16 bytes whose first three groups are little-endian, as on GPT disks. */
export function readGuid(bytes: Uint8Array, offset: number): string {
  const view = viewOf(bytes)
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
  const rest = [...bytes.subarray(offset + 8, offset + 16)].map((byte) => hex(byte, 2)).join('')
  const first = hex(view.getUint32(offset, true), 8)
  return `${first}-${hex(view.getUint16(offset + 4, true), 4)}-${hex(view.getUint16(offset + 6, true), 4)}-${rest.slice(0, 4)}-${rest.slice(4)}`
}

/** Writes GUID text as {@link readGuid} reads it. */
export function writeGuid(text: string, bytes: Uint8Array, offset: number): void {
  const groups = text.split('-')
  const view = viewOf(bytes)
  view.setUint32(offset, Number.parseInt(groups[0] ?? '', 16), true)
  view.setUint16(offset + 4, Number.parseInt(groups[1] ?? '', 16), true)
  view.setUint16(offset + 6, Number.parseInt(groups[2] ?? '', 16), true)
  const rest = `${groups[3]}${groups[4]}`
  for (let i = 0; i < 8; i++) bytes[offset + 8 + i] = Number.parseInt(rest.slice(2 * i, 2 * i + 2), 16)
}
