import type { HostChannelHandlers } from '@bis/hyperv-types'
import { SeededRandom } from '@bis/hyperv-types'
import { NO_BYTES } from '@bis/hyperv-types/ring'
import { encodeControlMessage, encodeGpaRanges } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { HostError } from '../../src/errors.ts'
import { hostRelease } from '../../src/host-release.ts'
import type { SavedServer } from '../../src/saved/saved-server.ts'
import { RestoreError } from '../../src/saved/saved-server.ts'
import { VmbusServer } from '../../src/vmbus/vmbus-server.ts'
import { bodies, EchoDevice, names, only, openMessage, TestGuest } from '../support/test-guest.ts'

/** An echo device that can be saved; its state is how many packets it has seen. */
class SavableDevice extends EchoDevice {
  seen = 0

  override openChannel = (channel: Parameters<EchoDevice['openChannel']>[0]): HostChannelHandlers => {
    this.events.push(channel.restored === undefined ? `open ${channel.subIndex}` : `restored ${channel.subIndex}`)
    if (typeof channel.restored === 'number') this.seen = channel.restored
    return {
      onPacket: (packet) => {
        this.seen++
        channel.send(11, 0, packet.transactionIdLow, 0, undefined, 0, NO_BYTES, 0, 0)
      },
      onClose: () => {
        this.events.push(`close ${channel.subIndex}`)
      },
      onSave: () => this.seen,
    }
  }
}

/** Saves the guest's server and puts another in its place, with fresh devices of the same identity. */
async function replaced(guest: TestGuest, devices: readonly EchoDevice[], change = (saved: SavedServer) => saved) {
  const saving = guest.server.save()
  await guest.clock.run()
  const saved = await saving
  const server = new VmbusServer({ ports: guest.ports, clock: guest.clock, release: hostRelease('2025') })
  for (const device of devices) server.offer(device)
  server.restore(change(JSON.parse(JSON.stringify(saved))))
  return { server, saved, answers: await guest.answers() }
}

async function talking() {
  const guest = new TestGuest()
  guest.server.offer(new SavableDevice(1, { monitorLatency: 1000 }))
  guest.server.offer(new EchoDevice(2))
  await guest.connect(undefined, { monitor_page1: 0x8_0000, monitor_page2: 0x8_1000 })
  const channel = await guest.open(1, { vp: 3 })
  return { guest, channel }
}

const write = (channel: Awaited<ReturnType<TestGuest['open']>>, id: number) =>
  channel.tx.write(6, 1, id, 0, NO_BYTES, 0, NO_BYTES, 0, 0)

