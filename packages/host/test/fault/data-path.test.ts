import type { HostChannel, HostChannelHandlers, Packet } from '@bis/hyperv-types'
import { PAGE_SIZE, SendStatus } from '@bis/hyperv-types'
import { initRing, NO_BYTES, scatteredConsumer, scatteredProducer, WriteResult } from '@bis/hyperv-types/ring'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { Host } from '../../src/host.ts'
import type { OpenedChannel } from '../support/test-guest.ts'
import { EchoDevice, only, openMessage, TestGuest } from '../support/test-guest.ts'

/** A device that hands what happens to a test. */
class ProbeDevice extends EchoDevice {
  channel: HostChannel | undefined
  readonly packets: string[] = []
  batches = 0
  writable = 0
  failure: string | undefined
  onPacket: (packet: Packet) => void = () => {}
  onWritable: () => void = () => {}
  options: Partial<HostChannelHandlers> = {}

  override openChannel: EchoDevice['openChannel'] = (channel) => {
    this.channel = channel
    return {
      onPacket: (packet) => {
        this.packets.push(`${packet.type}:${packet.transactionIdLow}:${packet.dataLength}`)
        this.onPacket(packet)
      },
      onBatchEnd: () => {
        this.batches++
      },
      onWritable: () => {
        this.writable++
        this.onWritable()
      },
      onFailure: (error) => {
        this.failure = error.message
      },
      onClose: () => {
        this.events.push('close')
      },
      ...this.options,
    }
  }

  send(id: number, length = 8): SendStatus {
    if (this.channel === undefined) throw new Error('not open')
    return this.channel.send(6, 0, id, 0, undefined, 0, new Uint8Array(length), 0, length)
  }
}

async function opened(
  options: { device?: ProbeDevice; version?: number; ringPages?: number } = {},
): Promise<{ guest: TestGuest; device: ProbeDevice; channel: OpenedChannel }> {
  const guest = new TestGuest()
  const device = options.device ?? new ProbeDevice()
  guest.server.offer(device)
  await guest.connect(options.version)
  const channel = await guest.open(1, { ringPages: options.ringPages ?? 2 })
  expect(channel.status).toBe(0)
  return { guest, device, channel }
}

const write = (channel: OpenedChannel, id: number, length = 8) =>
  channel.tx.write(6, 0, id, 0, NO_BYTES, 0, new Uint8Array(length), 0, length)

