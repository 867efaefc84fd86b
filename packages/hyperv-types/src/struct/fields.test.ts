import { describe, expect, it } from 'vitest'
import {
  ascii,
  bytes,
  formatGuid,
  i32,
  i64big,
  LayoutError,
  layout,
  parseGuid,
  register,
  sameGuid,
  u8,
  u16be,
  u24be,
  u32,
  u32be,
  u64,
  u64be,
  utf16,
} from './index.ts'

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

describe('GUIDs', () => {
  const NETWORK = 'f8615163-df3e-46c5-913f-f2d2f965ed0e'
  const WIRE = '63 51 61 f8 3e df c5 46 91 3f f2 d2 f9 65 ed 0e'

  it('have their first three groups swapped on the wire', () => {
    expect(hex(parseGuid(NETWORK))).toBe(WIRE)
    expect(formatGuid(parseGuid(NETWORK))).toBe(NETWORK)
    expect(formatGuid(Uint8Array.of(1, ...parseGuid(NETWORK)), 1)).toBe(NETWORK)
  })

  it('are read in any case, with or without braces, and compared so', () => {
    expect(hex(parseGuid(`{${NETWORK.toUpperCase()}}`))).toBe(WIRE)
    expect(sameGuid(NETWORK, `{${NETWORK.toUpperCase()}}`)).toBe(true)
    expect(sameGuid(NETWORK, NETWORK.replace('f', 'e'))).toBe(false)
  })

  it.each(['', 'f8615163', `${NETWORK}0`, NETWORK.replace('-', ''), NETWORK.replace('f', 'g')])('refuse %j', (text) => {
    expect(() => parseGuid(text)).toThrow(LayoutError)
  })

  it('need 16 bytes', () => {
    expect(() => formatGuid(new Uint8Array(15))).toThrow(expect.objectContaining({ code: 'out-of-bounds' }))
  })
})

describe('integers', () => {
  it('are big-endian where they say so', () => {
    const be = layout('be', { a: u16be, b: u24be, c: u32be, d: u64be }, { size: 17 })
    const encoded = be.encode({ a: 0x0102, b: 0x030405, c: 0x06070809, d: 0x0a_0b0c_0d0e_0f })
    expect(hex(encoded.subarray(0, 9))).toBe('01 02 03 04 05 06 07 08 09')
    expect(new DataView(encoded.buffer).getBigUint64(9)).toBe(BigInt(0x0a_0b0c_0d0e_0f))
  })

  it('keep 64 bits apart as two words', () => {
    const two = layout('two', { le: u64, be: u64be })
    const view = new DataView(new ArrayBuffer(16))
    two.le.setWords(view, 0, 0x89abcdef, 0x01234567)
    two.be.setWords(view, 0, 0x89abcdef, 0x01234567)
    expect(two.le.getBigInt(view, 0)).toBe(0x0123_4567_89ab_cdefn)
    expect(two.be.getBigInt(view, 0)).toBe(0x0123_4567_89ab_cdefn)
    expect(view.getBigUint64(8)).toBe(0x0123_4567_89ab_cdefn)
    expect([two.be.low(view, 0), two.be.high(view, 0)]).toEqual([0x89abcdef, 0x01234567])
  })

  it('of 64 bits are exact as numbers up to 2^53 - 1 and never come out below 2^53 beyond', () => {
    const one = layout('one', { n: u64 })
    const view = new DataView(new ArrayBuffer(8))
    for (const n of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 12345, Number.MAX_SAFE_INTEGER]) {
      one.n.set(view, 0, n)
      expect(one.n.get(view, 0)).toBe(n)
      expect(one.n.getBigInt(view, 0)).toBe(BigInt(n))
    }
    for (const n of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      one.n.setBigInt(view, 0, n)
      expect(one.n.get(view, 0)).toBeGreaterThanOrEqual(2 ** 53)
    }
  })

  it.each([
    [layout('a', { v: u8 }), 256],
    [layout('a', { v: u8 }), -1],
    [layout('a', { v: u8 }), 1.5],
    [layout('a', { v: u32 }), 2 ** 32],
    [layout('a', { v: i32 }), 2 ** 31],
    [layout('a', { v: u64 }), 2 ** 53],
    [layout('a', { v: u64 }), -1],
    [layout('a', { v: u64be }), Number.NaN],
  ])('refuse to encode what does not fit (%#)', (one, v) => {
    expect(() => one.encode({ v })).toThrow(expect.objectContaining({ code: 'bad-value' }))
  })

  it('of 64 bits refuse a BigInt that does not fit', () => {
    expect(() => layout('a', { v: i64big }).encode({ v: 2n ** 63n })).toThrow(LayoutError)
  })
})

