import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { bundle } from '@bis/build/bundle'
import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import type { Packet } from '@bis/hyperv-types'
import { linkMemory, SendStatus, systemClock } from '@bis/hyperv-types'
import { beforeAll, expect, it } from 'vitest'
import type { VmbusChannel } from '../../src/channel/channel.ts'
import type { Hosted } from '../hosted.ts'
import { createRunning, EchoDevice } from '../hosted.ts'
import type { VandalData } from './vandal-thread.ts'

const RINGS = { txRingBytes: 16384, rxRingBytes: 16384 }
const ROUNDS = fuzzRuns(12)
const ROUND_MS = 100
const DATA = new Uint8Array(3000)
/** What no packet of the host holds, around all that the vandal may write to. */
const CANARY = 0xc7

let script = ''

beforeAll(async () => {
  script = await bundle(new URL('vandal-thread.ts', import.meta.url))
}, 60_000)

/** Runs a thread that writes to these pages until the returned function is called. */
async function vandalise(
  machine: Hosted<typeof systemClock>,
  pages: readonly number[],
  seed: number,
): Promise<() => Promise<void>> {
  const stop = new SharedArrayBuffer(4)
  const data: VandalData = { memory: linkMemory(machine.partition.memory), pages, seed, stop }
  const worker = new Worker(script, { workerData: data })
  await once(worker, 'message')
  return async () => {
    Atomics.store(new Int32Array(stop), 0, 1)
    await once(worker, 'exit')
  }
}

it.each(['wasm', 'shared'] as const)(
  '[GH-01] [RB-06] [RB-08] a channel whose rings another thread writes to while it is used: memory of kind %s',
  async (memoryKind) => {
    const rejections: unknown[] = []
    const note = (reason: unknown): void => void rejections.push(reason)
    process.on('unhandledRejection', note)
    const machine = await createRunning(systemClock, {
      memoryKind,
      devices: [1, 2].map((n) => new EchoDevice({ instanceId: `e17b01de-0000-4000-8000-00000000000${n}` })),
      timing: { replyMs: 500, rescindMs: 200 },
    })
    const [victim, other] = machine.driver.attached?.channels ?? []
    if (victim === undefined || other === undefined) throw new Error('two channels')
    let failures = 0
    for (let round = 0; round < ROUNDS; round++) {
      const before = machine.pages.allocate(1)
      await victim.open({
        ...RINGS,
        maxPacketBytes: 4096,
        onPacket: check,
        onFailure: (error) => {
          expect(error).toMatchObject({ name: 'ChannelError', code: 'protocol' })
          failures++
        },
      })
      const after = machine.pages.allocate(1)
      for (const canary of [before, after]) canary.bytes.fill(CANARY)
      const end = await vandalise(machine, ringPages(machine, before.pfn + 1, after.pfn), fuzzSeed + round)
      const over = performance.now() + ROUND_MS
      while (performance.now() < over) {
        send(victim)
        // The host's end of the rings dies as well, and signals no more.
        victim.interrupt()
        await new Promise((resolve) => setImmediate(resolve))
      }
      await end()
      for (const canary of [before, after]) {
        expect(canary.bytes.every((byte) => byte === CANARY)).toBe(true)
        machine.pages.free(canary)
      }
      await victim.close()
    }
    expect(rejections).toEqual([])
    expect(failures).toBeGreaterThan(0)
    await answers(other)
    await machine.tree.shutdown()
    expect([machine.pages.allocatedPages, machine.pages.leakedPages]).toEqual([0, 0])
    process.off('unhandledRejection', note)
  },
  fuzzTimeout(60_000),
)

/** The pages between two others: those of the rings. */
function ringPages(machine: Hosted<typeof systemClock>, from: number, to: number): number[] {
  expect(to - from).toBe((RINGS.txRingBytes + RINGS.rxRingBytes) / 4096)
  expect(machine.partition.memory.contains(from * 4096, (to - from) * 4096)).toBe(true)
  return Array.from({ length: to - from }, (_, page) => from + page)
}

function check({ bytes, length, dataOffset, dataLength }: Packet): void {
  expect(length).toBeLessThanOrEqual(4096)
  expect(dataOffset).toBeGreaterThanOrEqual(16)
  expect(dataOffset + dataLength).toBe(length)
  expect(bytes.length).toBeGreaterThanOrEqual(length)
}

function send(channel: VmbusChannel): void {
  for (let i = 1; i < 8; i++) {
    if (channel.send(6, 1, i, 0, undefined, 0, DATA, 0, (i * 397) % DATA.length) !== SendStatus.sent) return
  }
}

/** Another channel of the same guest works as ever. */
async function answers(channel: VmbusChannel): Promise<void> {
  let heard = 0
  await channel.open({ ...RINGS, onPacket: () => void heard++ })
  for (let i = 1; i <= 100; i++) {
    channel.send(6, 1, i, 0, undefined, 0, DATA, 0, 64)
    while (heard < i) await new Promise((resolve) => setImmediate(resolve))
  }
}
