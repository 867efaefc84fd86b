import { expect, it } from 'vitest'
import { allZero, getU64, setU64, viewOf } from './bytes.ts'

it('finds the one byte that is not zero, wherever it is', () => {
  const buffer = new Uint8Array(80)
  for (let start = 0; start < 9; start++) {
    for (let length = 0; length < 40; length++) {
      const part = buffer.subarray(start, start + length)
      expect(allZero(part)).toBe(true)
      for (let i = 0; i < length; i++) {
        part[i] = 0x80
        expect(allZero(part)).toBe(false)
        part[i] = 0
      }
    }
  }
})

it('keeps 64-bit numbers up to 2^53 in both byte orders', () => {
  const view = viewOf(new Uint8Array(8))
  for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 64 * 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    for (const littleEndian of [true, false]) {
      setU64(view, 0, value, littleEndian)
      expect(getU64(view, 0, littleEndian)).toBe(value)
      expect(view.getBigUint64(0, littleEndian)).toBe(BigInt(value))
    }
  }
})