describe('text and bytes', () => {
  const text = layout('text', { label: utf16(4), vendor: ascii(8), raw: bytes(3) })

  it('end at NUL, are padded with spaces, or copied', () => {
    const encoded = text.encode({ label: 'hn', vendor: 'Msft', raw: Uint8Array.of(9) })
    expect(hex(encoded)).toBe('68 00 6e 00 00 00 00 00 4d 73 66 74 20 20 20 20 09 00 00')
    const decoded = text.decode(encoded)
    expect(decoded).toEqual({ label: 'hn', vendor: 'Msft', raw: Uint8Array.of(9, 0, 0) })
    encoded.fill(0)
    expect(decoded.raw[0]).toBe(9)
  })

  it('may fill their field', () => {
    const full = { label: 'abcd', vendor: '12345678', raw: Uint8Array.of(1, 2, 3) }
    expect(text.decode(text.encode(full))).toEqual(full)
  })

  it.each([{ label: 'abcde' }, { vendor: '123456789' }, { vendor: 'é' }, { raw: new Uint8Array(4) }])(
    'refuse %j',
    (wrong) => {
      const value = { label: '', vendor: '', raw: new Uint8Array(0), ...wrong }
      expect(() => text.encode(value)).toThrow(expect.objectContaining({ code: 'bad-value' }))
    },
  )

  it('show unprintable bytes of the other side as question marks', () => {
    expect(text.decode(new Uint8Array(text.size).fill(0x07)).vendor).toBe('????????')
  })

  it('are seen in place', () => {
    const memory = new Uint8Array(40)
    text.raw.in(new DataView(memory.buffer, 4), 8).set([1, 2, 3])
    expect(memory[4 + 8 + 16]).toBe(1)
  })
})

describe('registers', () => {
  it('refuse ranges that overlap or leave the word', () => {
    expect(() => register('r', { a: [0, 4], b: 3 })).toThrow(expect.objectContaining({ code: 'bad-layout' }))
    expect(() => register('r', { a: 64 })).toThrow(LayoutError)
  })
})

describe('accessors', () => {
  it('do not allocate', () => {
    const record = layout('record', { a: u32, b: u64, c: u8 })
    const view = new DataView(new ArrayBuffer(record.size * 64))
    const work = (rounds: number): number => {
      let sum = 0
      for (let i = 0; i < rounds; i++) {
        const base = (i & 63) * record.size
        record.a.set(view, base, i)
        record.b.setWords(view, base, i, 0)
        record.c.set(view, base, i)
        sum = (sum + record.a.get(view, base) + record.b.low(view, base) + record.c.get(view, base)) | 0
      }
      return sum
    }
    work(200_000)
    // Anything allocated for each call would come to 16 MB and more; a compilation under way costs some kilobytes.
    const grown = Array.from({ length: 5 }, () => {
      const before = process.memoryUsage().heapUsed
      work(1_000_000)
      return process.memoryUsage().heapUsed - before
    })
    expect(Math.min(...grown.map(Math.abs))).toBeLessThan(512 * 1024)
  })
})
