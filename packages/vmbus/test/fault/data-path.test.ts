import type { Channel, ChannelOpenOptions, ManualClock } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { ReadResult, scriptEngine, splitRingPair } from '@bis/hyperv-types/ring'
import { describe, expect, it, vi } from 'vitest'
import type { Hosted, HostedOptions } from '../hosted.ts'
import { createHosted, EchoDevice } from '../hosted.ts'
import { createMachine, outcome, RINGS } from '../machine.ts'

const DATA = new Uint8Array(64)

async function opened(
  options: Partial<ChannelOpenOptions>,
  hosted: HostedOptions<ManualClock> = {},
  device = new EchoDevice(),
): Promise<{ machine: Hosted<ManualClock>; channel: Channel; device: EchoDevice }> {
  const machine = await createHosted({ devices: [device], ...hosted })
  const [channel] = machine.channels
  if (channel === undefined) throw new Error('no channel')
  const result = await outcome(machine.clock, channel.open({ ...RINGS, ...options }))
  if (result !== undefined) throw result
  return { machine, channel, device }
}

function send(channel: Channel, id: number, length = 64): SendStatus {
  return channel.send(6, 1, id, 0, undefined, 0, DATA, 0, length)
}

describe('receiving', () => {
  it('[RB-07] takes the longest packet whole, skips a longer one once, and reads the next correctly', async () => {
    const lengths: number[] = []
    const failures: unknown[] = []
    const { machine, channel, device } = await opened({
      maxPacketBytes: 256,
      onPacket: (packet) => lengths.push(packet.length),
      onFailure: (error) => failures.push(error),
    })
    const [host] = device.channels
    for (const data of [240, 248, 8, 4000, 240]) {
      host?.send(6, 0, 0, 0, undefined, 0, new Uint8Array(data), 0, data)
      await machine.clock.run()
    }
    expect(lengths).toEqual([256, 24, 256])
    expect(channel.statistics.protocolErrors).toBe(2)
    expect(machine.dmesg().filter((line) => line.includes('skipped a packet'))).toHaveLength(2)
    expect(failures).toEqual([])
  })

  it('[GH-03] disables a channel that breaks the protocol at line rate', async () => {
    const failures: { code: string }[] = []
    const { machine, channel, device } = await opened({
      maxPacketBytes: 64,
      onPacket() {},
      onFailure: (error) => failures.push(error),
    })
    for (let i = 0; i < 1000 && channel.statistics.protocolErrors < 101; i++) {
      device.channels[0]?.send(6, 0, 0, 0, undefined, 0, new Uint8Array(128), 0, 128)
      await machine.clock.run()
    }
    expect(failures).toMatchObject([{ name: 'ChannelError', code: 'protocol' }])
    expect(send(channel, 1)).toBe(SendStatus.gone)
    expect(machine.dmesg().length).toBeLessThan(20)
    expect(await outcome(machine.clock, channel.close())).toBeUndefined()
  })

  it('[RB-15] [RB-16] runs one handler at a time, and none after close', async () => {
    let depth = 0
    let deepest = 0
    let calls = 0
    let closing: Promise<void> | undefined
    const { machine, channel } = await opened({
      onPacket() {
        depth++
        deepest = Math.max(deepest, depth)
        calls++
        // A send whose answer is in the ring at once must not nest.
        send(channel, 1000 + calls)
        if (calls === 5) closing = channel.close()
        depth--
      },
      onBatchEnd: () => expect(depth).toBe(0),
    })
    for (let id = 1; id <= 20; id++) send(channel, id)
    await machine.clock.run()
    expect(await outcome(machine.clock, closing ?? Promise.resolve())).toBeUndefined()
    expect([calls, deepest]).toEqual([5, 1])
    const { pages } = machine
    const poison = pages.allocate(pages.freePages >> 1)
    poison.bytes.fill(0xdb)
    await machine.clock.advance(100)
    expect(poison.bytes.every((byte) => byte === 0xdb)).toBe(true)
    expect(calls).toBe(5)
  })

  it('[RB-17] gives other channels a turn under a flood', async () => {
    const order: string[] = []
    const flood = new EchoDevice({ instanceId: 'e17b01de-0000-4000-8000-00000000000a' })
    const calm = new EchoDevice({ instanceId: 'e17b01de-0000-4000-8000-00000000000b' })
    const machine = await createHosted({ devices: [flood, calm] })
    const [first, second] = machine.channels
    if (first === undefined || second === undefined) throw new Error('two channels')
    const big = { txRingBytes: 65536, rxRingBytes: 65536 }
    await outcome(machine.clock, first.open({ ...big, budget: 16, onPacket: () => order.push('flood') }))
    await outcome(machine.clock, second.open({ ...RINGS, onPacket: () => order.push('calm') }))
    for (let i = 0; i < 400; i++) flood.channels[0]?.send(6, 0, 0, 0, undefined, 0, DATA, 0, 64)
    calm.channels[0]?.send(6, 0, 0, 0, undefined, 0, DATA, 0, 64)
    await machine.clock.run()
    expect(order).toHaveLength(401)
    expect(order.indexOf('calm')).toBeLessThanOrEqual(32)
  })

  it('survives a handler that throws, and says so', async () => {
    let calls = 0
    const { machine, channel } = await opened({
      onPacket() {
        if (++calls % 2 === 0) throw new Error('driver bug')
      },
    })
    for (let id = 1; id <= 6; id++) {
      send(channel, id)
      await machine.clock.run()
    }
    expect(calls).toBe(6)
    expect(machine.dmesg().at(-1)).toMatch(/handler threw Error: driver bug/)
  })

  it('[RB-08] ends a channel whose ring the host broke, once, with an error that says how', async () => {
    for (const [word, value] of [
      [0, 0xffff],
      [0, 4],
      [1, 0xfffffff8],
    ] as const) {
      const failures: Error[] = []
      const machine = await createMachine()
      machine.root.offers.push({ channelId: 1 })
      await machine.boot()
      const channel = machine.channel(1)
      await outcome(machine.clock, channel.open({ ...RINGS, onFailure: (error) => failures.push(error) }))
      const { ringbuffer_gpadlhandle: _handle } = machine.root.last('OPEN_CHANNEL').body
      const gpadl = machine.root.last('GPADL_HEADER').body
      const pfn = Number(new DataView(gpadl.range.buffer, gpadl.range.byteOffset + 8, 8).getBigUint64(0, true))
      const ring = machine.partition.memory.viewAt(pfn * 4096 + (word === 1 ? 0 : 8192), 8192)
      ring.setUint32(word * 4, value, true)
      machine.root.signal(1)
      if (word === 1) for (let i = 0; i < 200; i++) send(channel, 1)
      await machine.clock.run()
      machine.root.signal(1)
      await machine.clock.run()
      expect(failures).toMatchObject([
        { name: 'ChannelError', code: 'protocol', message: expect.stringContaining('index') },
      ])
      expect(send(channel, 2)).toBe(SendStatus.gone)
      expect(await outcome(machine.clock, channel.close())).toBeUndefined()
    }
  })
})

