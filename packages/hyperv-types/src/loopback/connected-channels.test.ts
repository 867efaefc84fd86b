import { describe, expect, it } from 'vitest'
import { SendStatus } from '../interfaces/channel.ts'
import type { HostChannel, HostChannelHandlers, VspDevice, VspPort } from '../interfaces/host-channel.ts'
import type { Packet } from '../interfaces/packet.ts'
import { ManualClock } from '../runtime/manual-clock.ts'
import { connectedChannels } from './connected-channels.ts'

/** A device that sends every packet back as a completion, keeping what the ring refuses. */
class Echo implements VspDevice {
  readonly offer = { interfaceId: '00000000-0000-0000-0000-0000000000ec', instanceId: 'e' }
  readonly channels: HostChannel[] = []
  port: VspPort | undefined
  closed = 0
  #waiting: [number, Uint8Array][] = []

  onOffered(port: VspPort): void {
    this.port = port
  }

  openChannel(channel: HostChannel): HostChannelHandlers {
    this.channels.push(channel)
    return {
      onPacket: (packet) => this.#answer(channel, packet.transactionIdLow, dataOf(packet)),
      onWritable: () => {
        const waiting = this.#waiting.splice(0)
        channel.resume()
        for (const [id, data] of waiting) this.#answer(channel, id, data)
      },
      onClose: () => void this.closed++,
    }
  }

  #answer(channel: HostChannel, id: number, data: Uint8Array): void {
    if (channel.send(11, 0, id, 0, undefined, 0, data, 0, data.length) !== SendStatus.full) return
    this.#waiting.push([id, data])
    channel.pause()
  }
}

function dataOf(packet: Packet): Uint8Array {
  return packet.bytes.slice(packet.dataOffset, packet.dataOffset + packet.dataLength)
}

const RINGS = { txRingBytes: 8192, rxRingBytes: 8192 }

describe('connected channels', () => {
  it('carry packets both ways, with back-pressure, and lose none', async () => {
    const clock = new ManualClock()
    const { channel } = connectedChannels(new Echo(), { clock })
    const answered: number[] = []
    let sent = 0
    const data = new Uint8Array(512).fill(7)
    const fill = (): void => {
      while (sent < 500 && channel.send(6, 1, sent + 1, 0, undefined, 0, data, 0, 512) === SendStatus.sent) sent++
    }
    await channel.open({
      ...RINGS,
      onPacket: (packet) => {
        expect(dataOf(packet)).toEqual(data)
        answered.push(packet.transactionIdLow)
      },
      onWritable: fill,
    })
    fill()
    expect(sent).toBeLessThan(10)
    await clock.run()
    expect(answered).toEqual(Array.from({ length: 500 }, (_, i) => i + 1))
    expect(channel.statistics.ringFull).toBeGreaterThan(0)
  })

  it('never call a handler inside a call of the other side, and signal a batch once', async () => {
    const clock = new ManualClock()
    const { channel } = connectedChannels(new Echo(), { clock })
    let calls = 0
    await channel.open({ ...RINGS, onPacket: () => void calls++ })
    channel.beginBatch()
    for (let id = 1; id <= 10; id++) channel.send(6, 1, id, 0, undefined, 0, new Uint8Array(8), 0, 8)
    channel.endBatch()
    expect(calls).toBe(0)
    await clock.run()
    expect(calls).toBe(10)
    expect(channel.statistics.signalsSent).toBe(1)
    expect(channel.statistics.interrupts).toBe(1)
  })

  it('give every page back when closed, and open again', async () => {
    const device = new Echo()
    const { channel, pages } = connectedChannels(device, { clock: new ManualClock() })
    for (let round = 1; round <= 2; round++) {
      await channel.open({ ...RINGS, onPacket: () => {} })
      await channel.close()
      expect([channel.state, pages.allocatedPages, device.closed]).toEqual(['offered', 0, round])
    }
  })

  it('offer sub-channels and go away with them', async () => {
    const clock = new ManualClock()
    const device = new Echo()
    const { channel, rescind } = connectedChannels(device, { clock, processorCount: 4 })
    const seen: number[] = []
    channel.onSubchannel(({ offer }) => seen.push(offer.subIndex))
    await channel.open({ ...RINGS, onPacket: () => {} })
    expect(device.port?.offerSubchannels(2)).toBe(true)
    expect(device.port?.offerSubchannels(3)).toBe(true)
    await clock.run()
    expect(seen).toEqual([1, 2, 3])
    await channel.subchannels[0]?.open({ ...RINGS, onPacket: () => {} })
    await rescind()
    expect([channel.state, channel.gone.aborted, device.closed]).toEqual(['rescinded', true, 2])
    expect(channel.send(6, 0, 1, 0, undefined, 0, new Uint8Array(8), 0, 8)).toBe(SendStatus.gone)
  })

  it('let the host see GPADLs', async () => {
    const device = new Echo()
    const { channel, pages } = connectedChannels(device, { clock: new ManualClock() })
    await channel.open({ ...RINGS, onPacket: () => {} })
    const run = pages.allocate(3)
    const gpadl = await channel.establishGpadl(run)
    expect(device.channels[0]?.gpadl(gpadl.handle)).toMatchObject({ byteLength: 12288, pfns: expect.any(Float64Array) })
    await channel.teardownGpadl(gpadl)
    expect(device.channels[0]?.gpadl(gpadl.handle)).toBeUndefined()
  })
})
