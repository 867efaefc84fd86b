import { Worker } from 'node:worker_threads'
import { bundle } from '@bis/build/bundle'
import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { GuestMemory } from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import { initRing, ReadResult, ringEngineFor, scriptEngine } from '@bis/hyperv-types/ring'
import { beforeAll, expect, it } from 'vitest'
import type { ThreadTask } from './thread.ts'
import { STOP } from './thread.ts'

/** Packets for each pair of threads; BIS_FUZZ=300 makes a soak of a hundred million. */
const PACKETS = fuzzRuns(350_000)

const RING_BYTES = 8192
const GUEST_BYTES = 65_536

let script: string

beforeAll(async () => {
  script = await bundle(new URL('thread.ts', import.meta.url))
}, 60_000)

type Common = Omit<ThreadTask, 'role' | 'engine'>

function common(kind: 'wasm' | 'shared', maxPayload: number): Common {
  const region = GuestMemory.allocate(GUEST_BYTES, { kind }).regions[0]
  if (region === undefined) throw new Error('no memory')
  initRing(region.bytes.subarray(0, RING_BYTES))
  return {
    guestBytes: GUEST_BYTES,
    ringBytes: RING_BYTES,
    ...(region.wasm === undefined ? {} : { wasm: region.wasm }),
    buffer: region.bytes.buffer as SharedArrayBuffer,
    packets: PACKETS,
    maxPayload,
    seed: fuzzSeed,
    bells: new Int32Array(new SharedArrayBuffer(16)),
  }
}

/** Runs the tasks, each in a thread; all are gone when the promise settles. */
async function inThreads(tasks: readonly ThreadTask[]): Promise<Record<string, number>[]> {
  const workers = tasks.map((task) => new Worker(script, { workerData: task }))
  try {
    return await Promise.all(
      workers.map(
        (worker) =>
          new Promise<Record<string, number>>((resolve, reject) => {
            worker.once('message', resolve)
            worker.once('error', reject)
          }),
      ),
    )
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

const pairs: readonly [
  kind: 'wasm' | 'shared',
  writer: RingEngine['kind'],
  reader: RingEngine['kind'],
  maxPayload: number,
][] = [
  ['shared', 'script', 'script', 1500],
  ['wasm', 'wasm', 'wasm', 1500],
  ['wasm', 'wasm', 'wasm', 4064],
  ['wasm', 'script', 'wasm', 3000],
]

it.each(pairs)(
  '[RB-05] [RB-01] [RB-02] two threads on %s memory, %s to %s, up to %i bytes: all packets, in order, no lost wake-up',
  async (kind, writer, reader, maxPayload) => {
    const task = common(kind, maxPayload)
    const [producer, consumer] = await inThreads([
      { ...task, role: 'producer', engine: writer },
      { ...task, role: 'consumer', engine: reader },
    ])
    expect(producer?.['packets']).toBe(PACKETS)
    expect(consumer?.['packets']).toBe(PACKETS)
    // The ring was as small as it was meant to be, and signals were spared.
    expect(producer?.['ringFull']).toBeGreaterThan(0)
    expect(producer?.['signals']).toBeLessThan(PACKETS)
  },
  fuzzTimeout(60_000),
)

it.each(['script', 'wasm'] as const)(
  '[RB-06] [RB-08] a thread that changes the ring while it is read: %s',
  async (kind) => {
    const task = common('wasm', 1500)
    const done = inThreads([{ ...task, role: 'vandal', engine: 'script' }])
    const ring = new Uint8Array(task.buffer, 0, RING_BYTES)
    const engine =
      kind === 'wasm' && task.wasm ? ringEngineFor({ byteLength: GUEST_BYTES, wasm: task.wasm }) : scriptEngine
    const found = [0, 0, 0, 0]
    try {
      await new Promise((resolve) => setTimeout(resolve, 100))
      const enough = () => Math.min(found[ReadResult.PACKET] ?? 0, found[ReadResult.CORRUPT] ?? 0) > 100
      const end = performance.now() + 20_000
      while (!enough() && performance.now() < end) {
        const consumer = engine.consumer(ring, 1024)
        const { packet } = consumer
        for (let i = 0; i < 1000; i++) {
          const result = consumer.next()
          found[result] = (found[result] ?? 0) + 1
          if (result === ReadResult.CORRUPT) break
          if (result === ReadResult.PACKET) {
            const { length, dataOffset, dataLength } = packet
            if (length > 1024 || dataOffset < 16 || dataOffset + dataLength !== length)
              expect.unreachable(`length ${length}, data at ${dataOffset}`)
          }
          consumer.commit()
          if (i % 10 === 0) consumer.unmask()
        }
        consumer.close()
      }
    } finally {
      Atomics.store(task.bells, STOP, 1)
      await done
    }
    expect(found[ReadResult.PACKET]).toBeGreaterThan(100)
    expect(found[ReadResult.CORRUPT]).toBeGreaterThan(100)
  },
  60_000,
)