describe('packets', () => {
  it('that were written before the channel was open are found', async () => {
    const guest = new TestGuest()
    const device = new ProbeDevice()
    guest.server.offer(device)
    await guest.connect()
    const run = guest.pages.allocate(4)
    initRing(run.bytes.subarray(0, 8192))
    initRing(run.bytes.subarray(8192))
    const tx = scatteredProducer([run.bytes.subarray(0, 4096), run.bytes.subarray(4096, 8192)])
    tx.write(6, 0, 9, 0, NO_BYTES, 0, new Uint8Array(8), 0, 8)
    await guest.gpadl(
      1,
      7,
      [0, 1, 2, 3].map((n) => run.pfn + n),
    )
    expect(await guest.openWith(1, 7, 2)).toBe(0)
    expect(device.packets).toEqual(['6:9:8'])
  })

  it('[RB-04] [PF-01] cost one signal a burst, in each direction', async () => {
    const { guest, device, channel } = await opened()
    device.onPacket = (packet) => device.send(packet.transactionIdLow)
    for (let round = 1; round <= 50; round++) {
      let due = 0
      for (let n = 0; n < 16; n++) if (write(channel, n) === WriteResult.WRITTEN_SIGNAL) due++
      expect(due).toBe(1)
      guest.signal(1)
      await guest.clock.run()
      expect(guest.ports.events.length).toBe(round)
      while (channel.rx.next() === 1);
      channel.rx.commit()
    }
    expect(device.channel?.statistics).toMatchObject({
      packetsReceived: 800,
      packetsSent: 800,
      signalsSent: 50,
      interrupts: 50,
    })
    // One more for the first look, when the channel was opened.
    expect(device.batches).toBe(51)
  })

  it('[RB-04] are not signalled to a guest that masks its ring', async () => {
    const { guest, device, channel } = await opened()
    channel.rx.mask()
    device.send(1)
    expect(guest.ports.events).toEqual([])
    expect(channel.rx.unmask()).toBe(true)
  })

  it('[RB-01] make the host wake a guest that waits for room, once, when there is enough', async () => {
    const { guest, device, channel } = await opened()
    device.options = {}
    while (write(channel, 1, 200) !== WriteResult.RING_FULL);
    const sent = device.packets.length
    guest.signal(1)
    await guest.clock.run()
    expect(device.packets.length).toBeGreaterThan(sent)
    expect(guest.ports.events.length).toBe(1)
    expect(write(channel, 2, 200)).not.toBe(WriteResult.RING_FULL)
  })

  it('[RB-01] wait for room in the guest’s ring, and go on when the guest says so', async () => {
    const { guest, device, channel } = await opened()
    let id = 0
    while (device.send(++id, 500) === SendStatus.sent);
    expect(device.send(id, 500)).toBe(SendStatus.full)
    await guest.clock.advance(1000)
    expect(device.writable).toBe(0)
    let wake = false
    while (channel.rx.next() === 1) wake = channel.rx.commit() || wake
    expect(wake).toBe(true)
    guest.signal(1)
    await guest.clock.run()
    expect(device.writable).toBe(1)
    expect(device.send(id, 500)).toBe(SendStatus.sent)
  })

  it('are tried again on a timer for a guest without flow control', async () => {
    const guest = new TestGuest()
    const device = new ProbeDevice()
    device.onWritable = () => device.send(1, 500)
    guest.server.offer(device)
    await guest.connect()
    const run = guest.pages.allocate(4)
    const rings = [run.bytes.subarray(0, 8192), run.bytes.subarray(8192)]
    for (const ring of rings) initRing(ring, { pendingSendSize: false })
    await guest.gpadl(
      1,
      7,
      [0, 1, 2, 3].map((n) => run.pfn + n),
    )
    expect(await guest.openWith(1, 7, 2)).toBe(0)
    while (device.send(1, 500) === SendStatus.sent);
    await guest.clock.advance(100)
    const tries = device.writable
    expect(tries).toBeGreaterThan(3)
    expect(tries).toBeLessThan(12)
    const rx = scatteredConsumer([run.bytes.subarray(8192, 12288), run.bytes.subarray(12288)], 4096)
    rx.next()
    rx.commit()
    await guest.clock.advance(40)
    const { packetsSent } = device.channel?.statistics ?? { packetsSent: 0 }
    expect(packetsSent).toBe(8)
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    expect(guest.clock.pendingTimers).toBe(0)
  })

  it('say when they can never fit, and when the channel is closed', async () => {
    const { guest, device } = await opened()
    expect(device.send(1, 4096)).toBe(SendStatus.tooLarge)
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    expect(device.send(1)).toBe(SendStatus.gone)
    expect(device.events).toEqual(['close'])
  })

  it('[RB-11] keep all 64 bits of their id, zero too', async () => {
    const { guest, device, channel } = await opened()
    device.onPacket = ({ transactionIdLow, transactionIdHigh }) =>
      device.channel?.send(11, 0, transactionIdLow, transactionIdHigh, undefined, 0, NO_BYTES, 0, 0)
    const ids = [
      [0, 0],
      [0xffff_ffff, 0xffff_ffff],
      [0, 0x8000_0000],
      [1, 0],
    ] as const
    for (const [low, high] of ids) channel.tx.write(6, 1, low, high, NO_BYTES, 0, NO_BYTES, 0, 0)
    guest.signal(1)
    await guest.clock.run()
    for (const [low, high] of ids) {
      expect(channel.rx.next()).toBe(1)
      expect(channel.rx.packet).toMatchObject({ type: 11, transactionIdLow: low, transactionIdHigh: high })
    }
  })

  it('stop coming while the device pauses, and none is lost', async () => {
    const { guest, device, channel } = await opened()
    device.onPacket = (packet) => {
      if (packet.transactionIdLow === 3) device.channel?.pause()
    }
    for (let n = 1; n <= 5; n++) write(channel, n)
    guest.signal(1)
    await guest.clock.run()
    expect(device.packets.length).toBe(3)
    write(channel, 6)
    guest.signal(1)
    await guest.clock.run()
    expect(device.packets.length).toBe(3)
    device.channel?.resume()
    device.channel?.resume()
    await guest.clock.run()
    expect(device.packets.length).toBe(6)
    expect(channel.tx.corruption).toBeUndefined()
  })

  it('go out in one piece from a batch', async () => {
    const { guest, device, channel } = await opened()
    device.channel?.beginBatch()
    for (let n = 0; n < 4; n++) device.send(n)
    expect(channel.rx.next()).toBe(0)
    device.channel?.endBatch()
    expect(guest.ports.events.length).toBe(1)
    for (let n = 0; n < 4; n++) expect(channel.rx.next()).toBe(1)
  })

  it('[CL-16] that were answered before a revoke are still in the ring, and nothing is written after it', async () => {
    const guest = new TestGuest()
    const device = new ProbeDevice()
    const port = guest.server.offer(device)
    await guest.connect()
    const channel = await guest.open(1)
    for (let n = 1; n <= 10; n++) device.send(n)
    void port.revoke()
    await guest.answers()
    expect(device.send(11)).toBe(SendStatus.gone)
    let got = 0
    while (channel.rx.next() === 1) got++
    expect(got).toBe(10)
  })
})

