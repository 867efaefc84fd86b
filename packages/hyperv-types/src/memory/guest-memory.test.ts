import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBacking } from './backing.ts'
import { GuestMemory } from './guest-memory.ts'
import { PAGE_SIZE } from './page.ts'

const FOUR_GIB = 2 ** 32

function sparse(): GuestMemory {
  return new GuestMemory([
    { gpa: 0, backing: createBacking('plain', 2 * PAGE_SIZE) },
    { gpa: 4 * PAGE_SIZE, backing: createBacking('shared', PAGE_SIZE) },
    { gpa: FOUR_GIB, backing: createBacking('wasm', 3 * PAGE_SIZE) },
  ])
}

describe('GuestMemory', () => {
  it('continues beyond 4 GiB what does not fit below the device gap', () => {
    const memory = GuestMemory.allocate(8 * PAGE_SIZE, { gapBase: 6 * PAGE_SIZE, kind: 'plain' })
    expect(memory.regions.map(({ gpa, byteLength }) => [gpa, byteLength])).toEqual([
      [0, 6 * PAGE_SIZE],
      [FOUR_GIB, 2 * PAGE_SIZE],
    ])
    expect(memory.byteLength).toBe(8 * PAGE_SIZE)
  })

  it('refuses regions that overlap or are not whole pages', () => {
    const page = createBacking('plain', PAGE_SIZE)
    expect(
      () =>
        new GuestMemory([
          { gpa: 0, backing: page },
          { gpa: 0, backing: page },
        ]),
    ).toThrow(/overlaps/)
    expect(() => new GuestMemory([{ gpa: 512, backing: page }])).toThrow(/whole pages/)
  })

  it('[GM-11] agrees with a naive model at every boundary, zero lengths included', () => {
    const bases = [0, 2 * PAGE_SIZE, 4 * PAGE_SIZE, 5 * PAGE_SIZE, FOUR_GIB, FOUR_GIB + 3 * PAGE_SIZE, 2 ** 52]
    const address = fc
      .tuple(fc.constantFrom(...bases), fc.integer({ min: -3, max: 3 }))
      .map(([base, delta]) => base + delta)
    fc.assert(
      fc.property(address, fc.constantFrom(0, 1, 2, 3, PAGE_SIZE, 2 * PAGE_SIZE), (gpa, length) => {
        const memory = sparse()
        const inside = memory.regions.some(
          (region) =>
            gpa >= region.gpa && gpa < region.gpa + region.byteLength && gpa + length <= region.gpa + region.byteLength,
        )
        expect(memory.contains(gpa, length)).toBe(inside)
        const data = new Uint8Array(length).fill(0x5a)
        expect(memory.write(gpa, data)).toBe(inside)
        const back = new Uint8Array(length)
        expect(memory.read(gpa, back)).toBe(inside)
        if (inside) expect(back).toEqual(data)
        else expect(() => memory.bytesAt(gpa, length)).toThrow(/no memory at/)
      }),
    )
  })

  it('gives windows on the same bytes', () => {
    const memory = sparse()
    memory.viewAt(FOUR_GIB + 8, 4).setUint32(0, 0x01020304, true)
    expect([...memory.bytesAt(FOUR_GIB + 8, 4)]).toEqual([4, 3, 2, 1])
  })
})
