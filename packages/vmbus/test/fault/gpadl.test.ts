import type { ControlMessage } from '@bis/hyperv-types/vmbus'
import { decodeGpaRanges } from '@bis/hyperv-types/vmbus'
import { describe, expect, it, vi } from 'vitest'
import { GpadlHandles } from '../../src/channel/gpadl-handles.ts'
import { MAX_GPADL_PAGES } from '../../src/index.ts'
import type { Machine } from '../machine.ts'
import { createMachine, leftovers, NOTHING_LEFT, outcome, RINGS, testDriver } from '../machine.ts'

async function machineWith(options: Parameters<typeof createMachine>[0] = {}): Promise<Machine> {
  const machine = await createMachine(options)
  machine.root.offers.push({ channelId: 1 })
  await machine.boot()
  return machine
}

/** The page numbers that a host puts together from header and bodies. */
function pfnsOf(messages: readonly ControlMessage[]): number[] {
  const [header] = messages
  if (header?.name !== 'GPADL_HEADER') throw new Error('no GPADL_HEADER')
  const parts = messages.map((message) => {
    if (message.name === 'GPADL_HEADER') return message.body.range
    if (message.name === 'GPADL_BODY') return message.body.pfn
    throw new Error(message.name)
  })
  const list = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    list.set(part, at)
    at += part.length
  }
  expect(list.length).toBe(header.body.range_buflen)
  return [...(decodeGpaRanges(list, header.body.rangecount)[0]?.pfns ?? [])]
}

