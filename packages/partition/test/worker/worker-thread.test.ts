import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { bundle } from '@bis/build/bundle'
import { fuzzRuns } from '@bis/build/fuzz'
import { GuestMemory } from '@bis/hyperv-types'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SynicGuest } from '../../src/compliance/index.ts'
import { Partition } from '../../src/index.ts'
import type { PortsLink } from '../../src/worker/index.ts'
import { offerPorts } from '../../src/worker/index.ts'
import { until } from '../compliance/fixtures.ts'

let script = ''
const workers = new Set<Worker>()

beforeAll(async () => {
  script = await bundle(new URL('root-thread.ts', import.meta.url))
})

afterAll(async () => {
  for (const worker of workers) await worker.terminate()
})

function boot(crashAfter?: number): { guest: SynicGuest; partition: Partition; link: PortsLink; worker: Worker } {
  const memory = GuestMemory.allocate(2 ** 21)
  const partition = new Partition({ memory })
  const link = offerPorts(partition)
  const worker = new Worker(script, { workerData: { link: link.data, crashAfter } })
  workers.add(worker)
  worker.on('error', (error) => link.close(`the root's thread failed: ${error.message}`))
  worker.on('exit', () => link.close("the root's thread has ended"))
  const guest = new SynicGuest(partition)
  guest.start()
  return { guest, partition, link, worker }
}

describe('a root in a worker thread', () => {
  it('answers, in order and without loss, as fast as the guest can post', async () => {
    const { guest, partition } = boot()
    const count = 5000
    for (let i = 0; i < count; i++) {
      const payload = Uint8Array.of(i & 0xff, i >> 8)
      while (guest.post(1, payload) !== 0) await until('room', () => guest.messages.length > 0)
      if (i % 100 === 0) guest.signal(0x2005)
    }
    await until('all answers', () => guest.messages.length === count)
    expect(guest.messages.every(({ payload }, i) => payload[0] === (i & 0xff) && payload[1] === i >> 8)).toBe(true)
    expect(guest.events).toContain(0x2005 % 2048)
    partition.powerOff()
  })

  it('never misses a wake-up in a game of ping-pong', async () => {
    const { guest, partition } = boot()
    for (let i = 1; i <= fuzzRuns(3000); i++) {
      expect(guest.signal(i % 2048)).toBe(0)
      await until(`answer ${i}`, () => guest.events.length === i)
    }
    partition.powerOff()
  })

  it('ends its thread when the partition is powered off', async () => {
    const { partition, worker, link } = boot()
    await once(worker, 'online')
    const farewell = once(worker, 'message')
    const exit = once(worker, 'exit')
    partition.powerOff('enough')
    expect((await farewell)[0]).toMatch(/^ended: /)
    expect((await exit)[0]).toBe(0)
    expect((await link.ended).reason).toBe('enough')
  })

  it('that is killed leaves the guest with a clear status, and the partition able to serve the next', async () => {
    const { guest, partition, worker, link } = boot()
    expect(guest.post(1, Uint8Array.of(1))).toBe(0)
    await until('an answer', () => guest.messages.length === 1)
    await worker.terminate()
    expect((await link.ended).reason).toBe("the root's thread has ended")
    expect(guest.post(1, Uint8Array.of(2))).toBe(18)
    const next = offerPorts(partition)
    const worker2 = new Worker(script, { workerData: { link: next.data } })
    workers.add(worker2)
    expect(guest.post(1, Uint8Array.of(3))).toBe(0)
    await until('an answer of the next', () => guest.messages.length === 2)
    expect([...(guest.messages[1]?.payload ?? [])]).toEqual([3])
    partition.powerOff()
  })

  it('that throws ends its link with the reason', async () => {
    const { guest, link } = boot(3)
    for (let i = 0; i < 5; i++) guest.post(1, Uint8Array.of(i))
    expect((await link.ended).reason).toContain('the root fell over')
  })
})
