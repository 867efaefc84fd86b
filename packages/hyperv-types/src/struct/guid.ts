/**
 * GUIDs. Text is `aabbccdd-eeff-gghh-iijj-kkllmmnnoopp` in lower case; on the wire the first three groups are
 * little-endian and the rest is in order: `dd cc bb aa ff ee hh gg ii jj kk ll mm nn oo pp`.
 */

import type { Accessor } from './field.ts'
import { fieldType } from './field.ts'
import { LayoutError } from './layout-error.ts'

export const GUID_SIZE = 16

export const NIL_GUID = '00000000-0000-0000-0000-000000000000'

/** Wire position of each byte in the order of the text. */
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const

const TEXT = /^\{?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}?$/i

/**
 * The 16 wire bytes of a GUID in text form, any case, with or without braces.
 * @throws LayoutError `bad-value` when the text is no GUID
 */
export function parseGuid(text: string): Uint8Array {
  const match = TEXT.exec(text)
  if (match === null) throw new LayoutError('bad-value', `${JSON.stringify(text)} is not a GUID`)
  const digits = match.slice(1).join('')
  const wire = new Uint8Array(GUID_SIZE)
  ORDER.forEach((position, i) => {
    wire[position] = Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16)
  })
  return wire
}

/**
 * The text form, in lower case, of the 16 wire bytes at `offset`.
 * @throws LayoutError `out-of-bounds` when there are not as many
 */
export function formatGuid(wire: Uint8Array, offset = 0): string {
  if (offset < 0 || offset + GUID_SIZE > wire.length) {
    throw new LayoutError('out-of-bounds', `GUID at ${offset} of ${wire.length} bytes`)
  }
  let text = ''
  ORDER.forEach((position, i) => {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-'
    text += (wire[offset + position] ?? 0).toString(16).padStart(2, '0')
  })
  return text
}

/** Whether two GUIDs in text form are the same, whatever their case and braces. */
export function sameGuid(a: string, b: string): boolean {
  return a === b || bare(a) === bare(b)
}

function bare(text: string): string {
  return text.replace(/^\{|\}$/g, '').toLowerCase()
}

/** A GUID field; its value is the text form. */
export class GuidField implements Accessor<string> {
  readonly size = GUID_SIZE
  declare readonly offset: number

  constructor(offset: number) {
    this.offset = offset
  }

  read(view: DataView, base: number): string {
    return formatGuid(new Uint8Array(view.buffer, view.byteOffset + base + this.offset, GUID_SIZE))
  }

  write(value: string, view: DataView, base: number): void {
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(parseGuid(value), base + this.offset)
  }
}

export const guid = fieldType(GUID_SIZE, 4, (offset) => new GuidField(offset))
