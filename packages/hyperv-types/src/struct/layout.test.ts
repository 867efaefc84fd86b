import { describe, expect, expectTypeOf, it } from 'vitest'
import type { InitOf, ValueOf } from './index.ts'
import {
  array,
  at,
  bits,
  bytes,
  guid,
  LayoutError,
  layout,
  reserved,
  rest,
  restBytes,
  u8,
  u16,
  u32,
  u32be,
  u64,
  u64big,
  union,
  utf16,
} from './index.ts'

const descriptor = layout('descriptor', { type: u16, offset8: u16, len8: u16, flags: u16, trans_id: u64 }, { size: 16 })

describe('a layout', () => {
  it('gives size and offsets', () => {
    expect(descriptor.size).toBe(16)
    expect(descriptor.len8.offset).toBe(4)
    expect(descriptor.trans_id.offset).toBe(8)
    expect(Object.keys(descriptor.fields)).toEqual(['type', 'offset8', 'len8', 'flags', 'trans_id'])
  })

  it('reads and writes through accessors at any base', () => {
    const view = new DataView(new ArrayBuffer(64), 8)
    descriptor.type.set(view, 24, 0x0b)
    descriptor.trans_id.setWords(view, 24, 0xffff_fffe, 0x8000_0001)
    expect(descriptor.type.get(view, 24)).toBe(0x0b)
    expect(descriptor.trans_id.low(view, 24)).toBe(0xffff_fffe)
    expect(descriptor.trans_id.high(view, 24)).toBe(0x8000_0001)
    expect(descriptor.trans_id.getBigInt(view, 24)).toBe(0x8000_0001_ffff_fffen)
    expect(descriptor.trans_id.get(view, 24)).toBeGreaterThanOrEqual(2 ** 53)
  })

  it('infers the types of its values', () => {
    type Value = ValueOf<typeof descriptor>
    expectTypeOf<Value>().toEqualTypeOf<{
      type: number
      offset8: number
      len8: number
      flags: number
      trans_id: number
    }>()
    const odd = layout('odd', {
      id: u64big,
      pad: reserved(4),
      text: utf16(4),
      who: guid,
      list: array(u16, 3),
      raw: bytes(3),
    })
    expectTypeOf<ValueOf<typeof odd>>().toEqualTypeOf<{
      id: bigint
      text: string
      who: string
      list: number[]
      raw: Uint8Array
    }>()
    const either = layout('either', { u: union({ word: u32, sub: descriptor }) })
    expectTypeOf<ValueOf<typeof either>['u']['sub']['type']>().toEqualTypeOf<number>()
    expectTypeOf<{ u: { word: number } }>().toMatchTypeOf<InitOf<typeof either>>()
    // @ts-expect-error a field may not take the name of a member of the layout
    expect(() => layout('clash', { size: u32 })).toThrow('cannot be named size')
  })

  it('does not load when the sum differs from the declared size', () => {
    expect(() => layout('wrong', { a: u32, b: u16 }, { size: 8 })).toThrow(
      'wrong: declared as 8 bytes, but its fields make 6',
    )
  })

  it('takes explicit offsets and refuses overlap', () => {
    const page = layout('page', { sequence: u32, scale: at(8, u64), tail: at(4088, u64) }, { size: 4096 })
    expect(page.scale.offset).toBe(8)
    expect(() => layout('overlap', { a: u64, b: at(4, u32) })).toThrow('overlaps')
  })

  it('aligns like a C compiler when asked', () => {
    const c = layout('c', { a: u8, b: u32, c: u16, d: u64, e: u8 }, { align: 'natural' })
    expect([c.b.offset, c.c.offset, c.d.offset, c.e.offset, c.size]).toEqual([4, 8, 16, 24, 32])
    const packed = layout('packed', { a: u8, b: u32, c: u16 })
    expect([packed.b.offset, packed.c.offset, packed.size]).toEqual([1, 5, 7])
  })

  it('nests with absolute offsets', () => {
    const outer = layout('outer', { kind: u32, inner: descriptor, pair: array(descriptor, 2) }, { size: 52 })
    expect(outer.inner.trans_id.offset).toBe(12)
    const view = new DataView(new ArrayBuffer(52))
    outer.pair.item.len8.set(view, outer.pair.at(0, 1), 7)
    expect(outer.decode(view).pair[1]?.len8).toBe(7)
    outer.inner.type.set(view, 0, 9)
    expect(outer.inner.decode(view).type).toBe(9)
  })

  it('zeroes reserved and padding bytes when it encodes', () => {
    const gaps = layout('gaps', { a: u8, hole: reserved(3), b: at(8, u32) }, { size: 12 })
    const target = new Uint8Array(16).fill(0xee)
    expect(gaps.encode({ a: 1, b: 2 }, target, 2)).toBe(12)
    expect([...target]).toEqual([0xee, 0xee, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0xee, 0xee])
    expect(gaps.decode(target, 2)).toEqual({ a: 1, b: 2 })
  })

  it('takes a nested layout with reserved bytes for what it is', () => {
    const inner = layout('inner', { kind: u8, reserved: reserved(3) })
    const outer = layout('outer', { inner, after: u8 })
    const value = { inner: { kind: 7 }, after: 9 }
    expect([...outer.encode(value)]).toEqual([7, 0, 0, 0, 9])
    expect(outer.decode(outer.encode(value))).toEqual(value)
  })

  it('reads what fills the rest of a message to its end', () => {
    const list = layout('list', { count: u32, pfn: rest(u64) }, { size: 4 })
    const encoded = list.encode({ count: 2, pfn: [5, 6] })
    expect(encoded.length).toBe(20)
    expect(list.decode(encoded, 0, 20)).toEqual({ count: 2, pfn: [5, 6] })
    expect(list.decode(encoded, 0, 19)).toEqual({ count: 2, pfn: [5] })
    expect(list.decode(encoded)).toEqual({ count: 2, pfn: [] })
    const blob = layout('blob', { kind: u8, data: restBytes })
    expect(blob.decode(blob.encode({ kind: 1, data: Uint8Array.of(7, 8) }), 0, 3)).toEqual({
      kind: 1,
      data: Uint8Array.of(7, 8),
    })
    expect(() => layout('late', { data: restBytes, after: u8 })).toThrow('after comes after data')
    const outer = layout('outer', { kind: u8, list })
    expect(outer.encode({ kind: 1, list: { count: 1, pfn: [3] } }).length).toBe(13)
    expect(() => layout('later', { list, after: u8 })).toThrow('after comes after list')
  })

  it('names the field of a value that does not fit', () => {
    const outer = layout('outer', { inner: descriptor })
    const value = { inner: { type: 70_000, offset8: 0, len8: 0, flags: 0, trans_id: 0 } }
    expect(() => outer.encode(value)).toThrow('outer.inner: descriptor.type: 70000 is not an integer from 0 to 65535')
    expect(() => u64Only.encode({ id: 2 ** 53 })).toThrow(LayoutError)
  })

  it('checks bounds once for a view', () => {
    const view = new DataView(new ArrayBuffer(20))
    expect(() => descriptor.check(view, 4)).not.toThrow()
    for (const base of [5, -1, 0.5, Number.NaN, 2 ** 40]) {
      expect(() => descriptor.check(view, base)).toThrow(expect.objectContaining({ code: 'out-of-bounds' }))
    }
    expect(descriptor.fits(16)).toBe(true)
    expect(descriptor.fits(16, 1)).toBe(false)
    expect(() => descriptor.decode(view, 8)).toThrow(LayoutError)
    expect(() => descriptor.encode({ type: 0, offset8: 0, len8: 0, flags: 0, trans_id: 0 }, view, 8)).toThrow(
      LayoutError,
    )
  })
})

