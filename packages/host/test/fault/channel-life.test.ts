import type { HostChannelHandlers, VspPort } from '@bis/hyperv-types'
import { encodeControlMessage, VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { HostError } from '../../src/errors.ts'
import { bodies, EchoDevice, instance, names, only, openMessage, SCSI, TestGuest } from '../support/test-guest.ts'

const FAILURE = 0x8000_ffff

async function connected(version?: number): Promise<{ guest: TestGuest; device: EchoDevice; port: VspPort }> {
  const guest = new TestGuest()
  const device = new EchoDevice()
  const port = guest.server.offer(device)
  await guest.connect(version)
  return { guest, device, port }
}

/** A device that closes when it is told to. */
class SlowDevice extends EchoDevice {
  readonly finish: (() => void)[] = []
  override openChannel: EchoDevice['openChannel'] = (channel): HostChannelHandlers => ({
    onPacket() {},
    onClose: () => {
      this.events.push(`closing ${channel.subIndex}`)
      return new Promise<void>((resolve) => this.finish.push(resolve))
    },
  })
}

describe('open', () => {
  it('answers the sheet’s OPEN_CHANNEL byte by byte', async () => {
    const { guest } = await connected()
    for (let n = 2; n <= 5; n++) guest.server.offer(new EchoDevice(n))
    await guest.answers()
    await guest.gpadl(5, 0xe1e10, [256, 257, 258, 259, 260, 261, 262, 263])
    const message = new Uint8Array(148)
    const hex = '05 00 00 00 00 00 00 00 05 00 00 00 05 00 00 00 10 1e 0e 00 02 00 00 00 04 00 00 00'
    message.set(hex.split(' ').map((byte) => Number.parseInt(byte, 16)))
    guest.post(message)
    await guest.clock.run()
    const result = '06 00 00 00 00 00 00 00 05 00 00 00 05 00 00 00 00 00 00 00'
    expect(guest.ports.messages[0]?.payload).toEqual(
      Uint8Array.from(result.split(' '), (byte) => Number.parseInt(byte, 16)),
    )
    expect(guest.server.channels()[4]).toMatchObject({ device: 'open', targetVp: 2 })
  })

  it.each([
    ['its GPADL is unknown', { ringbuffer_gpadlhandle: 99 }],
    ['the rings begin at one place', { downstream_ringbuffer_pageoffset: 0 }],
    ['a ring has no data', { downstream_ringbuffer_pageoffset: 1 }],
    ['the other ring has no data', { downstream_ringbuffer_pageoffset: 7 }],
    ['a ring begins at the end', { downstream_ringbuffer_pageoffset: 8 }],
    ['a ring begins far beyond', { downstream_ringbuffer_pageoffset: 0xffff_ffff }],
    ['the processor is one too many', { target_vp: 4 }],
    ['the processor is far off', { target_vp: 0xffff_fffe }],
  ])('[DS-08] is refused when %s, and can be tried again', async (_what, flaw) => {
    const { guest, device } = await connected()
    await guest.gpadl(1, 7, [256, 257, 258, 259, 260, 261, 262, 263])
    const result = only(await guest.send('OPEN_CHANNEL', { ...openMessage(1, 7, 4), ...flaw }), 'OPEN_RESULT')
    expect(result).toEqual({ child_relid: 1, openid: 1, status: FAILURE })
    expect(device.events).toEqual([])
    expect(await guest.openWith(1, 7, 4)).toBe(0)
  })

  it.each([
    ['more than one range', 2, [4096 * 4, 4096 * 4], 0],
    ['an offset', 1, [4096 * 4], 8],
    ['a part of a page', 1, [4096 * 4 - 8], 0],
  ])('refuses rings in a GPADL of %s, which is a good one otherwise', async (_what, count, sizes, byteOffset) => {
    const { guest } = await connected()
    const words: number[] = []
    for (const size of sizes) {
      words.push(size, byteOffset)
      for (let n = 0; n < Math.ceil((size + byteOffset) / 4096); n++) words.push(256 + n, 0)
    }
    const list = new Uint8Array(Uint32Array.from(words).buffer)
    const header = { child_relid: 1, gpadl: 7, range_buflen: list.length, rangecount: count, range: list }
    expect(only(await guest.send('GPADL_HEADER', header), 'GPADL_CREATED').creation_status).toBe(0)
    expect(await guest.openWith(1, 7, 2)).toBe(FAILURE)
  })

  it('is refused by the device, without harm', async () => {
    const { guest, device } = await connected()
    device.refuse = true
    expect((await guest.open(1)).status).toBe(FAILURE)
    device.refuse = false
    expect((await guest.open(1, { handle: 9 })).status).toBe(0)
  })

  it('[HH-10] survives a device that throws', async () => {
    const { guest, device } = await connected()
    const good = device.openChannel
    device.openChannel = () => {
      throw new Error('no such luck')
    }
    expect((await guest.open(1)).status).toBe(FAILURE)
    expect(guest.log.at(-1)).toContain('no such luck')
    device.openChannel = good
    expect((await guest.open(1, { handle: 9 })).status).toBe(0)
  })

  it('drops a second open, and gives no interrupts to a guest that wants none', async () => {
    const { guest } = await connected()
    const channel = await guest.open(1, { vp: 0xffff_ffff })
    expect(channel.status).toBe(0)
    expect(await guest.send('OPEN_CHANNEL', openMessage(1, channel.handle, 4))).toEqual([])
    channel.tx.write(6, 1, 1, 0, new Uint8Array(), 0, new Uint8Array(8), 0, 8)
    guest.signal(1)
    await guest.clock.run()
    expect(channel.rx.next()).toBe(1)
    expect(guest.ports.events).toEqual([])
  })

  it('uses processor 0 before 2.4, whatever the guest writes there', async () => {
    const { guest } = await connected(VmbusVersion.V1_1)
    expect((await guest.open(1, { vp: 0xffff_ffff })).status).toBe(0)
    expect(guest.server.channels()[0]?.targetVp).toBe(0)
  })
})

describe('signals of the guest’s choice (6.0)', () => {
  const contact = { interrupt: { target: { msg_sint: 2, target_vtl: 0, feature_flags: 0x3 } } }

  async function opened(change: object) {
    const guest = new TestGuest()
    guest.server.offer(new EchoDevice(1))
    guest.server.offer(new EchoDevice(2))
    await guest.connect(VmbusVersion.V6_0, contact)
    const pages = guest.pages.allocate(8)
    pages.bytes.fill(0)
    await guest.gpadl(
      1,
      7,
      Array.from({ length: 8 }, (_, n) => pages.pfn + n),
    )
    const result = await guest.send('OPEN_CHANNEL', { ...openMessage(1, 7, 4), ...change })
    return { guest, pages, status: only(result, 'OPEN_RESULT').status }
  }

  it('are used in both directions, and the interrupt is redirected when asked', async () => {
    for (const redirect of [0, 1]) {
      const { guest, pages, status } = await opened({
        signal_connection_id: 0x777,
        event_flag: 2047,
        flags: { redirect_interrupt: redirect },
        target_vp: 1,
      })
      expect(status).toBe(0)
      expect(guest.ports.root.eventSignaled(0x2001, 0, 0)).toBe(0x12)
      // One in-band packet that wants a completion: 16 bytes of descriptor and the trailer.
      pages.view.setUint32(4096, 6 | (2 << 16), true)
      pages.view.setUint32(4100, 2 | (1 << 16), true)
      pages.view.setUint32(0, 24, true)
      expect(guest.ports.root.eventSignaled(0x777, 0, 0)).toBe(0)
      await guest.clock.run()
      expect(guest.ports.events).toEqual([{ vp: 1, sint: redirect === 1 ? 7 : 2, flag: 2047 }])
    }
  })

  it.each([2048, 0xffff])('[DS-08] are refused with event flag %d', async (event_flag) => {
    expect((await opened({ event_flag })).status).toBe(FAILURE)
  })

  it.each([0, 1, 2, 3, 4])('are refused with the bus’s own connection id %d', async (signal_connection_id) => {
    expect((await opened({ signal_connection_id })).status).toBe(FAILURE)
  })

  it('are refused with the connection id of another open channel', async () => {
    const { guest } = await opened({ signal_connection_id: 0x777 })
    await guest.gpadl(2, 8, [256, 257, 258, 259])
    const other = { ...openMessage(2, 8, 2), signal_connection_id: 0x777 }
    expect(only(await guest.send('OPEN_CHANNEL', other), 'OPEN_RESULT').status).toBe(FAILURE)
  })
})

describe('close', () => {
  it('is not answered, and a reopen right behind it waits for the device', async () => {
    const guest = new TestGuest()
    const device = new SlowDevice()
    guest.server.offer(device)
    await guest.connect()
    const channel = await guest.open(1)
    guest.post(encodeControlMessage('CLOSE_CHANNEL', { child_relid: 1 }, guest.version))
    guest.post(encodeControlMessage('OPEN_CHANNEL', openMessage(1, channel.handle, 4), guest.version))
    expect(await guest.answers()).toEqual([])
    expect(guest.signal(1)).toBe(0x12)
    device.finish.shift()?.()
    expect(only(await guest.answers(), 'OPEN_RESULT').status).toBe(0)
    expect(guest.server.brokenInvariants()).toEqual([])
  })

  it('takes back a reopen that waits', async () => {
    const guest = new TestGuest()
    const device = new SlowDevice()
    guest.server.offer(device)
    await guest.connect()
    const channel = await guest.open(1)
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    await guest.send('OPEN_CHANNEL', openMessage(1, channel.handle, 4))
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    device.finish.shift()?.()
    expect(await guest.answers()).toEqual([])
    expect(guest.server.channels()[0]?.device).toBe('closed')
  })

  it('answers the teardown of the rings only when the device has let go', async () => {
    const guest = new TestGuest()
    const device = new SlowDevice()
    guest.server.offer(device)
    await guest.connect()
    const channel = await guest.open(1)
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    expect(await guest.send('GPADL_TEARDOWN', { child_relid: 1, gpadl: channel.handle })).toEqual([])
    device.finish.shift()?.()
    expect(names(await guest.answers())).toEqual(['GPADL_TORNDOWN'])
    expect(guest.server.counters.violations).toEqual({})
  })

  it('[HH-08] ends in a closed channel too when the device fails to close', async () => {
    const guest = new TestGuest()
    const device = new EchoDevice()
    device.openChannel = () => ({ onPacket() {}, onClose: () => Promise.reject(new Error('stuck')) })
    guest.server.offer(device)
    await guest.connect()
    await guest.open(1)
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    expect(guest.server.channels()[0]?.device).toBe('closed')
    expect(guest.log.at(-1)).toContain('stuck')
  })
})

describe('MODIFY_CHANNEL', () => {
  it('moves the interrupts of an open channel, and answers from 5.3 on', async () => {
    for (const version of [VmbusVersion.V4_1, VmbusVersion.V5_3]) {
      const { guest } = await connected(version)
      const channel = await guest.open(1)
      const answers = await guest.send('MODIFY_CHANNEL', { child_relid: 1, target_vp: 3 })
      expect(bodies(answers, 'MODIFY_CHANNEL_RESPONSE')).toEqual(
        version === VmbusVersion.V5_3 ? [{ child_relid: 1, status: 0 }] : [],
      )
      channel.tx.write(6, 1, 1, 0, new Uint8Array(), 0, new Uint8Array(8), 0, 8)
      guest.signal(1)
      await guest.clock.run()
      expect(guest.ports.events).toEqual([{ vp: 3, sint: 2, flag: 1 }])
    }
  })

  it('[DS-08] fails for a processor that is not there, and a channel that is not open', async () => {
    const { guest } = await connected()
    const modify = async (child_relid: number, target_vp: number) =>
      only(await guest.send('MODIFY_CHANNEL', { child_relid, target_vp }), 'MODIFY_CHANNEL_RESPONSE').status
    expect(await modify(1, 0)).toBe(FAILURE)
    await guest.open(1)
    expect(await modify(1, 4)).toBe(FAILURE)
    expect(await modify(1, 0xffff_ffff)).toBe(FAILURE)
    expect(await modify(2, 0)).toBe(FAILURE)
    expect(await modify(1, 1)).toBe(0)
    expect(guest.server.channels()[0]?.targetVp).toBe(1)
  })
})

describe('revoke', () => {
  it('[VC-14] gives an id away again only when the guest has released it', async () => {
    const { guest, port } = await connected()
    const gone = port.revoke()
    expect(only(await guest.answers(), 'RESCIND_OFFER').child_relid).toBe(1)
    guest.server.offer(new EchoDevice(2))
    expect(only(await guest.answers(), 'OFFER_CHANNEL').child_relid).toBe(2)
    await guest.send('RELID_RELEASED', { child_relid: 1 })
    await gone
    guest.server.offer(new EchoDevice(3))
    expect(only(await guest.answers(), 'OFFER_CHANNEL').child_relid).toBe(1)
  })

  it('[VC-14] lets a device come back when the guest has let go of its former self; a second revoke changes nothing', async () => {
    const { guest, device, port } = await connected()
    const first = port.revoke()
    const again = guest.server.offer(new EchoDevice(1))
    expect(names(await guest.answers())).toEqual(['RESCIND_OFFER'])
    void port.revoke()
    expect(await guest.answers()).toEqual([])
    expect(names(await guest.send('RELID_RELEASED', { child_relid: 1 }))).toEqual(['OFFER_CHANNEL'])
    await first
    void port.revoke()
    expect(await guest.answers()).toEqual([])
    expect((await guest.open(1)).status).toBe(0)
    expect(device.events).toEqual(['reset'])
    void again.revoke()
    expect(names(await guest.answers())).toEqual(['RESCIND_OFFER'])
  })

  it('[VC-14] still answers what was asked before the guest saw the rescind', async () => {
    const { guest, port } = await connected()
    await guest.open(1)
    void port.revoke()
    guest.post(encodeControlMessage('MODIFY_CHANNEL', { child_relid: 1, target_vp: 1 }, guest.version))
    expect(names(await guest.answers())).toEqual(['RESCIND_OFFER', 'MODIFY_CHANNEL_RESPONSE'])
  })

  it('[CL-09] takes sub-channels away before their primary', async () => {
    const { guest, device, port } = await connected()
    await guest.open(1)
    expect(port.offerSubchannels(3)).toBe(true)
    const subs = bodies(await guest.answers(), 'OFFER_CHANNEL')
    expect(subs.map(({ offer, child_relid }) => [offer.sub_channel_index, child_relid])).toEqual([
      [1, 2],
      [2, 3],
      [3, 4],
    ])
    for (const { child_relid } of subs) await guest.open(child_relid)
    void port.revoke()
    const rescinds = bodies(await guest.answers(), 'RESCIND_OFFER').map(({ child_relid }) => child_relid)
    expect(rescinds).toEqual([4, 3, 2, 1])
    expect(device.events.filter((event) => event.startsWith('close')).length).toBe(4)
  })

  it('takes sub-channels away when the guest closes their primary, and offers them again on request', async () => {
    const { guest, port } = await connected()
    const channel = await guest.open(1)
    port.offerSubchannels(2)
    await guest.answers()
    await guest.send('CLOSE_CHANNEL', { child_relid: 2 })
    const answers = await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    expect(bodies(answers, 'RESCIND_OFFER').map(({ child_relid }) => child_relid)).toEqual([3, 2])
    await guest.openWith(1, channel.handle, 4)
    expect(port.offerSubchannels(2)).toBe(true)
    expect(await guest.answers()).toEqual([])
    expect(names(await guest.send('RELID_RELEASED', { child_relid: 3 }))).toEqual(['OFFER_CHANNEL'])
    expect(names(await guest.send('RELID_RELEASED', { child_relid: 2 }))).toEqual(['OFFER_CHANNEL'])
    expect(guest.server.brokenInvariants()).toEqual([])
  })

  it('has no sub-channels before 2.4, nor while the primary is closed', async () => {
    const old = await connected(VmbusVersion.V1_1)
    await old.guest.open(1)
    expect(old.port.offerSubchannels(1)).toBe(false)
    const { port } = await connected()
    expect(port.offerSubchannels(1)).toBe(false)
  })

  it('[CL-05] survives a thousand fast rounds of offer and revoke, with any delay of the guest', async () => {
    const { guest } = await connected()
    for (let round = 0; round < 1000; round++) {
      const port = guest.server.offer(new EchoDevice(1000 + (round % 5)))
      const gone = port.revoke()
      if (round % 3 === 0) await guest.clock.run()
      const ids = bodies(await guest.answers(), 'RESCIND_OFFER').map(({ child_relid }) => child_relid)
      for (const id of ids) guest.post(encodeControlMessage('RELID_RELEASED', { child_relid: id }, guest.version))
      await guest.answers()
      await gone
    }
    expect(guest.server.channels().length).toBe(1)
    expect(guest.server.brokenInvariants()).toEqual([])
    guest.server.offer(new EchoDevice(2))
    expect(only(await guest.answers(), 'OFFER_CHANNEL').child_relid).toBe(2)
  })

  it('takes a device off the bus that no guest has heard of', async () => {
    const guest = new TestGuest()
    const port = guest.server.offer(new EchoDevice())
    await port.revoke()
    expect(guest.server.channels()).toEqual([])
  })
})

describe('reset', () => {
  it('[VC-13] waits for devices that still close, and answers then', async () => {
    const guest = new TestGuest()
    const device = new SlowDevice()
    guest.server.offer(device)
    await guest.connect()
    await guest.open(1)
    expect(await guest.send('UNLOAD', {})).toEqual([])
    expect(await guest.send('REQUEST_OFFERS', {})).toEqual([])
    device.finish.shift()?.()
    expect(names(await guest.answers())).toEqual(['UNLOAD_RESPONSE'])
    expect(device.events).toEqual(['closing 0', 'reset'])
  })

  it('[VC-13] [OP-08] stops in bounded time with an open under way, a device that never closes, and a stopped server', async () => {
    const guest = new TestGuest()
    const device = new SlowDevice()
    guest.server.offer(device)
    await guest.connect()
    const channel = await guest.open(1)
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    const root = guest.ports.root
    const stopped = guest.server[Symbol.asyncDispose]()
    root.messagePosted(1, 1, encodeControlMessage('OPEN_CHANNEL', openMessage(1, channel.handle, 4), guest.version), 0)
    await guest.clock.advance(5_000)
    await stopped
    expect(guest.log.at(-1)).toContain(`still busy: ${instance(1)}.0`)
    device.finish.shift()?.()
    await guest.clock.run()
    expect(guest.server.channels()[0]?.device).toBe('closed')
    expect(() => guest.server.offer(new EchoDevice(2))).toThrow(HostError)
    await guest.server[Symbol.asyncDispose]()
  })

  it('[SR-01] gives devices other ids on the next connection when asked to', async () => {
    const guest = new TestGuest({ faults: { seed: 1, shuffledChannelIds: true } })
    for (const n of [1, 2, 3]) guest.server.offer(new EchoDevice(n))
    const first = await guest.connect()
    const second = await guest.connect()
    expect(second.map(({ offer }) => offer.if_instance)).toEqual(first.map(({ offer }) => offer.if_instance))
    expect(second.map(({ child_relid }) => child_relid)).not.toEqual(first.map(({ child_relid }) => child_relid))
    const old = await guest.connect(VmbusVersion.V1_1)
    expect(old.every(({ child_relid }) => child_relid > 0 && child_relid < 256)).toBe(true)
  })

  it('offers the devices again in the same order on the next connection', async () => {
    const guest = new TestGuest()
    for (const n of [3, 1, 2]) guest.server.offer(new EchoDevice(n))
    const first = await guest.connect()
    const second = await guest.connect()
    expect(first.map(({ offer }) => offer.if_instance)).toEqual([instance(3), instance(1), instance(2)])
    expect(second.map(({ offer }) => offer.if_instance)).toEqual([instance(3), instance(1), instance(2)])
  })

  it('forgets all at a partition reset without a word, and keeps the devices', async () => {
    const { guest, device } = await connected()
    await guest.open(1)
    guest.ports.root.partitionReset()
    expect(await guest.answers()).toEqual([])
    expect(device.events).toEqual(['open 0', 'close 0', 'reset'])
    expect((await guest.connect()).length).toBe(1)
  })

  it('drops what was posted before a partition reset', async () => {
    const { guest } = await connected()
    guest.post(encodeControlMessage('REQUEST_OFFERS', {}, guest.version))
    guest.ports.root.partitionReset()
    expect(await guest.answers()).toEqual([])
    expect(guest.server.counters.violations).toEqual({})
  })
})

describe('reserved channels', () => {
  const open = {
    child_relid: 1,
    target_vp: 1,
    target_sint: 5,
    ringbuffer_gpadlhandle: 7,
    downstream_ringbuffer_pageoffset: 4,
  }

  it('[VC-12] outlive the connection, and their close is answered to the target that it names', async () => {
    const { guest, device } = await connected()
    await guest.gpadl(1, 7, [256, 257, 258, 259, 260, 261, 262, 263])
    guest.post(encodeControlMessage('OPEN_RESERVED_CHANNEL', open, guest.version))
    await guest.clock.run()
    expect(guest.ports.messages.map(({ vp, sint }) => [vp, sint])).toEqual([[1, 5]])
    expect(only(await guest.answers(), 'OPEN_RESULT').status).toBe(0)
    expect(await guest.send('OPEN_CHANNEL', openMessage(1, 7, 4))).toEqual([])
    const created = only(await guest.gpadl(1, 8, [300]), 'GPADL_CREATED')
    expect(created.creation_status).toBe(FAILURE)

    expect(names(await guest.send('UNLOAD', {}))).toEqual(['UNLOAD_RESPONSE'])
    expect(guest.server.channels()[0]?.device).toBe('open')
    guest.post(
      encodeControlMessage('CLOSE_RESERVED_CHANNEL', { child_relid: 1, target_vp: 2, target_sint: 9 }, guest.version),
    )
    await guest.clock.run()
    expect(guest.ports.messages.map(({ vp, sint }) => [vp, sint])).toEqual([[2, 9]])
    expect(names(await guest.answers())).toEqual(['CLOSE_RESERVED_CHANNEL_RESPONSE'])
    expect(device.events).toEqual(['open 0', 'close 0'])
    expect(guest.server.brokenInvariants()).toEqual([])
    expect((await guest.connect()).length).toBe(1)
    expect((await guest.open(1)).status).toBe(0)
  })

  it('keep their id into the next connection', async () => {
    const { guest } = await connected()
    guest.server.offer(new EchoDevice(2))
    await guest.gpadl(2, 7, [256, 257, 258, 259, 260, 261, 262, 263])
    await guest.send('OPEN_RESERVED_CHANNEL', { ...open, child_relid: 2 })
    const offers = await guest.connect()
    expect(offers.map(({ child_relid, offer }) => [child_relid, offer.if_instance])).toEqual([
      [1, instance(1)],
      [2, instance(2)],
    ])
  })

  it('[DS-08] are refused for targets that are not there, and a close of what is not open is answered all the same', async () => {
    const { guest } = await connected()
    await guest.gpadl(1, 7, [256, 257, 258, 259, 260, 261, 262, 263])
    for (const flaw of [{ target_vp: 4 }, { target_sint: 0 }, { target_sint: 16 }, { ringbuffer_gpadlhandle: 8 }]) {
      expect(await guest.send('OPEN_RESERVED_CHANNEL', { ...open, ...flaw })).toEqual([])
    }
    const close = { child_relid: 1, target_vp: 1, target_sint: 5 }
    expect(names(await guest.send('CLOSE_RESERVED_CHANNEL', close))).toEqual(['CLOSE_RESERVED_CHANNEL_RESPONSE'])
    expect(names(await guest.send('CLOSE_RESERVED_CHANNEL', { ...close, child_relid: 77 }))).toEqual([
      'CLOSE_RESERVED_CHANNEL_RESPONSE',
    ])
    expect(await guest.send('CLOSE_RESERVED_CHANNEL', { ...close, target_sint: 99 })).toEqual([])
  })
})

describe('offers', () => {
  it('are sorted by class, then by the order of configuration, and carry what the device says', async () => {
    const guest = new TestGuest()
    const network = 'f8615163-df3e-46c5-913f-f2d2f965ed0e'
    guest.server.offer(new EchoDevice(9, { interfaceId: network.toUpperCase() }))
    guest.server.offer(new EchoDevice(5, { flags: 0x400, mmioMegabytes: 8, userDefined: Uint8Array.of(4, 0, 0, 0) }))
    guest.server.offer(new EchoDevice(3, { monitorLatency: 1000 }))
    const pages = { monitor_page1: 0x10_0000, monitor_page2: 0x10_1000 }
    const offers = await guest.connect(undefined, pages)
    expect(offers.map(({ offer }) => offer.if_instance)).toEqual([instance(5), instance(3), instance(9)])
    expect(offers[0]?.offer).toMatchObject({ if_type: SCSI, chn_flags: 0x400, mmio_megabytes: 8, sub_channel_index: 0 })
    expect(offers[0]?.offer.user_def.slice(0, 5)).toEqual(Uint8Array.of(4, 0, 0, 0, 0))
    expect(offers.map(({ monitor, monitorid }) => [monitor.monitor_allocated, monitorid])).toEqual([
      [0, 0],
      [1, 0],
      [0, 0],
    ])
    expect(offers.every(({ interrupt }) => interrupt.is_dedicated_interrupt === 1)).toBe(true)
    expect(offers[2]?.offer.if_type).toBe(network)
  })

  it('are 190 bytes before 1.1 and 196 from then on', async () => {
    for (const [version, length] of [
      [VmbusVersion.V0_13, 190],
      [VmbusVersion.V1_1, 196],
      [VmbusVersion.V6_0, 196],
    ] as const) {
      const guest = new TestGuest()
      guest.server.offer(new EchoDevice())
      await guest.contact(version)
      guest.post(Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0))
      await guest.clock.run()
      expect(guest.ports.messages.find(({ payload }) => payload[0] === 1)?.payload.length).toBe(length)
    }
  })

  it('[RB-19] give no monitor id to a guest without monitor pages, nor more than there are', async () => {
    const guest = new TestGuest()
    for (let n = 0; n < 130; n++) guest.server.offer(new EchoDevice(n, { monitorLatency: 1000 }))
    expect((await guest.connect()).some(({ monitor }) => monitor.monitor_allocated === 1)).toBe(false)
    const offers = await guest.connect(undefined, { monitor_page1: 0x10_0000, monitor_page2: 0x10_1000 })
    const ids = offers.filter(({ monitor }) => monitor.monitor_allocated === 1).map(({ monitorid }) => monitorid)
    expect(ids).toEqual(Array.from({ length: 128 }, (_, n) => n))
  })

  it('stop at 255 channels before 2.4', async () => {
    const guest = new TestGuest()
    for (let n = 0; n < 300; n++) guest.server.offer(new EchoDevice(n))
    expect((await guest.connect(VmbusVersion.V1_1)).length).toBe(255)
    expect((await guest.connect(VmbusVersion.V2_4)).length).toBe(300)
  })

  it('are refused to the host’s own side when they make no sense', () => {
    const guest = new TestGuest()
    guest.server.offer(new EchoDevice(1))
    for (const bad of [
      new EchoDevice(1),
      new EchoDevice(2, { instanceId: 'not a guid' }),
      new EchoDevice(2, { userDefined: new Uint8Array(121) }),
      new EchoDevice(2, { flags: 0x1_0000 }),
      new EchoDevice(2, { mmioMegabytes: -1 }),
    ]) {
      expect(() => guest.server.offer(bad)).toThrow(HostError)
    }
  })
})
