/** Fields of plain bytes. */

import type { Accessor, FieldType } from './field.ts'
import { fieldType } from './field.ts'
import { LayoutError } from './layout-error.ts'

/** A blob of fixed length. Decodes to a copy; encodes from as many bytes or fewer, the rest is zero. */
export class BytesField implements Accessor<Uint8Array> {
  declare readonly offset: number
  declare readonly size: number

  constructor(offset: number, size: number) {
    this.offset = offset
    this.size = size
  }

  /** The bytes where they are, not copied: for control paths on private memory. */
  in(view: DataView, base: number): Uint8Array {
    return new Uint8Array(view.buffer, view.byteOffset + base + this.offset, this.size)
  }

  read(view: DataView, base: number): Uint8Array {
    return copyOut(view, base + this.offset, this.size)
  }

  write(value: Uint8Array, view: DataView, base: number): void {
    if (value.length > this.size) {
      throw new LayoutError('bad-value', `${value.length} bytes for a field of ${this.size}`)
    }
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(value, base + this.offset)
  }
}

/** Bytes that mean nothing: written as zero, left out of decoded values, never compared with zero. */
export class ReservedField implements Accessor<undefined> {
  /** Tells the types of a layout's values to leave this field out. */
  readonly reserved = true
  declare readonly offset: number
  declare readonly size: number

  constructor(offset: number, size: number) {
    this.offset = offset
    this.size = size
  }

  read(): undefined {
    return undefined
  }

  write(): void {}
}

/** The bytes from here to the end of the message; the last field of its layout. */
export class RestBytesField implements Accessor<Uint8Array> {
  readonly size = 0
  declare readonly offset: number

  constructor(offset: number) {
    this.offset = offset
  }

  read(view: DataView, base: number, end: number): Uint8Array {
    return copyOut(view, base + this.offset, Math.max(0, end - base - this.offset))
  }

  write(value: Uint8Array, view: DataView, base: number): void {
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(value, base + this.offset)
  }

  extra(value: Uint8Array): number {
    return value.length
  }
}

function copyOut(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice()
}

export function bytes(length: number): FieldType<BytesField> {
  return fieldType(length, 1, (offset) => new BytesField(offset, length))
}

/** `alignment` matters only in a layout with natural alignment: `reserved(4, 4)` stands for a reserved u32. */
export function reserved(length: number, alignment = 1): FieldType<ReservedField> {
  return fieldType(length, alignment, (offset) => new ReservedField(offset, length))
}

export const restBytes = fieldType(0, 1, (offset) => new RestBytesField(offset))