describe('sending', () => {
  it('says what cannot be sent', async () => {
    const { channel } = await opened({ onPacket() {} })
    expect(channel.send(6, 0, 1, 0, undefined, 0, new Uint8Array(5000), 0, 5000)).toBe(SendStatus.tooLarge)
    expect(channel.send(6, 0, 1, 0, new Uint8Array(16), 16, DATA, 8, 24)).toBe(SendStatus.sent)
  })

  it('[RB-01] [PF-08] waits for room without timers where hosts know pending sizes, and with them where they do not', async () => {
    for (const release of ['2022', '2008r2'] as const) {
      let waiting = 0
      let writable = 0
      const { machine, channel, device } = await opened(
        { onPacket() {}, onWritable: () => void writable++ },
        { release },
        new EchoDevice({ onPacket() {} }),
      )
      device.channels[0]?.pause()
      while (send(channel, 1) === SendStatus.sent) waiting++
      expect(waiting).toBeGreaterThan(30)
      const timers = machine.clock.pendingTimers
      expect(timers > 0).toBe(release === '2008r2')
      await machine.clock.run()
      expect(writable).toBe(0)
      device.channels[0]?.resume()
      await machine.clock.advance(release === '2008r2' ? 2 : 0)
      expect(writable).toBe(1)
      expect(send(channel, 1)).toBe(SendStatus.sent)
      expect(channel.statistics.ringFull).toBe(1)
    }
  })

  it('[RB-04] [PF-01] signals once for a burst, and not at all into a ring that is not empty', async () => {
    const { machine, channel } = await opened({ onPacket() {} })
    const before = machine.server.counters.signalsReceived
    channel.beginBatch()
    for (let i = 0; i < 10; i++) send(channel, i + 1)
    channel.endBatch()
    expect(machine.server.counters.signalsReceived - before).toBe(1)
    for (let i = 0; i < 5; i++) send(channel, i + 11)
    expect(machine.server.counters.signalsReceived - before).toBe(1)
    await machine.clock.run()
    const { statistics } = channel
    expect(statistics.packetsReceived).toBe(15)
    expect(statistics.signalsSent).toBe(1)
    expect(statistics.signalsSuppressed).toBeGreaterThanOrEqual(5)
    expect(statistics.interrupts).toBeLessThanOrEqual(2)
  })

  it('publishes what handlers send as one batch', async () => {
    const { machine, channel } = await opened({
      onPacket(packet) {
        if (packet.transactionIdLow > 8) return
        channel.beginBatch()
        send(channel, 100)
        channel.endBatch()
        send(channel, 101)
      },
    })
    channel.beginBatch()
    for (let id = 1; id <= 8; id++) send(channel, id)
    channel.endBatch()
    await machine.clock.run()
    expect(channel.statistics.packetsSent).toBe(24)
    expect(channel.statistics.signalsSent).toBe(2)
  })

  it('[RB-19] signals by the monitor page where there is a monitor, by the event where there is none', async () => {
    for (const monitored of [true, false]) {
      const received: number[] = []
      const { machine, channel, device } = await opened(
        { onPacket: (packet) => received.push(packet.transactionIdLow), monitored },
        {},
        new EchoDevice({ monitorLatency: 1000 }),
      )
      expect(channel.offer.monitorId).toBeDefined()
      const calls = vi.spyOn(machine.partition, 'hypercall')
      send(channel, 7)
      expect(calls).toHaveBeenCalledTimes(monitored ? 0 : 1)
      await machine.clock.advance(1)
      expect(received).toEqual([7])
      expect(device.channels).toHaveLength(1)
      await outcome(machine.clock, channel.close())
      vi.restoreAllMocks()
    }
  })

  it('[DS-14] signals slowly with its input in memory, too', async () => {
    const received: number[] = []
    const { machine, channel } = await opened(
      { onPacket: (packet) => received.push(packet.transactionIdLow) },
      { slowSignals: true },
    )
    for (let id = 1; id <= 3; id++) {
      send(channel, id)
      await machine.clock.run()
    }
    expect(received).toEqual([1, 2, 3])
  })

  it('[RB-13] [RB-14] gives rings of the size asked for, in pages of 4096 bytes, odd counts too', async () => {
    for (const [tx, rx] of [
      [2, 2],
      [3, 5],
      [7, 2],
      [128, 64],
    ] as const) {
      const device = new EchoDevice()
      const { machine, channel } = await opened(
        { txRingBytes: tx * 4096, rxRingBytes: rx * 4096, onPacket() {} },
        {},
        device,
      )
      const longest = (tx - 1) * 4096 - 16
      const data = new Uint8Array(longest)
      expect(channel.send(6, 0, 1, 0, undefined, 0, data, 0, longest - 15)).toBe(SendStatus.tooLarge)
      expect(channel.send(6, 0, 1, 0, undefined, 0, data, 0, longest - 16)).toBe(SendStatus.sent)
      await machine.clock.run()
      expect(device.channels[0]?.statistics.packetsReceived).toBe(1)
    }
  })
})