describe('rings', () => {
  it('whose pages lie anywhere work like any other', async () => {
    const guest = new TestGuest()
    guest.server.offer(new EchoDevice())
    await guest.connect()
    const run = guest.pages.allocate(16)
    const order = [7, 1, 14, 3, 0, 9, 2, 11]
    const pages = order.map((page) => run.bytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE))
    for (const [index, page] of pages.entries()) page.fill(index === 0 || index === 4 ? 0 : 0xee)
    await guest.gpadl(
      1,
      7,
      order.map((page) => run.pfn + page),
    )
    expect(await guest.openWith(1, 7, 4)).toBe(0)
    const tx = scatteredProducer(pages.slice(0, 4))
    const rx = scatteredConsumer(pages.slice(4), 8192)
    for (let round = 1; round <= 40; round++) {
      const payload = Uint8Array.from({ length: round * 50 }, (_, n) => n + round)
      tx.write(6, 1, round, 0, NO_BYTES, 0, payload, 0, payload.length)
      guest.signal(1)
      await guest.clock.run()
      expect(rx.next()).toBe(1)
      expect(rx.packet.bytes.slice(rx.packet.dataOffset, rx.packet.dataOffset + payload.length)).toEqual(payload)
      rx.commit()
    }
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
  })

  const broken: [string, (ring: DataView) => void][] = [
    ['a write index beyond the ring', (ring) => ring.setUint32(0, 4096, true)],
    ['a huge write index', (ring) => ring.setUint32(0, 0xffff_fff8, true)],
    ['an odd write index', (ring) => ring.setUint32(0, 12, true)],
    ['a write index in the middle of a packet', (ring) => ring.setUint32(0, 16, true)],
    ['a packet shorter than its descriptor', (ring) => ring.setUint16(4096 + 4, 1, true)],
    ['a packet of length 0', (ring) => ring.setUint16(4096 + 4, 0, true)],
    ['a packet longer than what is readable', (ring) => ring.setUint16(4096 + 4, 5, true)],
    ['a packet of the greatest length', (ring) => ring.setUint16(4096 + 4, 0xffff, true)],
    ['a header shorter than its descriptor', (ring) => ring.setUint16(4096 + 2, 1, true)],
    ['a header longer than its packet', (ring) => ring.setUint16(4096 + 2, 4, true)],
  ]
  it.each(broken)('[RB-08] with %s end the channel, with one report', async (_what, breakIt) => {
    const { guest, device, channel } = await opened()
    write(channel, 1)
    const ring = new DataView(channel.run.bytes.buffer, channel.run.bytes.byteOffset)
    breakIt(ring)
    for (let n = 0; n < 3; n++) {
      guest.signal(1)
      await guest.clock.run()
    }
    expect(device.packets).toEqual([])
    expect(device.failure).toContain('guest-to-host ring')
    expect(guest.server.channels()[0]?.device).toBe('broken')
    expect(guest.log.filter((line) => line.includes('ring')).length).toBe(1)
    expect(device.send(1)).toBe(SendStatus.gone)
    // It can be closed and opened again.
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    expect(device.events).toEqual(['close'])
    expect((await guest.open(1, { handle: 99 })).status).toBe(0)
  })

  it.each([4096, 0xffff_ffff, 4])('[RB-08] with the guest’s read index %d end the channel', async (index) => {
    const { guest, device, channel } = await opened()
    new DataView(channel.run.bytes.buffer, channel.run.bytes.byteOffset).setUint32(8192 + 4, index, true)
    expect(device.send(1)).not.toBe(SendStatus.full)
    expect(device.send(1)).toBe(SendStatus.gone)
    expect(guest.server.channels()[0]?.device).toBe('broken')
  })

  it('[RB-08] that are broken when they are opened end at the first look', async () => {
    const guest = new TestGuest()
    guest.server.offer(new ProbeDevice())
    await guest.connect()
    const run = guest.pages.allocate(4)
    run.bytes.fill(0xff)
    await guest.gpadl(
      1,
      7,
      [0, 1, 2, 3].map((n) => run.pfn + n),
    )
    only(await guest.send('OPEN_CHANNEL', openMessage(1, 7, 2)), 'OPEN_RESULT')
    expect(guest.server.channels()[0]?.device).toBe('broken')
  })

  it('[RB-07] with a packet longer than the device takes end the channel', async () => {
    const device = new ProbeDevice()
    device.options = { maxPacketBytes: 64 }
    const { guest, channel } = await opened({ device })
    write(channel, 1, 48)
    guest.signal(1)
    await guest.clock.run()
    expect(device.packets).toEqual(['6:1:48'])
    write(channel, 2, 56)
    guest.signal(1)
    await guest.clock.run()
    expect(device.failure).toContain('72 bytes, more than the 64')
  })

  it('[HH-10] end when the device fails on a packet', async () => {
    const { guest, device, channel } = await opened()
    device.onPacket = () => {
      throw new TypeError('cannot read that')
    }
    write(channel, 1)
    guest.signal(1)
    await guest.clock.run()
    expect(device.failure).toContain('cannot read that')
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    expect(device.events).toEqual(['close'])
  })

  it('end when the device gives up, told once', async () => {
    const { guest, device } = await opened()
    device.channel?.fail('nonsense')
    device.channel?.fail('nonsense')
    expect(guest.log.filter((line) => line.includes('nonsense')).length).toBe(1)
    expect(device.failure).toBeUndefined()
  })
})

