import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBacking } from './backing.ts'
import { GuestMemory } from './guest-memory.ts'
import { PAGE_SIZE } from './page.ts'
import type { PageRun } from './page-allocator.ts'
import { PageAllocator } from './page-allocator.ts'

function allocator(): PageAllocator {
  const memory = new GuestMemory([
    { gpa: 0, backing: createBacking('plain', 32 * PAGE_SIZE) },
    { gpa: 2 ** 32, backing: createBacking('plain', 32 * PAGE_SIZE) },
  ])
  return new PageAllocator(memory, PAGE_SIZE)
}

describe('PageAllocator', () => {
  it('hands out zeroed pages inside the range asked for', () => {
    const pages = allocator()
    const high = pages.allocate(2, { from: 2 ** 32 })
    expect(high.pfn).toBeGreaterThanOrEqual(2 ** 20)
    high.bytes.fill(0xa5)
    pages.free(high)
    expect(pages.allocate(2, { from: 2 ** 32 }).bytes.every((byte) => byte === 0)).toBe(true)
    expect(pages.allocate(1, { below: 2 ** 32 }).gpa).toBeLessThan(2 ** 32)
  })

  it('never hands out address 0', () => {
    expect(allocator().allocate(1).gpa).not.toBe(0)
  })

  it('keeps pages below 4 GiB for those who need them', () => {
    const pages = allocator()
    for (let page = 0; page < 32; page++) expect(pages.allocate(1).gpa).toBeGreaterThanOrEqual(2 ** 32)
    expect(pages.allocate(1).gpa).toBeLessThan(2 ** 32)
  })

  it('refuses a run freed twice, and one that was leaked', () => {
    const pages = allocator()
    const run = pages.allocate(1)
    pages.free(run)
    expect(() => pages.free(run)).toThrow(/not allocated/)
    const shared = pages.allocate(1)
    pages.leak(shared)
    expect(() => pages.free(shared)).toThrow(/not allocated/)
    expect(pages.leakedPages).toBe(1)
  })

  it('[GM-01] holds what is freed while the host can reach it, until the host lets go', () => {
    const pages = allocator()
    const before = pages.freePages
    const run = pages.allocate(3)
    pages.share(run)
    pages.share(run)
    pages.free(run)
    expect([pages.allocatedPages, pages.heldPages, pages.freePages]).toEqual([0, 3, before - 3])
    pages.unshare(run)
    expect(pages.heldPages).toBe(3)
    pages.unshare(run)
    expect([pages.heldPages, pages.freePages]).toEqual([0, before])
    pages.unshare(run)
    expect(pages.freePages).toBe(before)
  })

  it('keeps runs apart and gets every page back, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 9 })), { maxLength: 60 }), (steps) => {
        const pages = allocator()
        const before = pages.freePages
        const live: PageRun[] = []
        for (const [allocate, size] of steps) {
          if (allocate) {
            try {
              live.push(pages.allocate(size))
            } catch (error) {
              expect(error).toMatchObject({ name: 'MemoryError', code: 'exhausted' })
            }
          } else {
            const run = live.splice(size % Math.max(1, live.length), 1)[0]
            if (run !== undefined) pages.free(run)
          }
          const used = new Set(live.flatMap((run) => Array.from({ length: run.pageCount }, (_, i) => run.pfn + i)))
          expect(used.size).toBe(pages.allocatedPages)
          expect(pages.freePages + used.size).toBe(before)
        }
        for (const run of live) pages.free(run)
        expect(pages.allocatedPages).toBe(0)
        expect(pages.allocate(31).pageCount).toBe(31)
      }),
    )
  })
})