describe('GPADLs', () => {
  it.each([
    [1, 1],
    [8, 1],
    [26, 1],
    [27, 2],
    [32, 2],
    [54, 2],
    [55, 3],
    [1024, 37],
    [4096, 147],
    [7936, 284],
    [MAX_GPADL_PAGES, 293],
  ])('of %i pages take %i messages that hosts put together again', async (pages, count) => {
    const machine = await machineWith({ memoryPages: pages + 64 })
    const channel = machine.channel(1)
    const run = machine.pages.allocate(pages)
    const before = machine.root.received.length
    const gpadl = await outcome(machine.clock, channel.establishGpadl(run))
    expect(gpadl).not.toBe('pending')
    const messages = machine.root.received.slice(before)
    expect(messages).toHaveLength(count)
    expect(Math.max(...messages.map(({ length }) => length))).toBeLessThanOrEqual(240)
    expect(pfnsOf(messages)).toEqual(Array.from({ length: pages }, (_, i) => run.pfn + i))
  })

  it('of more pages than the wire can say are refused before anything is sent', async () => {
    const machine = await machineWith({ memoryPages: MAX_GPADL_PAGES + 64 })
    const run = machine.pages.allocate(MAX_GPADL_PAGES + 1)
    const before = machine.root.received.length
    const refused = await outcome(machine.clock, machine.channel(1).establishGpadl(run))
    expect(refused).toMatchObject({ code: 'invalid-argument', message: expect.stringContaining('8191 pages') })
    expect(machine.root.received.length).toBe(before)
    machine.pages.free(run)
    expect(machine.pages.heldPages).toBe(0)
  })

  it('[GM-07] name pages above 4 GiB in full', async () => {
    const { createBacking, GuestMemory } = await import('@bis/hyperv-types')
    const memory = new GuestMemory([
      { gpa: 0, backing: createBacking('shared', 64 * 4096) },
      { gpa: 2 ** 44, backing: createBacking('shared', 64 * 4096) },
    ])
    const machine = await machineWith({
      partition: { memory, mmio: [], framebuffer: null },
      ringConstraint: { from: 2 ** 32 },
    })
    await outcome(machine.clock, machine.channel(1).open(RINGS))
    expect(machine.channel(1).state).toBe('open')
    expect(pfnsOf([machine.root.last('GPADL_HEADER')])[0]).toBeGreaterThanOrEqual(2 ** 32)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[GM-01] [GM-02] hold pages while the host may have them, and only then', async () => {
    const machine = await machineWith()
    const channel = machine.channel(1)
    // Refused: nothing is shared.
    const first = machine.pages.allocate(3)
    machine.root.status.set('GPADL_HEADER', 0x8000ffff)
    expect(await outcome(machine.clock, channel.establishGpadl(first))).toMatchObject({ code: 'refused' })
    machine.pages.free(first)
    expect(machine.pages.heldPages).toBe(0)
    // Not answered, then given up: the teardown decides.
    machine.root.status.clear()
    machine.root.mute.add('GPADL_HEADER').add('GPADL_TEARDOWN')
    const second = machine.pages.allocate(3)
    expect(await outcome(machine.clock, channel.establishGpadl(second), 30_000)).toMatchObject({ code: 'timeout' })
    machine.pages.free(second)
    expect(machine.pages.heldPages).toBe(3)
    machine.root.send('GPADL_TORNDOWN', { gpadl: machine.root.last('GPADL_TEARDOWN').body.gpadl })
    await machine.clock.run()
    expect(machine.pages.heldPages).toBe(0)
    machine.root.mute.clear()
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[GM-01] are held after a teardown without answer, until the whole connection is dropped', async () => {
    const machine = await machineWith()
    const channel = machine.channel(1)
    const run = machine.pages.allocate(7)
    const sharing = channel.establishGpadl(run)
    await machine.clock.run()
    machine.root.mute.add('GPADL_TEARDOWN')
    expect(await outcome(machine.clock, channel.teardownGpadl(await sharing), 30_000)).toMatchObject({
      code: 'timeout',
    })
    machine.pages.free(run)
    const canary = machine.pages.allocate(machine.pages.freePages >> 1)
    expect(canary.gpa >= run.gpa + run.byteLength || canary.gpa + canary.byteLength <= run.gpa).toBe(true)
    machine.pages.free(canary)
    expect(machine.pages.heldPages).toBe(7)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('have handles that begin where a host expects them, and are never 0 over the end of the counter', () => {
    const handles = new GpadlHandles()
    expect([handles.take(), handles.take()]).toEqual([0xe1e10, 0xe1e11])
    const last = new GpadlHandles(0xffff_ffff)
    expect([last.take(), last.take()]).toEqual([0xffff_ffff, 1])
  })

  it('[VC-19] leave nothing behind whichever allocation or post fails', async () => {
    for (const kind of ['allocate', 'hypercall'] as const) {
      for (let failing = 1; failing <= 6; failing++) {
        const machine = await machineWith({
          drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })],
        })
        await outcome(machine.clock, machine.channel(1).close())
        let count = 0
        if (kind === 'allocate') {
          const allocate = machine.pages.allocate.bind(machine.pages)
          vi.spyOn(machine.pages, 'allocate').mockImplementation((pages, constraint) => {
            if (++count === failing) throw new Error('out of pages')
            return allocate(pages, constraint)
          })
        } else {
          const hypercall = machine.partition.hypercall.bind(machine.partition)
          vi.spyOn(machine.partition, 'hypercall').mockImplementation((cpu, control, input, output) =>
            ++count === failing ? 6 : hypercall(cpu, control, input, output),
          )
        }
        const opened = await outcome(machine.clock, machine.channel(1).open(RINGS))
        const failed = kind === 'allocate' ? failing === 1 : failing <= 2
        expect(opened, `${kind} ${failing}`)[failed ? 'toBeInstanceOf' : 'toBe'](failed ? Error : undefined)
        vi.restoreAllMocks()
        await machine.clock.advance(60_000)
        expect(await outcome(machine.clock, machine.channel(1).close())).toBeUndefined()
        expect(await outcome(machine.clock, machine.channel(1).open(RINGS)), `${kind} ${failing}`).toBeUndefined()
        expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
      }
    }
  })
})
