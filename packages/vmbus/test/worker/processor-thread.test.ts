import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { bundle } from '@bis/build/bundle'
import type { Clock } from '@bis/hyperv-types'
import { SendStatus, systemClock } from '@bis/hyperv-types'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { VmbusChannel } from '../../src/channel/channel.ts'
import { VirtualProcessor } from '../../src/worker/index.ts'
import type { Hosted } from '../hosted.ts'
import { createRunning, EchoDevice } from '../hosted.ts'
import type { Order } from './processor-thread.ts'

const RINGS = { txRingBytes: 16384, rxRingBytes: 16384 }

let script = ''
const workers: Worker[] = []

beforeAll(async () => {
  script = await bundle(new URL('processor-thread.ts', import.meta.url))
}, 60_000)

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate()
})

interface Thread {
  order(order: Order): void
  /** The next message of the thread. */
  next(): Promise<Record<string, unknown>>
  readonly worker: Worker
}

function startThread(machine: Hosted<Clock>, cpu: number): Thread {
  const bus = machine.driver.attached
  if (bus === undefined) throw new Error('not attached')
  const worker = new Worker(script, { workerData: bus.processorLink(cpu) })
  workers.push(worker)
  worker.on('error', () => bus.processorEnded(cpu))
  worker.on('exit', () => bus.processorEnded(cpu))
  const messages: Record<string, unknown>[] = []
  worker.on('message', (message: Record<string, unknown>) => messages.push(message))
  return {
    worker,
    order: (order) => worker.postMessage(order),
    async next() {
      while (messages.length === 0) await once(worker, 'message')
      return messages.shift() ?? {}
    },
  }
}

async function machineOf(
  memoryKind: 'wasm' | 'shared',
  devices: readonly EchoDevice[],
): Promise<{ machine: Hosted<Clock>; channels: VmbusChannel[] }> {
  const machine = await createRunning(systemClock, {
    memoryKind,
    devices,
    partition: { processorCount: 3, vpIndices: [0, 2, 1] },
  })
  return { machine, channels: [...(machine.driver.attached?.channels ?? [])] }
}

async function shutDown(machine: Hosted<Clock>): Promise<void> {
  await machine.tree.shutdown()
  expect([machine.pages.allocatedPages, machine.pages.heldPages, machine.pages.leakedPages]).toEqual([0, 0, 0])
  expect(machine.partition.overlayPages).toBe(0)
  expect(machine.server.counters.violations).toEqual({})
}