describe('closing', () => {
  it('[RB-15] in the middle of a packet waits until the handler has returned', async () => {
    const guest = new TestGuest()
    const device = new ProbeDevice()
    const port = guest.server.offer(device)
    await guest.connect()
    const channel = await guest.open(1)
    device.onPacket = () => {
      void port.revoke()
      expect(device.events).toEqual([])
    }
    for (let n = 1; n <= 3; n++) write(channel, n)
    guest.signal(1)
    await guest.clock.run()
    expect(device.packets.length).toBe(1)
    expect(device.events).toEqual(['close'])
    expect(guest.server.brokenInvariants()).toEqual([])
  })
})

describe('signals of old versions', () => {
  it('go through the interrupt page before 2.4, to processor 0', async () => {
    for (const version of [VmbusVersion.V0_13, VmbusVersion.V1_1]) {
      const { guest, device, channel } = await opened({ version })
      const page = guest.ports.memory.viewAt(0x8_0000, 4096)
      device.onPacket = (packet) => device.send(packet.transactionIdLow)
      write(channel, 1)
      page.setUint8(2048, 1 << 1)
      if (version === VmbusVersion.V0_13) expect(guest.ports.root.eventSignaled(2, 0, 0)).toBe(0)
      else expect(guest.signal(1)).toBe(0)
      await guest.clock.run()
      expect(device.packets.length).toBe(1)
      expect(page.getUint8(0)).toBe(1 << 1)
      expect(guest.ports.events).toEqual([{ vp: 0, sint: 2, flag: 0 }])
      if (version === VmbusVersion.V0_13) expect(page.getUint8(2048)).toBe(0)
    }
  })

  it('for channels that are not there are taken and ignored', async () => {
    const { guest } = await opened({ version: VmbusVersion.V0_13 })
    guest.ports.memory.bytesAt(0x8_0000 + 2048, 2048).fill(0xff)
    expect(guest.ports.root.eventSignaled(2, 0, 0)).toBe(0)
    await guest.clock.run()
    expect(guest.ports.memory.viewAt(0x8_0000 + 2048, 4).getUint32(0)).toBe(0)
  })

  it('[DS-21] leave the interrupt page alone after an unload', async () => {
    const { guest, device } = await opened({ version: VmbusVersion.V1_1 })
    await guest.send('UNLOAD', {})
    guest.ports.memory.bytesAt(0x8_0000, 4096).fill(0x5a)
    device.send(1)
    guest.ports.root.eventSignaled(2, 0, 0)
    await guest.clock.advance(1000)
    expect(guest.ports.memory.bytesAt(0x8_0000, 4096).every((byte) => byte === 0x5a)).toBe(true)
  })
})

