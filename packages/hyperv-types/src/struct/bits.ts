/** Bit-fields inside a little-endian word of 8, 16, 32 or 64 bits. */

import type { Accessor, FieldType } from './field.ts'
import { fieldType } from './field.ts'
import { LayoutError } from './layout-error.ts'

/** A bit by its number, or `[lowest bit, width]`. */
export type BitRange = number | readonly [low: number, width: number]

/** One bit-field. `get` and `set` do not allocate. */
export class Bits {
  /** Byte offset of the whole word. */
  declare readonly offset: number
  /** Lowest bit within the whole word. */
  declare readonly low: number
  declare readonly width: number
  /** Bytes of the whole word. */
  declare readonly wordBytes: number

  constructor(offset: number, wordBytes: number, low: number, width: number) {
    this.offset = offset
    this.low = low
    this.width = width
    this.wordBytes = wordBytes
  }

  get(view: DataView, base: number): number {
    const at = base + this.offset
    switch (this.wordBytes) {
      case 1:
        return field32(view.getUint8(at), this.low, this.width)
      case 2:
        return field32(view.getUint16(at, true), this.low, this.width)
      case 4:
        return field32(view.getUint32(at, true), this.low, this.width)
      default:
        return field64(view.getUint32(at, true), view.getUint32(at + 4, true), this.low, this.width)
    }
  }

  /** Replaces these bits and keeps the others of the word; takes the low `width` bits of `value`. */
  set(view: DataView, base: number, value: number): void {
    const at = base + this.offset
    switch (this.wordBytes) {
      case 1:
        view.setUint8(at, replace32(view.getUint8(at), this.low, this.width, value))
        break
      case 2:
        view.setUint16(at, replace32(view.getUint16(at, true), this.low, this.width, value), true)
        break
      case 4:
        view.setUint32(at, replace32(view.getUint32(at, true), this.low, this.width, value), true)
        break
      default: {
        const mask = ((1n << BigInt(this.width)) - 1n) << BigInt(this.low)
        const old = view.getBigUint64(at, true) & ~mask
        view.setBigUint64(at, old | ((BigInt(value) << BigInt(this.low)) & mask), true)
      }
    }
  }
}

function field32(word: number, low: number, width: number): number {
  return width === 32 ? word : (word >>> low) & ((1 << width) - 1)
}

function replace32(word: number, low: number, width: number, value: number): number {
  const mask = width === 32 ? -1 : ((1 << width) - 1) << low
  return ((word & ~mask) | ((value << low) & mask)) >>> 0
}

function field64(lowWord: number, highWord: number, low: number, width: number): number {
  if (low >= 32) return field32(highWord, low - 32, width)
  if (low + width <= 32) return field32(lowWord, low, width)
  const lowBits = 32 - low
  return field32(highWord, 0, width - lowBits) * 2 ** lowBits + (lowWord >>> low)
}

type BitsValue<R> = { -readonly [K in keyof R]: number }

/** The accessor of a word of bit-fields: each has its `get` and `set` under its own name in `bit`. */
export class BitsField<R extends Record<string, BitRange>> implements Accessor<BitsValue<R>, Partial<BitsValue<R>>> {
  declare readonly offset: number
  declare readonly size: number
  declare readonly bit: { readonly [K in keyof R]: Bits }

  constructor(offset: number, size: number, ranges: R) {
    this.offset = offset
    this.size = size
    const bit: Record<string, Bits> = {}
    for (const [name, range] of Object.entries(ranges)) {
      const [low, width] = widthOf(range)
      bit[name] = new Bits(offset, size, low, width)
    }
    this.bit = bit as { readonly [K in keyof R]: Bits }
  }

  read(view: DataView, base: number): BitsValue<R> {
    const value: Record<string, number> = {}
    for (const [name, bits] of Object.entries<Bits>(this.bit)) value[name] = bits.get(view, base)
    return value as BitsValue<R>
  }

  write(value: Partial<BitsValue<R>>, view: DataView, base: number): void {
    for (const [name, bits] of Object.entries<Bits>(this.bit)) {
      const number = value[name] ?? 0
      if (!Number.isSafeInteger(number) || number < 0 || number >= 2 ** bits.width) {
        throw new LayoutError('bad-value', `${name}: ${number} does not fit ${bits.width} bits`)
      }
      bits.set(view, base, number)
    }
  }
}

/**
 * A word whose bits are named: `bits(4, { vector: [0, 8], masked: 16 })`. Bits without a name are written as zero.
 * @throws LayoutError `bad-layout` when ranges overlap, do not fit, or are wider than 53 bits
 */
export function bits<const R extends Record<string, BitRange>>(
  wordBytes: 1 | 2 | 4 | 8,
  ranges: R,
): FieldType<BitsField<R>> {
  checkRanges(ranges, wordBytes * 8)
  return fieldType(wordBytes, wordBytes, (offset) => new BitsField(offset, wordBytes, ranges))
}

/** Lowest bit and width of a range. */
export function widthOf(range: BitRange): readonly [low: number, width: number] {
  return typeof range === 'number' ? [range, 1] : range
}

/**
 * The bits that the ranges take.
 * @throws LayoutError `bad-layout` when ranges overlap, do not fit, or are wider than 53 bits
 */
export function checkRanges(ranges: Readonly<Record<string, BitRange>>, wordBits: number): bigint {
  let taken = 0n
  for (const [name, range] of Object.entries(ranges)) {
    const [low, width] = widthOf(range)
    const mask = ((1n << BigInt(width)) - 1n) << BigInt(low)
    if (low < 0 || width < 1 || width > 53 || low + width > wordBits || (taken & mask) !== 0n) {
      throw new LayoutError('bad-layout', `bits ${name}: [${low}, ${width}] overlaps or does not fit ${wordBits} bits`)
    }
    taken |= mask
  }
  return taken
}