describe('save and restore', () => {
  it('[SR-05] is not seen by the guest when the device can be saved', async () => {
    const { guest, channel } = await talking()
    write(channel, 1)
    guest.signal(1)
    await guest.clock.run()
    await guest.gpadl(1, 5, [300, 301])
    guest.ports.events = []
    const device = new SavableDevice(1, { monitorLatency: 1000 })
    const { server, answers } = await replaced(guest, [device, new EchoDevice(2)])
    expect(names(answers)).toEqual([])
    expect(device.events).toEqual(['restored 0'])
    expect(device.seen).toBe(1)
    expect(server.channels()).toMatchObject([
      { channelId: 1, monitorId: 0, device: 'open', targetVp: 3, gpadls: 2 },
      { channelId: 2, device: 'closed', client: 'offered' },
    ])
    expect(server.brokenInvariants()).toEqual([])
    write(channel, 2)
    expect(guest.signal(1)).toBe(0)
    await guest.clock.run()
    expect(device.seen).toBe(2)
    for (const id of [1, 2]) {
      expect(channel.rx.next()).toBe(1)
      expect(channel.rx.packet.transactionIdLow).toBe(id)
    }
    expect(names(await guest.send('GPADL_TEARDOWN', { child_relid: 1, gpadl: 5 }))).toEqual(['GPADL_TORNDOWN'])
    expect(names(await guest.send('UNLOAD', {}))).toEqual(['UNLOAD_RESPONSE'])
  })

  it('[DS-12] looks at both rings again: a signal that came while it was saved is not lost', async () => {
    const { guest, channel } = await talking()
    const saving = guest.server.save()
    write(channel, 7)
    expect(guest.signal(1)).toBe(0)
    await guest.clock.run()
    const saved = await saving
    write(channel, 8)
    guest.ports.events = []
    const server = new VmbusServer({ ports: guest.ports, clock: guest.clock, release: hostRelease('2025') })
    const device = new SavableDevice(1)
    server.offer(device)
    server.restore(saved)
    await guest.clock.run()
    expect(device.seen).toBe(2)
    expect(guest.ports.events.length).toBeGreaterThan(0)
    expect(guest.ports.events[0]).toEqual({ vp: 3, sint: 2, flag: 1 })
  })

  it('[SR-05] ends in one rescind and one offer for a device that cannot be saved', async () => {
    const { guest } = await talking()
    const second = await guest.open(2)
    const { server, answers } = await replaced(guest, [new SavableDevice(1), new EchoDevice(2)])
    expect(names(answers)).toEqual(['RESCIND_OFFER'])
    expect(only(answers, 'RESCIND_OFFER').child_relid).toBe(2)
    expect(names(await guest.send('GPADL_TEARDOWN', { child_relid: 2, gpadl: second.handle }))).toEqual([
      'GPADL_TORNDOWN',
    ])
    const again = await guest.send('RELID_RELEASED', { child_relid: 2 })
    expect(names(again)).toEqual(['OFFER_CHANNEL'])
    expect(server.brokenInvariants()).toEqual([])
    expect((await guest.open(only(again, 'OFFER_CHANNEL').child_relid, { handle: 77 })).status).toBe(0)
  })

  it('[SR-05] rescinds a device that did not come back, and offers a new one', async () => {
    const { guest } = await talking()
    const { answers } = await replaced(guest, [new EchoDevice(2), new EchoDevice(3)])
    expect(bodies(answers, 'RESCIND_OFFER').map(({ child_relid }) => child_relid)).toEqual([1])
    expect(bodies(answers, 'OFFER_CHANNEL').map(({ child_relid }) => child_relid)).toEqual([3])
  })

  it('[SR-05] keeps a rescind that the guest has not answered, and rescinds no second time', async () => {
    const guest = new TestGuest()
    const port = guest.server.offer(new EchoDevice(1))
    await guest.connect()
    await guest.gpadl(1, 5, [300])
    void port.revoke()
    await guest.answers()
    const { server, answers } = await replaced(guest, [new EchoDevice(1)])
    expect(answers).toEqual([])
    expect(names(await guest.send('GPADL_TEARDOWN', { child_relid: 1, gpadl: 5 }))).toEqual(['GPADL_TORNDOWN'])
    expect(names(await guest.send('RELID_RELEASED', { child_relid: 1 }))).toEqual(['OFFER_CHANNEL'])
    expect(server.brokenInvariants()).toEqual([])
  })

  it('[SR-05] goes on in the middle of a GPADL, with messages that had not been handled, and with a paused connection', async () => {
    const guest = new TestGuest()
    guest.server.offer(new EchoDevice(1))
    await guest.connect(0x6_0000, { interrupt: { target: { msg_sint: 2, target_vtl: 0, feature_flags: 0x2c } } })
    const list = encodeGpaRanges([
      { byteCount: 60 * 4096, byteOffset: 0, pfns: Array.from({ length: 60 }, (_, n) => 300 + n) },
    ])
    const header = { child_relid: 1, gpadl: 9, range_buflen: list.length, rangecount: 1, range: list.slice(0, 216) }
    await guest.send('GPADL_HEADER', header)
    await guest.send('GPADL_BODY', { msgnumber: 0, gpadl: 9, pfn: list.slice(216, 440) })
    const saving = guest.server.save()
    guest.post(encodeControlMessage('GPADL_BODY', { msgnumber: 0, gpadl: 9, pfn: list.slice(440) }, 0x6_0000))
    await guest.clock.run()
    const saved = await saving
    const server = new VmbusServer({ ports: guest.ports, clock: guest.clock, release: hostRelease('2025') })
    server.offer(new EchoDevice(1))
    server.restore(saved)
    expect(only(await guest.answers(), 'GPADL_CREATED')).toMatchObject({ gpadl: 9, creation_status: 0 })
    expect(server.connection?.features).toBe(0x2c & ~0x08)

    await guest.send('PAUSE', {})
    server.offer(new EchoDevice(2))
    await guest.clock.run()
    const again = server.save()
    await guest.clock.run()
    const third = new VmbusServer({ ports: guest.ports, clock: guest.clock, release: hostRelease('2025') })
    const state = await again
    third.offer(new EchoDevice(1))
    third.offer(new EchoDevice(2))
    third.restore(state)
    expect(await guest.answers()).toEqual([])
    expect(names(await guest.send('RESUME', {}))).toEqual(['OFFER_CHANNEL'])
  })

  it('[VC-15] tells of no device before the guest has asked, after a restore too', async () => {
    const guest = new TestGuest()
    guest.server.offer(new EchoDevice(1))
    await guest.contact(0x5_0003)
    const { answers } = await replaced(guest, [new EchoDevice(1), new EchoDevice(2)])
    expect(answers).toEqual([])
    expect(names(await guest.send('REQUEST_OFFERS', {}))).toEqual([
      'OFFER_CHANNEL',
      'OFFER_CHANNEL',
      'ALL_OFFERS_DELIVERED',
    ])
  })

  it('keeps sub-channels', async () => {
    const guest = new TestGuest()
    const port = guest.server.offer(new SavableDevice(1))
    await guest.connect()
    await guest.open(1)
    port.offerSubchannels(2)
    await guest.answers()
    await guest.open(3, { vp: 1 })
    const device = new SavableDevice(1)
    const { server, answers } = await replaced(guest, [device])
    expect(answers).toEqual([])
    expect(device.events).toEqual(['restored 0', 'restored 2'])
    expect(server.channels()).toMatchObject([
      { channelId: 1, subIndex: 0, device: 'open' },
      { channelId: 2, subIndex: 1, device: 'closed', client: 'offered' },
      { channelId: 3, subIndex: 2, device: 'open', targetVp: 1 },
    ])
  })

  it('waits for devices that are closing, and closes those that cannot be saved', async () => {
    const guest = new TestGuest()
    let finish: () => void = () => {}
    const device = new EchoDevice(1)
    device.openChannel = () => ({
      onPacket() {},
      onClose: () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
    })
    guest.server.offer(device)
    await guest.connect()
    const channel = await guest.open(1)
    await guest.send('CLOSE_CHANNEL', { child_relid: 1 })
    let saved: SavedServer | undefined
    void guest.server.save().then((state) => {
      saved = state
    })
    await guest.clock.run()
    expect(saved).toBeUndefined()
    finish()
    await guest.clock.run()
    expect(saved?.channels).toMatchObject([{ channelId: 1, lost: false, gpadls: [{ handle: channel.handle }] }])
    expect(() => guest.server.offer(new EchoDevice(2))).toThrow(HostError)
    await expect(guest.server.save()).rejects.toThrow(HostError)
  })

  it('answers a ring’s early teardown after a restore too', async () => {
    const { guest, channel } = await talking()
    await guest.send('GPADL_TEARDOWN', { child_relid: 1, gpadl: channel.handle })
    const { answers } = await replaced(guest, [new SavableDevice(1), new EchoDevice(2)])
    expect(answers).toEqual([])
    expect(names(await guest.send('CLOSE_CHANNEL', { child_relid: 1 }))).toEqual(['GPADL_TORNDOWN'])
  })

  it('[HH-11] refuses what it cannot read, and what a guest could not have sent', async () => {
    const saved = async () => {
      const { guest } = await talking()
      const saving = guest.server.save()
      await guest.clock.run()
      return { guest, state: JSON.parse(JSON.stringify(await saving)) }
    }
    // biome-ignore lint/suspicious/noExplicitAny: damaged state has no type.
    const damages: ((state: any) => void)[] = [
      (state) => Object.assign(state, { format: 2 }),
      (state) => Object.assign(state, { channels: undefined }),
      (state) => Object.assign(state.connection, { contact: 'zz' }),
      (state) => Object.assign(state.connection, { contact: '' }),
      (state) => Object.assign(state.channels[0], { channelId: 0 }),
      (state) => Object.assign(state.channels[0], { channelId: 4096 }),
      (state) => Object.assign(state.channels[1], { channelId: 1 }),
      (state) => Object.assign(state.channels[0], { monitorId: 128 }),
      (state) => Object.assign(state.channels[0], { interfaceId: 'x' }),
      (state) => Object.assign(state.channels[0].gpadls[0], { list: 'ff'.repeat(72) }),
      (state) => Object.assign(state.channels[0].gpadls[0], { rangeCount: 2 ** 20 }),
      (state) => Object.assign(state.channels[0].gpadls[0], { handle: -1 }),
      (state) => Object.assign(state.channels[0].open, { message: 5 }),
      (state) => Object.assign(state, { inbox: ['0'] }),
    ]
    for (const [n, damage] of damages.entries()) {
      const { guest, state } = await saved()
      damage(state)
      const server = new VmbusServer({ ports: guest.ports, clock: guest.clock, release: hostRelease('2025') })
      server.offer(new SavableDevice(1))
      expect(() => server.restore(state), `damage ${n}`).toThrow(Error)
      await guest.clock.run()
      expect(server.connection).toBeUndefined()
      expect(server.brokenInvariants()).toEqual([])
    }
    const { guest, state } = await saved()
    const old = new VmbusServer({ ports: guest.ports, clock: guest.clock, release: hostRelease('2012') })
    expect(() => old.restore(state)).toThrow(RestoreError)
  })

  it('[HH-11] survives any change of single characters', async () => {
    const random = new SeededRandom(1)
    for (let run = 0; run < 300; run++) {
      const { guest } = await talking()
      const saving = guest.server.save()
      await guest.clock.run()
      const text = JSON.stringify(await saving)
      const at = random.below(text.length)
      const changed = text.slice(0, at) + random.pick(['0', '9', 'f', '"', '-', ']', 'e']) + text.slice(at + 1)
      let state: SavedServer
      try {
        state = JSON.parse(changed)
      } catch {
        continue
      }
      const server = new VmbusServer({ ports: guest.ports, clock: guest.clock, release: hostRelease('2025') })
      server.offer(new SavableDevice(1))
      try {
        server.restore(state)
      } catch (error) {
        expect((error as Error).name, changed).toMatch(/^(RestoreError|HostError)$/)
      }
      await guest.clock.run()
      expect(server.brokenInvariants()).toEqual([])
      await server[Symbol.asyncDispose]()
    }
  })

  it('refuses a server that has heard of its guest', async () => {
    const { guest } = await talking()
    expect(() => guest.server.restore({ format: 1, channels: [], inbox: [] })).toThrow(RestoreError)
  })

  it('leaves an open that the guest sent while it was saved to the next server', async () => {
    const guest = new TestGuest()
    guest.server.offer(new EchoDevice(1))
    await guest.connect()
    const run = guest.pages.allocate(8)
    run.bytes.fill(0)
    await guest.gpadl(
      1,
      7,
      Array.from({ length: 8 }, (_, n) => run.pfn + n),
    )
    const saving = guest.server.save()
    guest.post(encodeControlMessage('OPEN_CHANNEL', openMessage(1, 7, 4), guest.version))
    await guest.clock.run()
    const server = new VmbusServer({ ports: guest.ports, clock: guest.clock, release: hostRelease('2025') })
    server.offer(new EchoDevice(1))
    server.restore(await saving)
    expect(only(await guest.answers(), 'OPEN_RESULT').status).toBe(0)
  })
})
