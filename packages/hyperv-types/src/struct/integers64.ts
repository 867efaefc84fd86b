/**
 * 64-bit integers. On the data path a field is two 32-bit words (`low`, `high`, `setWords`: lossless, for ids of the
 * other side) or a number below 2^53 (`get`, `set`: for addresses, lengths and ids of our own). Control paths have
 * `getBigInt` and `setBigInt` too. `u64` and `u64be` decode to a number, `u64big` and `i64big` to a BigInt.
 */

import type { Accessor } from './field.ts'
import { fieldType } from './field.ts'
import { LayoutError } from './layout-error.ts'

const WORD = 0x1_0000_0000

/** A little-endian 64-bit field that decodes to a number. */
export class U64Field implements Accessor<number> {
  readonly size = 8
  declare readonly offset: number

  constructor(offset: number) {
    this.offset = offset
  }

  /** Bits 31:0. */
  low(view: DataView, base: number): number {
    return view.getUint32(base + this.offset, true)
  }

  /** Bits 63:32. */
  high(view: DataView, base: number): number {
    return view.getUint32(base + this.offset + 4, true)
  }

  setWords(view: DataView, base: number, low: number, high: number): void {
    view.setUint32(base + this.offset, low, true)
    view.setUint32(base + this.offset + 4, high, true)
  }

  /**
   * The value as a number: exact below 2^53. A greater one comes out rounded but never below 2^53, so the range check
   * that a value of the other side needs anyway refuses it.
   */
  get(view: DataView, base: number): number {
    return view.getUint32(base + this.offset + 4, true) * WORD + view.getUint32(base + this.offset, true)
  }

  /** Writes an integer from 0 to 2^53 - 1; not checked. */
  set(view: DataView, base: number, value: number): void {
    view.setUint32(base + this.offset, value, true)
    view.setUint32(base + this.offset + 4, value / WORD, true)
  }

  getBigInt(view: DataView, base: number): bigint {
    return view.getBigUint64(base + this.offset, true)
  }

  /** Writes the low 64 bits of `value`. */
  setBigInt(view: DataView, base: number, value: bigint): void {
    view.setBigUint64(base + this.offset, value, true)
  }

  read(view: DataView, base: number): number {
    return this.get(view, base)
  }

  write(value: number, view: DataView, base: number): void {
    checkSafe(value)
    this.set(view, base, value)
  }
}

/** A big-endian 64-bit field that decodes to a number. */
export class U64beField implements Accessor<number> {
  readonly size = 8
  declare readonly offset: number

  constructor(offset: number) {
    this.offset = offset
  }

  /** Bits 31:0. */
  low(view: DataView, base: number): number {
    return view.getUint32(base + this.offset + 4)
  }

  /** Bits 63:32. */
  high(view: DataView, base: number): number {
    return view.getUint32(base + this.offset)
  }

  setWords(view: DataView, base: number, low: number, high: number): void {
    view.setUint32(base + this.offset, high)
    view.setUint32(base + this.offset + 4, low)
  }

  /** As `U64Field.get`: exact below 2^53, never below 2^53 when the value is not. */
  get(view: DataView, base: number): number {
    return view.getUint32(base + this.offset) * WORD + view.getUint32(base + this.offset + 4)
  }

  /** Writes an integer from 0 to 2^53 - 1; not checked. */
  set(view: DataView, base: number, value: number): void {
    view.setUint32(base + this.offset, value / WORD)
    view.setUint32(base + this.offset + 4, value)
  }

  getBigInt(view: DataView, base: number): bigint {
    return view.getBigUint64(base + this.offset)
  }

  /** Writes the low 64 bits of `value`. */
  setBigInt(view: DataView, base: number, value: bigint): void {
    view.setBigUint64(base + this.offset, value)
  }

  read(view: DataView, base: number): number {
    return this.get(view, base)
  }

  write(value: number, view: DataView, base: number): void {
    checkSafe(value)
    this.set(view, base, value)
  }
}

/** A little-endian 64-bit field, unsigned or two's complement, that decodes to a BigInt. */
export class BigField implements Accessor<bigint> {
  readonly size = 8
  declare readonly offset: number
  declare readonly signed: boolean

  constructor(offset: number, signed: boolean) {
    this.offset = offset
    this.signed = signed
  }

  /** Bits 31:0. */
  low(view: DataView, base: number): number {
    return view.getUint32(base + this.offset, true)
  }

  /** Bits 63:32, unsigned even in a signed field. */
  high(view: DataView, base: number): number {
    return view.getUint32(base + this.offset + 4, true)
  }

  setWords(view: DataView, base: number, low: number, high: number): void {
    view.setUint32(base + this.offset, low, true)
    view.setUint32(base + this.offset + 4, high, true)
  }

  get(view: DataView, base: number): bigint {
    return this.signed ? view.getBigInt64(base + this.offset, true) : view.getBigUint64(base + this.offset, true)
  }

  /** Writes the low 64 bits of `value`. */
  set(view: DataView, base: number, value: bigint): void {
    view.setBigUint64(base + this.offset, value, true)
  }

  read(view: DataView, base: number): bigint {
    return this.get(view, base)
  }

  write(value: bigint, view: DataView, base: number): void {
    if (BigInt[this.signed ? 'asIntN' : 'asUintN'](64, value) !== value) {
      throw new LayoutError(
        'bad-value',
        `${value} does not fit ${this.signed ? 'a signed' : 'an unsigned'} 64-bit field`,
      )
    }
    this.set(view, base, value)
  }
}

function checkSafe(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new LayoutError('bad-value', `${value} is not an integer from 0 to 2^53 - 1; declare the field u64big`)
  }
}

export const u64 = fieldType(8, 8, (offset) => new U64Field(offset))
/** Big-endian, as SCSI and VHD have it. */
export const u64be = fieldType(8, 8, (offset) => new U64beField(offset))
/** For values that use all 64 bits: decodes to a BigInt, and still has the word accessors. */
export const u64big = fieldType(8, 8, (offset) => new BigField(offset, false))
export const i64big = fieldType(8, 8, (offset) => new BigField(offset, true))