const u64Only = layout('u64Only', { id: u64 })

describe('bit-fields', () => {
  const sint = layout('sint', {
    low: bits(4, { vector: [0, 8], masked: 16, auto_eoi: 17, top: [24, 8] }),
    page: bits(8, { enable: 0, pfn: [12, 52] }),
    small: bits(1, { a: [0, 3], b: [3, 5] }),
    half: bits(2, { c: 15 }),
  })
  const view = new DataView(new ArrayBuffer(sint.size))

  it('read and write without touching their neighbours', () => {
    sint.low.bit.vector.set(view, 0, 0xf3)
    sint.low.bit.auto_eoi.set(view, 0, 1)
    sint.low.bit.top.set(view, 0, 0xff)
    expect(view.getUint32(0, true)).toBe(0xff02_00f3)
    sint.low.bit.auto_eoi.set(view, 0, 0)
    expect(sint.low.bit.vector.get(view, 0)).toBe(0xf3)
    expect(sint.low.bit.top.get(view, 0)).toBe(0xff)
    sint.page.bit.pfn.set(view, 0, 0xf_ffff_ffff_fffe)
    sint.page.bit.enable.set(view, 0, 1)
    expect(view.getBigUint64(4, true)).toBe(0xffff_ffff_ffff_e001n)
    expect(sint.page.bit.pfn.get(view, 0)).toBe(0xf_ffff_ffff_fffe)
    sint.small.bit.b.set(view, 0, 31)
    expect(sint.small.read(view, 0)).toEqual({ a: 0, b: 31 })
  })

  it('take part in decode and encode', () => {
    const value = {
      low: { vector: 5, masked: 1, auto_eoi: 0, top: 0 },
      page: { enable: 1, pfn: 0x12345 },
      small: { a: 1, b: 2 },
      half: { c: 1 },
    }
    expect(sint.decode(sint.encode(value))).toEqual(value)
    expect(() => sint.encode({ ...value, half: { c: 2 } })).toThrow('sint.half: c: 2 does not fit 1 bits')
  })

  it('refuse to overlap', () => {
    expect(() => bits(1, { a: [0, 3], b: 2 })).toThrow('overlaps')
    expect(() => bits(4, { a: [30, 3] })).toThrow(LayoutError)
    expect(() => bits(8, { a: [0, 64] })).toThrow(LayoutError)
  })

  it('of 32 bits keep their sign out', () => {
    const whole = layout('whole', { word: bits(4, { all: [0, 32] }), long: bits(8, { low: [0, 32], high: [32, 32] }) })
    const value = { word: { all: 0xffff_ffff }, long: { low: 0x8000_0000, high: 0xffff_ffff } }
    expect(whole.decode(whole.encode(value))).toEqual(value)
  })
})

describe('unions', () => {
  const srb = layout('srb', { op: u32, u: union({ word: u32be, bytes: bytes(6), both: descriptor }, 20) }, { size: 24 })

  it('read all members from the same bytes', () => {
    const encoded = srb.encode({ op: 1, u: { bytes: Uint8Array.of(1, 2, 3, 4, 5, 6) } })
    const { u } = srb.decode(encoded)
    expect(u.word).toBe(0x0102_0304)
    expect(u.both.type).toBe(0x0201)
    expect(srb.u.as.both.len8.get(new DataView(encoded.buffer), 0)).toBe(0x0605)
  })
})
