import { describe, expect, it } from 'vitest'
import { SeededRandom } from './seeded-random.ts'

describe('SeededRandom', () => {
  it('repeats a course by its seed and differs by it', () => {
    const course = (seed: number): number[] => {
      const random = new SeededRandom(seed)
      return Array.from({ length: 5 }, () => random.word())
    }
    expect(course(7)).toEqual(course(7))
    expect(course(7)).not.toEqual(course(8))
    expect(course(0)).not.toContain(0)
  })

  it('keeps within its limits and reaches them', () => {
    const random = new SeededRandom(1)
    const seen = new Set(Array.from({ length: 200 }, () => random.below(6)))
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5])
    for (let i = 0; i < 200; i++) expect(random.fraction()).toBeLessThan(1)
    expect(random.pick(['only'])).toBe('only')
    expect(() => random.pick([])).toThrow(RangeError)
  })

  it('meets a probability roughly, and never what is impossible', () => {
    const random = new SeededRandom(3)
    let met = 0
    for (let i = 0; i < 10_000; i++) if (random.happens(0.25)) met++
    expect(met).toBeGreaterThan(2300)
    expect(met).toBeLessThan(2700)
    expect(random.happens(0)).toBe(false)
    expect(random.happens(undefined)).toBe(false)
    expect(random.happens(1)).toBe(true)
  })

  it('fills bytes', () => {
    expect(new SeededRandom(5).bytes(64)).toEqual(new SeededRandom(5).fill(new Uint8Array(64)))
    expect(new Set(new SeededRandom(5).bytes(64)).size).toBeGreaterThan(32)
  })
})
