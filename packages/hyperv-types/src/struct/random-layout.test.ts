import { fuzzRuns, fuzzSeed } from '@bis/build/fuzz'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FieldType } from './field.ts'
import {
  array,
  ascii,
  bits,
  bytes,
  formatGuid,
  guid,
  i8,
  i16,
  i32,
  i64big,
  LayoutError,
  layout,
  reserved,
  u8,
  u16,
  u16be,
  u24be,
  u32,
  u32be,
  u64,
  u64be,
  u64big,
  utf16,
} from './index.ts'

/** A field type and values that fit it. */
interface Sample {
  readonly type: FieldType
  readonly values: fc.Arbitrary<unknown>
}

function sample(type: FieldType, values: fc.Arbitrary<unknown>): fc.Arbitrary<Sample> {
  return fc.constant({ type, values })
}

function integers(bits: number, signed = false): fc.Arbitrary<number> {
  return signed
    ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
    : fc.integer({ min: 0, max: 2 ** bits - 1 })
}

const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const guids = exactly(16).map((wire) => formatGuid(wire))
const flags = bits(4, { one: 0, some: [3, 9], top: [31, 1] })

const scalars = fc.oneof(
  sample(u8, integers(8)),
  sample(i8, integers(8, true)),
  sample(u16, integers(16)),
  sample(i16, integers(16, true)),
  sample(u32, fc.integer({ min: 0, max: 0xffff_ffff })),
  sample(i32, integers(32, true)),
  sample(u16be, integers(16)),
  sample(u24be, integers(24)),
  sample(u32be, fc.integer({ min: 0, max: 0xffff_ffff })),
  sample(u64, fc.maxSafeNat()),
  sample(u64be, fc.maxSafeNat()),
  sample(u64big, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  sample(i64big, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  sample(guid, guids),
  sample(flags, fc.record({ one: integers(1), some: integers(9), top: integers(1) })),
  fc.integer({ min: 0, max: 9 }).chain((length) => sample(bytes(length), exactly(length))),
  fc
    .integer({ min: 1, max: 9 })
    .chain((units) =>
      sample(utf16(units), fc.string({ minLength: units, maxLength: units, unit: fc.constantFrom('a', 'é', '中') })),
    ),
  sample(ascii(8), fc.stringMatching(/^[A-Z0-9]{1,8}$/)),
)

const samples: fc.Arbitrary<Sample> = fc.oneof(
  { weight: 5, arbitrary: scalars },
  {
    weight: 1,
    arbitrary: fc.tuple(scalars, fc.integer({ min: 0, max: 4 })).map(([{ type, values }, length]) => ({
      type: array(type, length),
      values: fc.array(values, { minLength: length, maxLength: length }),
    })),
  },
)

const structures = fc
  .record({
    samples: fc.array(samples, { minLength: 1, maxLength: 12 }),
    align: fc.constantFrom('packed' as const, 'natural' as const),
    gap: fc.integer({ min: 0, max: 5 }),
    base: fc.integer({ min: 0, max: 40 }),
  })
  .chain(({ samples: chosen, align, gap, base }) => {
    const types = Object.fromEntries(chosen.map(({ type }, i) => [`field${i}`, type]))
    const values = fc.record(Object.fromEntries(chosen.map((each, i) => [`field${i}`, each.values])))
    const structure = layout('random', { ...types, hole: reserved(gap) }, { align })
    return values.map((value) => ({ structure, value: { ...value }, base }))
  })

const options = { numRuns: fuzzRuns(500), seed: fuzzSeed }

describe('any layout', () => {
  it('gives back what was encoded, wherever it lies, and touches nothing else', () => {
    fc.assert(
      fc.property(structures, ({ structure, value, base }) => {
        const room = new Uint8Array(base + structure.size + 16).fill(0xa5)
        expect(structure.encode(value, room, base)).toBe(structure.size)
        expect(structure.decode(room, base)).toEqual(value)
        expect(room.subarray(0, base).every((byte) => byte === 0xa5)).toBe(true)
        expect(room.subarray(base + structure.size).every((byte) => byte === 0xa5)).toBe(true)
        expect(structure.encode(value)).toEqual(room.slice(base, base + structure.size))
      }),
      options,
    )
  })

  it('has fields that follow each other and lie inside', () => {
    fc.assert(
      fc.property(structures, ({ structure }) => {
        let end = 0
        for (const field of Object.values(structure.fields)) {
          expect(field.offset).toBeGreaterThanOrEqual(end)
          end = field.offset + field.size
        }
        expect(end).toBeLessThanOrEqual(structure.size)
      }),
      options,
    )
  })

  it('reads and writes inside its bounds or not at all', () => {
    fc.assert(
      fc.property(structures, fc.integer({ min: -8, max: 200 }), ({ structure, value }, base) => {
        const room = new Uint8Array(100).fill(0x5a)
        const fits = structure.fits(room.length, base)
        expect(fits).toBe(base >= 0 && base + structure.size <= room.length)
        if (fits) {
          structure.encode(value, room, base)
          expect(structure.decode(room, base)).toEqual(value)
        } else {
          expect(() => structure.encode(value, room, base)).toThrow(LayoutError)
          expect(() => structure.decode(room, base)).toThrow(LayoutError)
          expect(room.every((byte) => byte === 0x5a)).toBe(true)
        }
      }),
      options,
    )
  })

  it('nested in another has the same bytes', () => {
    fc.assert(
      fc.property(structures, ({ structure, value }) => {
        const outer = layout('outer', { before: u16, inner: structure, after: u8 })
        const encoded = outer.encode({ before: 0x1234, inner: value, after: 0xff })
        expect(encoded.subarray(2, 2 + structure.size)).toEqual(structure.encode(value))
        expect(outer.decode(encoded)).toEqual({ before: 0x1234, inner: value, after: 0xff })
      }),
      options,
    )
  })
})