describe('rings', () => {
  it("[GH-02] hold nothing of the memory's former content when the host first sees them", async () => {
    const machine = await createMachine()
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    const secret = machine.pages.allocate(machine.pages.freePages >> 1)
    secret.bytes.fill(0x5e)
    machine.pages.free(secret)
    let seen: Uint8Array | undefined
    const post = machine.root.messagePosted.bind(machine.root)
    machine.root.messagePosted = (connectionId, type, payload) => {
      const status = post(connectionId, type, payload)
      if (payload[0] === 8) {
        const { range } = machine.root.last('GPADL_HEADER').body
        const pfn = Number(new DataView(range.buffer, range.byteOffset + 8, 8).getBigUint64(0, true))
        seen = machine.partition.memory.bytesAt(pfn * 4096, 16384).slice()
      }
      return status
    }
    await outcome(machine.clock, machine.channel(1).open(RINGS))
    expect(seen?.length).toBe(16384)
    expect(seen?.some((byte) => byte === 0x5e)).toBe(false)
    expect(splitRingPair(seen ?? new Uint8Array(0), 2).outgoing.length).toBe(8192)
    expect(scriptEngine.consumer((seen ?? new Uint8Array(0)).subarray(0, 8192), 64).next()).toBe(ReadResult.EMPTY)
  })
})
