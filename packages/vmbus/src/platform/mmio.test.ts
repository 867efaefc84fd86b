import { GuestMemory } from '@bis/hyperv-types'
import { Partition } from '@bis/partition'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MmioAllocator } from './mmio.ts'

const MIB = 2 ** 20
const LOW = { base: 0xf800_0000, size: 128 * MIB }
const HIGH = { base: 2 ** 36 - 512 * MIB, size: 512 * MIB }
const FRAMEBUFFER = { base: 0xf800_0000, size: 8 * MIB }

describe('MmioAllocator', () => {
  it('gives the first fit, aligned, clear of the framebuffer and the TPM', () => {
    const space = new MmioAllocator([HIGH, LOW], FRAMEBUFFER)
    expect(space.allocate({ size: 4096 })?.base).toBe(0xf880_0000)
    expect(space.allocate({ size: MIB, alignment: 16 * MIB })?.base).toBe(0xf900_0000)
    expect(space.allocate({ size: 4096 })?.base).toBe(0xf880_1000)
    expect(space.allocate({ size: 64 * MIB, from: 0xfa00_0000, below: 2 ** 32 })?.base).toBe(0xfa00_0000)
    expect(space.allocate({ size: 32 * MIB, from: 0xfe00_0000, below: 2 ** 32 })).toBeUndefined()
    expect(space.allocate({ size: 32 * MIB, from: 0xfe00_0000 })?.base).toBe(HIGH.base)
    expect(space.allocate({ size: 2 ** 40 })).toBeUndefined()
    expect(() => space.allocate({ size: 0 })).toThrow(RangeError)
    expect(() => space.allocate({ size: 4096, alignment: 3000 })).toThrow(RangeError)
  })

  it('[GM-09] keeps the framebuffer reserved although its driver comes and goes, and windows high when they can be', () => {
    const space = new MmioAllocator([LOW, HIGH], FRAMEBUFFER)
    for (let bound = 0; bound < 2; bound++) {
      const display = space.allocate({ size: 8 * MIB, framebuffer: true })
      expect(display?.base).toBe(FRAMEBUFFER.base)
      display?.release()
      display?.release()
      expect(space.allocate({ size: 8 * MIB })?.base).not.toBe(FRAMEBUFFER.base)
    }
    expect(space.allocate({ size: MIB, preferHigh: true })?.base).toBe(HIGH.base)
    expect(new MmioAllocator([LOW], undefined).allocate({ size: MIB, preferHigh: true })?.base).toBe(LOW.base)
  })

  it('[GM-09] never gives out what overlaps, whatever is asked and released in whatever order', () => {
    const requests = fc.record({
      size: fc.integer({ min: 1, max: 64 * MIB }),
      alignment: fc.integer({ min: 12, max: 26 }).map((bits) => 2 ** bits),
      preferHigh: fc.boolean(),
      release: fc.nat(20),
    })
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 40 }), fc.boolean(), (list, hinted) => {
        const space = new MmioAllocator([LOW, HIGH], hinted ? FRAMEBUFFER : undefined)
        const live: { base: number; size: number; release(): void }[] = []
        for (const { release, ...request } of list) {
          live.splice(release, 1)[0]?.release()
          const range = space.allocate(request)
          if (range === undefined) continue
          const others = [...live, { base: 0xfed4_0000, size: 0x5000 }, ...(hinted ? [FRAMEBUFFER] : [])]
          for (const other of others) {
            expect(other.base + other.size <= range.base || range.base + range.size <= other.base).toBe(true)
          }
          expect(range.base % request.alignment).toBe(0)
          expect(
            [LOW, HIGH].some(({ base, size }) => range.base >= base && range.base + range.size <= base + size),
          ).toBe(true)
          live.push(range)
        }
        expect(space.taken).toHaveLength(live.length)
      }),
      { numRuns: 300, seed: 1 },
    )
  })

  it('[DS-02] has nothing to give on a machine without windows, and says so by giving nothing', () => {
    expect(new MmioAllocator([], undefined).allocate({ size: 4096 })).toBeUndefined()
  })

  it.each([128, 512, 3584])('works in a gap of %i MiB below 4 GiB', (lowMmioMegabytes) => {
    const memory = GuestMemory.allocate(16 * 4096, { kind: 'plain' })
    const { vmbus, framebuffer } = new Partition({ memory, lowMmioMegabytes }).firmware
    const space = new MmioAllocator(vmbus?.mmio ?? [], framebuffer)
    const most = space.allocate({ size: (lowMmioMegabytes - 64) * MIB, below: 2 ** 32 })
    expect(most?.base).toBeGreaterThanOrEqual(2 ** 32 - lowMmioMegabytes * MIB)
  })
})
