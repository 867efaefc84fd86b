import { describe, expect, it } from 'vitest'
import { PacketType } from './layout.ts'
import { Packet } from './packet.ts'
import { GpaRanges, RangeFault, RangeList, XferPageRanges } from './ranges.ts'

/** A packet whose header is `header` and whose payload has 8 bytes. */
function packetWith(type: number, header: Uint8Array): Packet {
  const bytes = new Uint8Array(16 + header.length + 8)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, type, true)
  view.setUint16(2, (16 + header.length) / 8, true)
  view.setUint16(4, bytes.length / 8, true)
  bytes.set(header, 16)
  return new Packet(bytes)
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer)
}

describe('GPA-direct ranges', () => {
  const ranges = new GpaRanges()
  const read = (...header: number[]) => ranges.read(packetWith(PacketType.dataUsingGpaDirect, words(...header)))

  it('come back as they were built', () => {
    const list = new RangeList(new Uint8Array(256))
    for (let round = 0; round < 2; round++) {
      list.clear()
      list.addRange(10_000, 4000)
      for (const pfn of [7, 2 ** 33 + 5, 9, 10]) list.addPfn(pfn)
      list.addRange(1, 0)
      list.addPfn(2 ** 40 - 1)
      expect(ranges.read(packetWith(9, list.bytes.slice(0, list.length)))).toBe(RangeFault.NONE)
      expect(ranges).toMatchObject({ count: 2, byteLength: 10_001 })
      expect([ranges.length(0), ranges.offset(0), ranges.pageCount(0)]).toEqual([10_000, 4000, 4])
      expect([0, 1, 2, 3].map((page) => ranges.pfn(0, page))).toEqual([7, 2 ** 33 + 5, 9, 10])
      expect([ranges.length(1), ranges.offset(1), ranges.pfn(1, 0)]).toEqual([1, 0, 2 ** 40 - 1])
      expect(() => ranges.length(2)).toThrow(RangeError)
    }
  })

  it('may be none, and reserved words may hold anything', () => {
    expect(read(0xdeadbeef, 0)).toBe(RangeFault.NONE)
    expect(ranges.count).toBe(0)
  })

  it('[RB-08] are refused when a count or offset lies', () => {
    expect(ranges.read(packetWith(6, words(0, 0)))).toBe(RangeFault.WRONG_TYPE)
    expect(read()).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 1)).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 0xffffffff, 1, 0, 1, 0)).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 0, 1, 0, 1, 0)).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 2, 1, 0, 1, 0)).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 1, 1, 4096, 1, 0)).toBe(RangeFault.BAD_OFFSET)
    expect(read(0, 1, 1, 0xffffffff, 1, 0)).toBe(RangeFault.BAD_OFFSET)
    expect(read(0, 1, 4097, 0, 1, 0)).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 1, 0xffffffff, 4095, 1, 0)).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 1, 1, 0, 1, 256)).toBe(RangeFault.BAD_PFN)
    expect(ranges.count).toBe(0)
    expect(() => ranges.length(0)).toThrow(RangeError)
  })

  it('of a list longer than ever before still fit', () => {
    const list = new RangeList(new Uint8Array(8 + 100 * 16))
    for (let i = 0; i < 100; i++) {
      list.addRange(4096, 0)
      list.addPfn(i)
    }
    expect(ranges.read(packetWith(9, list.bytes))).toBe(RangeFault.NONE)
    expect(ranges.pfn(99, 0)).toBe(99)
  })
})

describe('transfer-page ranges', () => {
  const ranges = new XferPageRanges()

  it('come back as they were built', () => {
    const list = new RangeList(new Uint8Array(64))
    list.clear(0xcafe)
    list.addRange(1500, 4096)
    list.addRange(60, 65_476)
    expect(ranges.read(packetWith(7, list.bytes.slice(0, list.length)), 65_536)).toBe(RangeFault.NONE)
    expect(ranges).toMatchObject({ count: 2, setId: 0xcafe })
    expect([ranges.length(1), ranges.offset(1)]).toEqual([60, 65_476])
  })

  it('[RB-08] are refused when a count lies or a range leaves the buffer', () => {
    const read = (...header: number[]) => ranges.read(packetWith(7, words(...header)), 65_536)
    expect(ranges.read(packetWith(9, words(0, 0)), 1)).toBe(RangeFault.WRONG_TYPE)
    expect(read()).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 2, 1, 0)).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 0x20000001, 1, 0)).toBe(RangeFault.BAD_COUNT)
    expect(read(0, 1, 61, 65_476)).toBe(RangeFault.OUT_OF_BUFFER)
    expect(read(0, 1, 0xffffffff, 2)).toBe(RangeFault.OUT_OF_BUFFER)
    expect(read(0, 1, 2, 0xffffffff)).toBe(RangeFault.OUT_OF_BUFFER)
    expect(() => ranges.offset(0)).toThrow(RangeError)
  })
})
