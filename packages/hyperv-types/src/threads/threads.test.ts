import { describe, expect, it } from 'vitest'
import { GuestMemory } from '../memory/guest-memory.ts'
import { EventTargets, SignalBoard, setFlag } from './index.ts'

describe('SignalBoard', () => {
  it('tells of every signal once, with who sent it, whatever its number', () => {
    const board = new SignalBoard(SignalBoard.allocate(3))
    const sent = [0, 1, 31, 32, 1023, 1024, 0x2001, 0x27ff, 0xffff].flatMap((id) => [0, 1, 2].map((row) => [id, row]))
    for (const [id = 0, row = 0] of [...sent, ...sent]) board.signal(row, id)
    const taken: number[][] = []
    board.take((id, row) => taken.push([id, row]))
    expect(taken.sort()).toEqual(sent.sort())
    board.take(() => expect.unreachable())
  })

  it('has no place for ids beyond 16 bits', () => {
    expect([SignalBoard.takes(0xffff), SignalBoard.takes(0x10000)]).toEqual([true, false])
  })

  it('wakes who waits, and says when there is nothing to wait for', async () => {
    const buffer = SignalBoard.allocate(1)
    const [here, there] = [new SignalBoard(buffer), new SignalBoard(buffer)]
    const woken = new Promise<void>((resolve) => expect(here.wait(resolve)).toBe(true))
    there.signal(0, 5)
    await woken
    expect(here.wait(() => {})).toBe(false)
    here.take(() => {})
    expect(here.wait(() => {})).toBe(true)
  })
})

describe('EventTargets', () => {
  const memory = GuestMemory.allocate(65_536, { kind: 'shared' })
  const page = new Int32Array(memory.bytesAt(8192, 4096).buffer, memory.bytesAt(8192, 4096).byteOffset, 1024)
  const buffer = EventTargets.allocate(2)
  const hypervisor = new EventTargets(buffer)
  const root = new EventTargets(buffer, memory)

  it('let the root set flags of the SINTs that are open, and no others', () => {
    hypervisor.open(1, 1 << 2, 8192)
    expect([root.signal(1, 2, 37), root.signal(1, 3, 37), root.signal(0, 2, 37)]).toEqual([true, false, false])
    expect(page[2 * 64 + 1]).toBe(1 << 5)
    hypervisor.close(1)
    expect(root.signal(1, 2, 38)).toBe(false)
    hypervisor.open(1, 1 << 2, 4096)
    root.signal(1, 2, 0)
    expect(memory.bytesAt(4096, 4096)[512]).toBe(1)
  })

  it.each([-1, 2, 1.5, NaN])('know no processor %d', (vp) => {
    expect(root.signal(vp, 2, 1)).toBe(false)
  })

  it.each([-1, 2048, NaN])('know no flag %d', (flag) => {
    expect(root.signal(1, 2, flag)).toBe(false)
  })

  it('say whether a flag was clear', () => {
    page.fill(0)
    expect([setFlag(page, 15, 2047), setFlag(page, 15, 2047)]).toEqual([true, false])
  })
})