describe.each(['wasm', 'shared'] as const)('a processor in a thread of its own, memory of kind %s', (kind) => {
  it('serves the channel that was handed to it, and gives it back', async () => {
    const { machine, channels } = await machineOf(kind, [new EchoDevice()])
    const [channel] = channels
    const bus = machine.driver.attached
    if (channel === undefined || bus === undefined) throw new Error('no channel')
    const here: number[] = []
    await channel.open({ ...RINGS, cpu: 1, onPacket: (packet) => here.push(packet.transactionIdLow) })
    expect(() => bus.handOver(channel)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    const thread = startThread(machine, 1)
    thread.order({ serve: bus.handOver(channel), packets: 2000 })
    expect(() => bus.handOver(channel)).toThrow(expect.objectContaining({ code: 'invalid-state' }))
    expect(channel.send(6, 1, 1, 0, undefined, 0, new Uint8Array(8), 0, 8)).toBe(SendStatus.gone)
    expect(await thread.next()).toEqual({ serving: channel.offer.channelId })
    const done = await thread.next()
    expect(done).toMatchObject({ received: 2000, packetsSent: 2000, packetsReceived: 2000 })
    expect(here).toEqual([])
    await channel.takeBack()
    expect(await thread.next()).toEqual({ channelId: channel.offer.channelId, stopped: 2000 })
    expect(channel.send(6, 1, 9, 0, undefined, 0, new Uint8Array(8), 0, 8)).toBe(SendStatus.sent)
    while (here.length === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(here).toEqual([9])
    await shutDown(machine)
  })

  it('leaves the channels that it does not serve to the bus', async () => {
    const devices = [1, 2].map((n) => new EchoDevice({ instanceId: `e17b01de-0000-4000-8000-00000000000${n}` }))
    const { machine, channels } = await machineOf(kind, devices)
    const [first, second] = channels
    const bus = machine.driver.attached
    if (first === undefined || second === undefined || bus === undefined) throw new Error('two channels')
    let here = 0
    await first.open({ ...RINGS, cpu: 2, onPacket() {} })
    await second.open({ ...RINGS, cpu: 2, onPacket: () => void here++ })
    const thread = startThread(machine, 2)
    thread.order({ serve: bus.handOver(first), packets: 500 })
    for (let i = 0; i < 200; i++) {
      second.send(6, 1, i + 1, 0, undefined, 0, new Uint8Array(8), 0, 8)
      while (here <= i) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(here).toBe(200)
    await shutDown(machine)
  })

  it('[RB-15] has let go of the rings when the channel is closed or rescinded', async () => {
    for (const how of ['close', 'rescind'] as const) {
      const device = new EchoDevice()
      const { machine, channels } = await machineOf(kind, [device])
      const [channel] = channels
      const bus = machine.driver.attached
      if (channel === undefined || bus === undefined) throw new Error('no channel')
      await channel.open({ ...RINGS, cpu: 1, onPacket() {} })
      const thread = startThread(machine, 1)
      thread.order({ serve: bus.handOver(channel), packets: 1e9 })
      await thread.next()
      await new Promise((resolve) => setTimeout(resolve, 20))
      if (how === 'close') await channel.close()
      else await device.port?.revoke()
      const { stopped: received } = await thread.next()
      expect(received).toBeGreaterThan(0)
      await channel.close()
      const poison = machine.pages.allocate(machine.pages.freePages >> 1)
      poison.bytes.fill(0xdb)
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(poison.bytes.every((byte) => byte === 0xdb)).toBe(true)
      machine.pages.free(poison)
      await shutDown(machine)
    }
  })

  it('[VC-07] is replaced by the bus when its thread dies, and loses no ring', async () => {
    const { machine, channels } = await machineOf(kind, [new EchoDevice()])
    const [channel] = channels
    const bus = machine.driver.attached
    if (channel === undefined || bus === undefined) throw new Error('no channel')
    let here = 0
    await channel.open({ ...RINGS, cpu: 1, onPacket: () => void here++ })
    const thread = startThread(machine, 1)
    thread.order({ serve: bus.handOver(channel), packets: 100 })
    await thread.next()
    await thread.next()
    thread.order({ fail: true })
    await new Promise((resolve) => thread.worker.once('exit', resolve))
    while (channel.send(6, 1, 1, 0, undefined, 0, new Uint8Array(8), 0, 8) !== SendStatus.sent) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    while (here === 0) await new Promise((resolve) => setImmediate(resolve))
    const again = startThread(machine, 1)
    again.order({ serve: bus.handOver(channel), packets: 100 })
    await again.next()
    expect(await again.next()).toMatchObject({ received: 100 })
    again.order({ stop: true })
    await again.next()
    await channel.takeBack()
    await shutDown(machine)
  })

  it('ends when the machine is suspended, and can be started anew afterwards', async () => {
    const { machine, channels } = await machineOf(kind, [new EchoDevice()])
    const [channel] = channels
    const bus = machine.driver.attached
    if (channel === undefined || bus === undefined) throw new Error('no channel')
    await channel.open({ ...RINGS, cpu: 1, onPacket() {} })
    const thread = startThread(machine, 1)
    expect(() => bus.processorLink(1)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    thread.order({ serve: bus.handOver(channel), packets: 1e9 })
    await thread.next()
    await machine.tree.suspend()
    expect(await thread.next()).toMatchObject({ channelId: channel.offer.channelId })
    expect([machine.pages.allocatedPages, machine.pages.leakedPages]).toEqual([0, 0])
    await machine.tree.resume()
    expect(channel.state).toBe('open')
    const again = startThread(machine, 1)
    again.order({ serve: bus.handOver(channel), packets: 50 })
    await again.next()
    expect(await again.next()).toMatchObject({ received: 50 })
    await shutDown(machine)
  })

  it('cannot take up a channel that the bus has taken back meanwhile', async () => {
    const { machine, channels } = await machineOf(kind, [new EchoDevice()])
    const [channel] = channels
    const bus = machine.driver.attached
    if (channel === undefined || bus === undefined) throw new Error('no channel')
    await channel.open({ ...RINGS, cpu: 1, onPacket() {} })
    const thread = startThread(machine, 1)
    const descriptor = bus.handOver(channel)
    await channel.close()
    thread.order({ serve: descriptor, packets: 1 })
    expect(await thread.next()).toEqual({ refused: 'invalid-state' })
    await shutDown(machine)
  })

  it('marks the interrupt page for a channel without a dedicated interrupt, and signals all the same', async () => {
    const { machine, channels } = await machineOf(kind, [new EchoDevice()])
    const [channel] = channels
    const bus = machine.driver.attached
    if (channel === undefined || bus === undefined) throw new Error('no channel')
    await channel.open({ ...RINGS, cpu: 1, onPacket() {} })
    const page = machine.pages.allocate(1)
    const processor = new VirtualProcessor(bus.processorLink(1))
    let answers = 0
    const served = processor.serve({ ...bus.handOver(channel), sendPage: page.gpa }, { onPacket: () => void answers++ })
    expect(served.send(6, 1, 1, 0, undefined, 0, new Uint8Array(8), 0, 8)).toBe(SendStatus.sent)
    while (answers === 0) await new Promise((resolve) => setImmediate(resolve))
    const { channelId } = channel.offer
    expect(page.view.getUint32((channelId >>> 5) * 4, true)).toBe(1 << (channelId & 31))
    processor.stop()
    await channel.takeBack()
    machine.pages.free(page)
    await shutDown(machine)
  })

  it('signals by the monitor page without any help of the bus', async () => {
    const { machine, channels } = await machineOf(kind, [new EchoDevice({ monitorLatency: 1000 })])
    const [channel] = channels
    const bus = machine.driver.attached
    if (channel === undefined || bus === undefined) throw new Error('no channel')
    await channel.open({ ...RINGS, cpu: 1, onPacket() {} })
    const thread = startThread(machine, 1)
    const before = machine.server.counters.signalsReceived
    thread.order({ serve: bus.handOver(channel), packets: 100 })
    await thread.next()
    expect(await thread.next()).toMatchObject({ received: 100 })
    expect(machine.server.counters.signalsReceived).toBe(before)
    await shutDown(machine)
  })
})