describe('monitor page', () => {
  const pages = { monitor_page1: 0x8_0000, monitor_page2: 0x8_1000 }

  async function monitored(count = 1) {
    const guest = new TestGuest()
    const devices = Array.from({ length: count }, (_, n) => {
      const device = new ProbeDevice(n, { monitorLatency: 5000 })
      guest.server.offer(device)
      return device
    })
    await guest.connect(undefined, pages)
    const view = guest.ports.memory.viewAt(pages.monitor_page2, 4096)
    return { guest, devices, view }
  }

  it('[RB-19] is scanned for every id by its group and bit, and cleared', async () => {
    const { guest, devices, view } = await monitored(128)
    for (let n = 0; n < 128; n++) await guest.open(n + 1, { ringPages: 2 })
    for (let n = 0; n < 128; n++) {
      view.setUint32(8 + Math.floor(n / 32) * 8, 2 ** (n % 32), true)
      await guest.clock.advance(1)
      expect(view.getUint32(8 + Math.floor(n / 32) * 8, true)).toBe(0)
    }
    expect(devices.map((device) => device.channel?.statistics.interrupts)).toEqual(new Array(128).fill(1))
  })

  it('[RB-19] is seen within the latency while there is traffic, and within 10 ms when there was none', async () => {
    const { guest, devices, view } = await monitored()
    await guest.open(1)
    for (let n = 1; n <= 20; n++) {
      view.setUint32(8, 1, true)
      await guest.clock.advance(0.5)
      expect(devices[0]?.channel?.statistics.interrupts).toBe(n)
    }
    await guest.clock.advance(10_000)
    view.setUint32(8, 1, true)
    await guest.clock.advance(10)
    expect(devices[0]?.channel?.statistics.interrupts).toBe(21)
  })

  it('is scanned only while a monitored channel is open', async () => {
    const { guest } = await monitored()
    expect(guest.clock.pendingTimers).toBe(0)
    const channel = await guest.open(1)
    expect(guest.clock.pendingTimers).toBe(1)
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    expect(guest.clock.pendingTimers).toBe(0)
    await guest.openWith(1, channel.handle, 4)
    expect(guest.clock.pendingTimers).toBe(1)
    await guest.send('UNLOAD', {})
    expect(guest.clock.pendingTimers).toBe(0)
  })

  it('[RB-19] ignores ids that no channel has', async () => {
    const { guest, devices, view } = await monitored()
    await guest.open(1)
    for (let group = 0; group < 4; group++) view.setUint32(8 + group * 8, 0xffff_ffff, true)
    await guest.clock.advance(1)
    expect(devices[0]?.channel?.statistics.interrupts).toBe(1)
  })

  it('works beside the hypercall', async () => {
    const { guest, devices } = await monitored()
    await guest.open(1)
    expect(guest.signal(1)).toBe(0)
    await guest.clock.run()
    expect(devices[0]?.channel?.statistics.interrupts).toBe(1)
  })
})

describe('fairness', () => {
  it('[RB-17] [HH-06] [PF-07] lets a second channel and a second guest through a flood', async () => {
    const noisy = new TestGuest()
    const host = new Host({ release: '2022', clock: noisy.clock })
    const quiet = new TestGuest({ clock: noisy.clock })
    for (const guest of [noisy, quiet]) {
      await guest.server[Symbol.asyncDispose]()
    }
    const noisyServer = host.addGuest(noisy.ports)
    const quietServer = host.addGuest(quiet.ports)
    const flooded = new ProbeDevice(1)
    const other = new ProbeDevice(2)
    const far = new ProbeDevice(3)
    noisyServer.offer(flooded)
    noisyServer.offer(other)
    quietServer.offer(far)
    await noisy.connect()
    await quiet.connect()
    const flood = await noisy.open(1)
    const second = await noisy.open(2)
    const third = await quiet.open(1)
    let turns = 0
    // The producer is always faster: each packet taken is replaced at once, until the others have been heard.
    flooded.onPacket = () => {
      turns++
      if (other.packets.length === 0 || far.packets.length === 0) write(flood, turns)
    }
    for (let n = 0; n < 20; n++) write(flood, n)
    noisy.signal(1)
    write(second, 1)
    noisy.signal(2)
    write(third, 1)
    quiet.signal(1)
    await noisy.clock.run()
    expect(other.packets).toEqual(['6:1:8'])
    expect(far.packets).toEqual(['6:1:8'])
    expect(turns).toBeLessThan(4 * 256)
  })
})
