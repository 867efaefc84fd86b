import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { bundle } from '@bis/build/bundle'
import { fuzzRuns } from '@bis/build/fuzz'
import type { HostReleaseName, ServerCounters } from '@bis/host'
import { GuestMemory, PageAllocator, systemClock } from '@bis/hyperv-types'
import { createKernel, DeviceTree } from '@bis/newbus'
import { Partition } from '@bis/partition'
import { offerPorts } from '@bis/partition/worker'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { VmbusBus } from '../../src/bus/bus.ts'
import type { VmbusChannel } from '../../src/channel/channel.ts'
import { vmbusDriver } from '../../src/index.ts'
import type { Order } from './processor-thread.ts'

const RINGS = { txRingBytes: 16384, rxRingBytes: 16384 }
const PACKETS = fuzzRuns(20_000)
/** How long the partition's thread sleeps at most; the test is over long before. */
const ASLEEP_MS = 20_000

let rootScript = ''
let processorScript = ''
const workers: Worker[] = []

beforeAll(async () => {
  rootScript = await bundle(new URL('root-thread.ts', import.meta.url))
  processorScript = await bundle(new URL('processor-thread.ts', import.meta.url))
}, 60_000)

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate()
})

interface Machine {
  readonly partition: Partition
  readonly bus: VmbusBus
  readonly channel: VmbusChannel
  readonly pages: PageAllocator
  readonly tree: DeviceTree
  readonly root: Worker
  rootCounters(): Promise<ServerCounters>
}

/** A machine whose root is in a thread; its processor 1 is to be in another. */
async function boot(kind: 'wasm' | 'shared', release: HostReleaseName): Promise<Machine> {
  const memory = GuestMemory.allocate(8 * 2 ** 20, { kind })
  const partition = new Partition({ memory, release, vpIndices: [0, 5, 2] })
  const root = start(rootScript, { link: offerPorts(partition).data, release })
  const pages = new PageAllocator(memory, 4096)
  const kernel = createKernel({ clock: systemClock, random: (bytes) => bytes.fill(1), pages })
  const tree = new DeviceTree(kernel)
  const driver = vmbusDriver({ hypervisor: partition })
  await tree.load({ name: 'hv_vmbus', drivers: [driver] })
  tree.root.addChild({ location: 'vmbus', pnpinfo: '_HID=VMBUS', ivars: undefined })
  await tree.settled()
  const bus = driver.attached
  const [channel] = bus?.channels ?? []
  if (bus === undefined || channel === undefined) throw new Error(kernel.dmesg.lines.map(({ text }) => text).join('\n'))
  await channel.open({ ...RINGS, cpu: 1, onPacket() {} })
  const rootCounters = async (): Promise<ServerCounters> => {
    root.postMessage('counters')
    return (await once(root, 'message'))[0] as ServerCounters
  }
  return { partition, bus, channel, pages, tree, root, rootCounters }
}

function start(script: string, workerData: object): Worker {
  const worker = new Worker(script, { workerData })
  workers.push(worker)
  return worker
}

function order(worker: Worker, what: Order): void {
  worker.postMessage(what)
}

/** Stops this thread until the word is no longer zero. */
function sleepUntilSet(words: Int32Array): number {
  Atomics.wait(words, 0, 0, ASLEEP_MS)
  return Atomics.load(words, 0)
}

describe.each([
  ['wasm', '2025'],
  ['shared', '2016'],
] as const)('a processor and the root in threads of their own, memory of kind %s on %s', (kind, release) => {
  it(`move ${PACKETS} packets each way while the thread of the partition sleeps`, async () => {
    const { bus, channel, partition, pages, tree, rootCounters } = await boot(kind, release)
    const processor = start(processorScript, bus.processorLink(1))
    const done = new Int32Array(new SharedArrayBuffer(4))
    const { signalsReceived } = await rootCounters()
    // One packet at a time: each one takes a signal and an interrupt.
    order(processor, { serve: bus.handOver(channel), packets: PACKETS, window: 1, done: done.buffer })
    expect(sleepUntilSet(done)).toBe(PACKETS)
    expect((await rootCounters()).signalsReceived).toBeGreaterThan(signalsReceived + PACKETS / 2)
    await channel.takeBack()
    await tree.shutdown()
    expect([pages.allocatedPages, pages.heldPages, pages.leakedPages]).toEqual([0, 0, 0])
    partition.powerOff()
  })

  it('cost nothing while nothing happens', async () => {
    const { bus, channel, partition, tree, root } = await boot(kind, release)
    const processor = start(processorScript, bus.processorLink(1))
    const done = new Int32Array(new SharedArrayBuffer(4))
    order(processor, { serve: bus.handOver(channel), packets: 100, done: done.buffer })
    sleepUntilSet(done)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const before = [root, processor].map(({ performance }) => performance.eventLoopUtilization())
    const begin = performance.eventLoopUtilization()
    await new Promise((resolve) => setTimeout(resolve, 300))
    for (const [i, { performance }] of [root, processor].entries()) {
      expect(performance.eventLoopUtilization(before[i]).active).toBeLessThan(20)
    }
    expect(performance.eventLoopUtilization(begin).active).toBeLessThan(100)
    await channel.takeBack()
    await tree.shutdown()
    partition.powerOff()
  })

  it('go on through the thread of the partition when the processor has come back to it', async () => {
    const { bus, channel, partition, tree } = await boot(kind, release)
    for (let life = 0; life < 3; life++) {
      const processor = start(processorScript, bus.processorLink(1))
      const done = new Int32Array(new SharedArrayBuffer(4))
      order(processor, { serve: bus.handOver(channel), packets: 1e9, window: 4, done: done.buffer })
      await new Promise((resolve) => setTimeout(resolve, 30))
      // Killed between any two steps of its work.
      await processor.terminate()
      bus.processorEnded(1)
      await channel.close()
      let answers = 0
      await channel.open({ ...RINGS, cpu: 1, onPacket: () => void answers++ })
      for (let i = 1; i <= 100; i++) {
        channel.send(6, 1, i, 0, undefined, 0, new Uint8Array(8), 0, 8)
        while (answers < i) await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await tree.shutdown()
    partition.powerOff()
  })
})
