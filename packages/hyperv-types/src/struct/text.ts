/** Fields of text. */

import type { Accessor, FieldType } from './field.ts'
import { fieldType } from './field.ts'
import { LayoutError } from './layout-error.ts'
import { readUtf16z, writeUtf16 } from './utf16.ts'

/**
 * UTF-16LE text in a field of fixed length. Decodes up to the first NUL or the whole field, an unpaired surrogate kept
 * as it is; encodes with NULs behind. A text may fill the field to its last unit, and then no NUL is left.
 */
export class Utf16Field implements Accessor<string> {
  declare readonly offset: number
  declare readonly size: number

  constructor(offset: number, size: number) {
    this.offset = offset
    this.size = size
  }

  read(view: DataView, base: number): string {
    return readUtf16z(view, base + this.offset, this.size)
  }

  write(value: string, view: DataView, base: number): void {
    if (value.length * 2 > this.size) {
      throw new LayoutError('bad-value', `text of ${value.length} UTF-16 units for a field of ${this.size / 2}`)
    }
    writeUtf16(value, view, base + this.offset)
  }
}

/** ASCII text, padded on the right with spaces as SCSI has it. Decoding drops the padding and turns other bytes into `?`. */
export class AsciiField implements Accessor<string> {
  declare readonly offset: number
  declare readonly size: number

  constructor(offset: number, size: number) {
    this.offset = offset
    this.size = size
  }

  read(view: DataView, base: number): string {
    let text = ''
    for (let i = 0; i < this.size; i++) {
      const byte = view.getUint8(base + this.offset + i)
      if (byte === 0) break
      text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'
    }
    return text.trimEnd()
  }

  write(value: string, view: DataView, base: number): void {
    if (value.length > this.size || /[^\x20-\x7e]/.test(value)) {
      throw new LayoutError(
        'bad-value',
        `${JSON.stringify(value)} is not printable ASCII of at most ${this.size} bytes`,
      )
    }
    for (let i = 0; i < this.size; i++) {
      view.setUint8(base + this.offset + i, i < value.length ? value.charCodeAt(i) : 0x20)
    }
  }
}

/** Text of at most `units` UTF-16 code units. */
export function utf16(units: number): FieldType<Utf16Field> {
  return fieldType(units * 2, 2, (offset) => new Utf16Field(offset, units * 2))
}

export function ascii(length: number): FieldType<AsciiField> {
  return fieldType(length, 1, (offset) => new AsciiField(offset, length))
}
