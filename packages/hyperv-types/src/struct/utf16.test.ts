import { describe, expect, it } from 'vitest'
import { encodeUtf16, readUtf16, readUtf16z, writeUtf16 } from './utf16.ts'

const viewOf = (...units: readonly number[]): DataView => {
  const view = new DataView(new ArrayBuffer(units.length * 2))
  for (const [i, unit] of units.entries()) view.setUint16(i * 2, unit, true)
  return view
}

describe('UTF-16 text', () => {
  it('is read whole, or up to its NUL', () => {
    const view = viewOf(0x41, 0xd83d, 0xde00, 0, 0x42)
    expect(readUtf16(view, 0, 10)).toBe('A\u{1f600}\0B')
    expect(readUtf16z(view, 0, 10)).toBe('A\u{1f600}')
    expect(readUtf16z(view, 2, 4)).toBe('\u{1f600}')
  })

  it('ends before an odd byte', () => {
    expect(readUtf16(viewOf(0x41, 0x42), 0, 3)).toBe('A')
    expect(readUtf16z(viewOf(0x41, 0x42), 0, 3)).toBe('A')
    expect(readUtf16(viewOf(0x41), 0, 1)).toBe('')
  })

  it('keeps half a pair as it is', () => {
    expect(readUtf16(viewOf(0xdc00, 0x41), 0, 4)).toBe('\udc00A')
    expect([...encodeUtf16('\ud800A')]).toEqual([0x00, 0xd8, 0x41, 0x00])
  })

  it('is written without a NUL, and tells its bytes', () => {
    const view = viewOf(0xffff, 0xffff, 0xffff)
    expect(writeUtf16('h\u00e9', view, 0)).toBe(4)
    expect(readUtf16(view, 0, 6)).toBe('h\u00e9\uffff')
  })
})
