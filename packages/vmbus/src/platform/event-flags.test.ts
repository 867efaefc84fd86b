import { describe, expect, it, vi } from 'vitest'
import { EventFlags } from './event-flags.ts'

function taken(flags: EventFlags): number[] {
  const found: number[] = []
  flags.take((flag) => found.push(flag))
  return found
}

describe('EventFlags', () => {
  it('reports and clears every flag', () => {
    const page = new Uint8Array(new SharedArrayBuffer(4096))
    const flags = EventFlags.ofSint(page, 2)
    flags.use(2047)
    const set = [1, 2, 31, 32, 63, 64, 1000, 2047]
    for (const flag of set) page[512 + (flag >> 3)] = (page[512 + (flag >> 3)] ?? 0) | (1 << (flag & 7))
    page[511] = page[768] = 0xff
    expect(taken(flags)).toEqual(set)
    expect(taken(flags)).toEqual([])
    expect([page[511], page[768]]).toEqual([0xff, 0xff])
  })

  it('[DS-07] drops flags left over from before their channel was offered', () => {
    const page = new Uint8Array(new SharedArrayBuffer(4096)).fill(0xff)
    const flags = EventFlags.ofSint(page, 2)
    flags.use(100)
    expect(taken(flags).every((flag) => flag < 32)).toBe(true)
    page[512 + 12] = 1 << 4
    expect(taken(flags)).toEqual([100])
    flags.use(2047)
    expect(taken(flags)).toEqual([])
  })

  it('[PF-02] looks at no more words than the highest channel id needs', () => {
    const flags = EventFlags.ofSint(new Uint8Array(new SharedArrayBuffer(4096)), 2)
    for (let channel = 1; channel <= 20; channel++) flags.use(channel)
    const load = vi.spyOn(Atomics, 'load')
    flags.take(() => {})
    expect(load).toHaveBeenCalledTimes(1)
    flags.use(64)
    flags.use(5)
    expect(flags.scannedWords).toBe(3)
    vi.restoreAllMocks()
  })
})
