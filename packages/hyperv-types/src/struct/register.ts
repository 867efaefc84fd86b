/** 64-bit registers whose bits have names, as a BigInt holds them. For control paths. */
import type { BitRange } from './bits.ts'
import { checkRanges, widthOf } from './bits.ts'
import { LayoutError } from './layout-error.ts'

/** A register's named bits. */
export interface Register<R extends Readonly<Record<string, BitRange>>> {
  readonly name: string
  /** The bits that have a name. */
  readonly mask: bigint
  /** Each field as a number. */
  decode(value: bigint): { [K in keyof R]: number }
  /**
   * A register value from its fields; those left out are zero.
   * @param preserved value whose unnamed bits are kept, for a read-modify-write
   * @throws LayoutError `bad-value` when a number does not fit its field
   */
  encode(fields: { readonly [K in keyof R]?: number }, preserved?: bigint): bigint
}

/**
 * Declares a register: `register('hv_synic_sint', { vector: [0, 8], masked: 16 })`.
 * @throws LayoutError `bad-layout` when ranges overlap, do not fit 64 bits, or are wider than 53 bits
 */
export function register<const R extends Readonly<Record<string, BitRange>>>(name: string, ranges: R): Register<R> {
  const mask = checkRanges(ranges, 64)
  const entries = Object.entries(ranges).map(([field, range]) => [field, ...widthOf(range)] as const)
  return Object.freeze({
    name,
    mask,
    decode(value: bigint): { [K in keyof R]: number } {
      const fields: Record<string, number> = {}
      for (const [field, low, width] of entries) fields[field] = Number(BigInt.asUintN(width, value >> BigInt(low)))
      return fields as { [K in keyof R]: number }
    },
    encode(fields: { readonly [K in keyof R]?: number }, preserved = 0n): bigint {
      let value = BigInt.asUintN(64, preserved) & ~mask
      for (const [field, low, width] of entries) {
        const number = fields[field] ?? 0
        if (!Number.isSafeInteger(number) || number < 0 || number >= 2 ** width) {
          throw new LayoutError('bad-value', `${name}.${field}: ${number} does not fit ${width} bits`)
        }
        value |= BigInt(number) << BigInt(low)
      }
      return value
    },
  })
}
