/**
 * Integers of up to 32 bits. One small class for each width and byte order, so that a call of `get` or `set` on a
 * layout's field sees one object shape and is inlined; the base class holds what control paths use.
 */

import type { Accessor } from './field.ts'
import { fieldType } from './field.ts'
import { LayoutError } from './layout-error.ts'

/** An integer field read as a number. `get` and `set` do not allocate, and `set` keeps the low bits of what it is given. */
export abstract class IntegerField implements Accessor<number> {
  declare readonly offset: number
  abstract readonly size: number
  protected abstract readonly min: number
  protected abstract readonly max: number

  constructor(offset: number) {
    this.offset = offset
  }

  abstract get(view: DataView, base: number): number
  abstract set(view: DataView, base: number, value: number): void

  read(view: DataView, base: number): number {
    return this.get(view, base)
  }

  write(value: number, view: DataView, base: number): void {
    if (!Number.isInteger(value) || value < this.min || value > this.max) {
      throw new LayoutError('bad-value', `${value} is not an integer from ${this.min} to ${this.max}`)
    }
    this.set(view, base, value)
  }
}

export class U8Field extends IntegerField {
  readonly size = 1
  protected readonly min = 0
  protected readonly max = 0xff
  get(view: DataView, base: number): number {
    return view.getUint8(base + this.offset)
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint8(base + this.offset, value)
  }
}

export class I8Field extends IntegerField {
  readonly size = 1
  protected readonly min = -0x80
  protected readonly max = 0x7f
  get(view: DataView, base: number): number {
    return view.getInt8(base + this.offset)
  }
  set(view: DataView, base: number, value: number): void {
    view.setInt8(base + this.offset, value)
  }
}

export class U16Field extends IntegerField {
  readonly size = 2
  protected readonly min = 0
  protected readonly max = 0xffff
  get(view: DataView, base: number): number {
    return view.getUint16(base + this.offset, true)
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint16(base + this.offset, value, true)
  }
}

export class I16Field extends IntegerField {
  readonly size = 2
  protected readonly min = -0x8000
  protected readonly max = 0x7fff
  get(view: DataView, base: number): number {
    return view.getInt16(base + this.offset, true)
  }
  set(view: DataView, base: number, value: number): void {
    view.setInt16(base + this.offset, value, true)
  }
}

export class U32Field extends IntegerField {
  readonly size = 4
  protected readonly min = 0
  protected readonly max = 0xffff_ffff
  get(view: DataView, base: number): number {
    return view.getUint32(base + this.offset, true)
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint32(base + this.offset, value, true)
  }
}

export class I32Field extends IntegerField {
  readonly size = 4
  protected readonly min = -0x8000_0000
  protected readonly max = 0x7fff_ffff
  get(view: DataView, base: number): number {
    return view.getInt32(base + this.offset, true)
  }
  set(view: DataView, base: number, value: number): void {
    view.setInt32(base + this.offset, value, true)
  }
}

export class U16beField extends IntegerField {
  readonly size = 2
  protected readonly min = 0
  protected readonly max = 0xffff
  get(view: DataView, base: number): number {
    return view.getUint16(base + this.offset)
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint16(base + this.offset, value)
  }
}

export class U24beField extends IntegerField {
  readonly size = 3
  protected readonly min = 0
  protected readonly max = 0xff_ffff
  get(view: DataView, base: number): number {
    return view.getUint16(base + this.offset) * 0x100 + view.getUint8(base + this.offset + 2)
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint16(base + this.offset, value >>> 8)
    view.setUint8(base + this.offset + 2, value)
  }
}

export class U32beField extends IntegerField {
  readonly size = 4
  protected readonly min = 0
  protected readonly max = 0xffff_ffff
  get(view: DataView, base: number): number {
    return view.getUint32(base + this.offset)
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint32(base + this.offset, value)
  }
}

export const u8 = fieldType(1, 1, (offset) => new U8Field(offset))
export const i8 = fieldType(1, 1, (offset) => new I8Field(offset))
export const u16 = fieldType(2, 2, (offset) => new U16Field(offset))
export const i16 = fieldType(2, 2, (offset) => new I16Field(offset))
export const u32 = fieldType(4, 4, (offset) => new U32Field(offset))
export const i32 = fieldType(4, 4, (offset) => new I32Field(offset))
/** Big-endian, as SCSI and VHD have it. */
export const u16be = fieldType(2, 2, (offset) => new U16beField(offset))
export const u24be = fieldType(3, 1, (offset) => new U24beField(offset))
export const u32be = fieldType(4, 4, (offset) => new U32beField(offset))
