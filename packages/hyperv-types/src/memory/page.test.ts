import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { highWord, joinWords, pageOffset, pagesSpanned, pfnOf, roundUpToPage } from './page.ts'

describe('page arithmetic', () => {
  it('[GM-07] is exact for every page up to 2^40 and beyond 4 GiB', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: 0, max: 4095 }), (pfn, offset) => {
        const gpa = pfn * 4096 + offset
        expect(pfnOf(gpa)).toBe(pfn)
        expect(pageOffset(gpa)).toBe(offset)
      }),
    )
  })

  it('[DS-16] counts pages up to the end of the address space without wrapping', () => {
    expect(pagesSpanned(0, 0)).toBe(0)
    expect(pagesSpanned(4095, 1)).toBe(1)
    expect(pagesSpanned(4095, 2)).toBe(2)
    expect(pagesSpanned(1, 4096)).toBe(2)
    expect(pagesSpanned(0, 2 ** 32)).toBe(2 ** 20)
    expect(pagesSpanned(4095, 2 ** 52 + 1)).toBe(2 ** 40 + 1)
    expect(roundUpToPage(2 ** 40 + 1)).toBe(2 ** 40 + 4096)
  })

  it('joins and splits 64-bit words exactly, and says when they are not exact', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(joinWords(value >>> 0, highWord(value))).toBe(value)
      }),
    )
    expect(joinWords(0xffff_ffff, 0x1f_ffff)).toBe(Number.MAX_SAFE_INTEGER)
    expect(joinWords(0, 0x20_0000)).toBe(-1)
    expect(joinWords(0xffff_ffff, 0xffff_ffff)).toBe(-1)
    expect(joinWords(-1, -1)).toBe(-1)
  })
})
