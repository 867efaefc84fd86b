import type { MessageName } from '@bis/hyperv-types/vmbus'
import { CONTROL_MESSAGES, encodeControlMessage, VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { EchoDevice, names, only, TestGuest } from '../support/test-guest.ts'

type State = 'disconnected' | 'connected' | 'offered' | 'open' | 'revoked' | 'unloading'
const STATES: readonly State[] = ['disconnected', 'connected', 'offered', 'open', 'revoked', 'unloading']

/** A device that does not finish closing until it is told to. */
class SlowDevice extends EchoDevice {
  finish: () => void = () => {}
  override openChannel: EchoDevice['openChannel'] = () => ({
    onPacket() {},
    onClose: () =>
      new Promise<void>((resolve) => {
        this.finish = resolve
      }),
  })
}

/** A guest that has got as far as that. */
async function guestIn(
  state: State,
  version: number = VmbusVersion.V5_3,
): Promise<{ guest: TestGuest; device: SlowDevice }> {
  const guest = new TestGuest()
  const device = new SlowDevice()
  const port = guest.server.offer(device)
  if (state === 'disconnected') return { guest, device }
  await guest.contact(version)
  if (state === 'connected') return { guest, device }
  await guest.send('REQUEST_OFFERS', {})
  if (state === 'offered') return { guest, device }
  await guest.open(1)
  if (state === 'revoked') void port.revoke()
  if (state === 'unloading') guest.post(Uint8Array.of(16, 0, 0, 0, 0, 0, 0, 0))
  await guest.answers()
  return { guest, device }
}

/** The connection still does its work: from any state a fresh contact leads to an open channel and a later offer. */
async function stillWorks(guest: TestGuest, device: SlowDevice): Promise<void> {
  guest.post(encodeControlMessage('RELID_RELEASED', { child_relid: 1 }, guest.version))
  await guest.contact(VmbusVersion.V5_3)
  device.finish()
  await guest.clock.run()
  expect(guest.server.connection?.version).toBe(VmbusVersion.V5_3)
  await guest.send('REQUEST_OFFERS', {})
  guest.server.offer(new EchoDevice(99))
  const offer = only(await guest.answers(), 'OFFER_CHANNEL')
  expect((await guest.open(offer.child_relid, { handle: 0x7777 })).status).toBe(0)
  expect(guest.server.brokenInvariants()).toEqual([])
}

describe('messages in every state', () => {
  it.each(STATES)('[VC-01] drops and counts unknown types while %s, and goes on', async (state) => {
    const { guest, device } = await guestIn(state)
    const unknown = [0, 30, 31, 40, 0x1_0000, 0x7fff_ffff, 0xffff_ffff]
    for (const type of unknown) {
      const message = new Uint8Array(240)
      new DataView(message.buffer).setUint32(0, type, true)
      guest.post(message)
    }
    expect(await guest.answers()).toEqual([])
    expect(guest.server.counters.violations['unknown-message']).toBe(unknown.length)
    await stillWorks(guest, device)
  })

  it.each(STATES)(
    '[VC-01] [VC-12] does something defined with every type and nothing behind it while %s',
    async (state) => {
      for (let type = 0; type <= 40; type++) {
        const { guest, device } = await guestIn(state)
        const message = new Uint8Array(240)
        new DataView(message.buffer).setUint32(0, type, true)
        guest.post(message)
        await guest.clock.run()
        expect(guest.server.brokenInvariants()).toEqual([])
        await stillWorks(guest, device)
      }
    },
  )

  it('[HH-09] drops messages of every type that are too short, and answers none', async () => {
    for (const [name, spec] of Object.entries(CONTROL_MESSAGES)) {
      const { guest } = await guestIn('open')
      for (let length = 0; length < spec.minLength; length++) {
        const message = new Uint8Array(length).fill(0xaa)
        if (length >= 4) new DataView(message.buffer).setUint32(0, spec.type, true)
        guest.post(message)
      }
      expect(await guest.answers(), name).toEqual([])
      expect(guest.server.counters.violations['short-message']).toBe(spec.minLength)
      expect(guest.server.connection).toBeDefined()
    }
  })

  it('drops what only hosts send', async () => {
    const { guest } = await guestIn('open')
    const fromHost = Object.values(CONTROL_MESSAGES).filter(({ direction }) => direction === 'host-to-guest')
    for (const { type } of fromHost) {
      const message = new Uint8Array(240)
      new DataView(message.buffer).setUint32(0, type, true)
      guest.post(message)
    }
    expect(await guest.answers()).toEqual([])
    expect(guest.server.counters.violations['wrong-direction']).toBe(fromHost.length)
  })

  it('[VC-18] drops messages that the version or its features do not have', async () => {
    const allowedFrom: Partial<Record<MessageName, number>> = {
      OPEN_RESERVED_CHANNEL: VmbusVersion.V4_0,
      TL_CONNECT_REQUEST: VmbusVersion.V4_0,
      MODIFY_CHANNEL: VmbusVersion.V4_1,
      MODIFY_CONNECTION: Number.POSITIVE_INFINITY,
      PAUSE: Number.POSITIVE_INFINITY,
      RESUME: Number.POSITIVE_INFINITY,
    }
    for (const version of Object.values(VmbusVersion)) {
      for (const [name, from] of Object.entries(allowedFrom)) {
        const guest = new TestGuest()
        await guest.connect(version)
        const message = new Uint8Array(240)
        new DataView(message.buffer).setUint32(0, CONTROL_MESSAGES[name as MessageName].type, true)
        guest.post(message)
        await guest.clock.run()
        const dropped = guest.server.counters.violations['not-allowed'] ?? 0
        expect(dropped, `${name} on ${version.toString(16)}`).toBe(version >= from ? 0 : 1)
      }
    }
  })

  it('takes REQUEST_OFFERS once, and tells no one of a device before it', async () => {
    const guest = new TestGuest()
    guest.server.offer(new EchoDevice(1))
    await guest.contact(VmbusVersion.V5_3)
    guest.server.offer(new EchoDevice(2))
    expect(await guest.answers()).toEqual([])
    expect(names(await guest.send('REQUEST_OFFERS', {}))).toEqual([
      'OFFER_CHANNEL',
      'OFFER_CHANNEL',
      'ALL_OFFERS_DELIVERED',
    ])
    expect(await guest.send('REQUEST_OFFERS', {})).toEqual([])
    expect(guest.server.counters.violations.unexpected).toBe(1)
    guest.server.offer(new EchoDevice(3))
    expect(names(await guest.answers())).toEqual(['OFFER_CHANNEL'])
  })

  it('[VC-15] tells of no device before REQUEST_OFFERS, whatever happens first', async () => {
    const guest = new TestGuest()
    await guest.contact(VmbusVersion.V5_3)
    const port = guest.server.offer(new EchoDevice(1))
    guest.server.offer(new EchoDevice(2))
    await port.revoke()
    expect(await guest.answers()).toEqual([])
    expect(names(await guest.send('REQUEST_OFFERS', {}))).toEqual(['OFFER_CHANNEL', 'ALL_OFFERS_DELIVERED'])
  })

  it('[HH-07] refuses posts beyond its queue as the hypervisor does, and takes them again later', async () => {
    const guest = new TestGuest({ quotas: { queuedMessages: 8 } })
    const message = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0)
    const statuses = Array.from({ length: 10 }, () => guest.post(message))
    expect(statuses).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0x13, 0x13])
    await guest.clock.run()
    expect(guest.post(message)).toBe(0)
  })

  it('[OP-01] [HH-07] writes few lines for many violations, and says how many there were', async () => {
    const guest = new TestGuest()
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 500; n++) guest.post(Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0))
      await guest.clock.run()
    }
    expect(guest.log.length).toBe(5)
    await guest.clock.advance(10_000)
    guest.post(Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0))
    await guest.clock.run()
    expect(guest.log.at(-1)).toContain('4995 more like it')
    expect(guest.server.counters.violations['unknown-message']).toBe(5001)
  })

  it('holds what it sends while the connection is paused', async () => {
    const guest = new TestGuest()
    const features = 0x20
    await guest.connect(VmbusVersion.V6_0, {
      interrupt: { target: { msg_sint: 2, target_vtl: 0, feature_flags: features } },
    })
    expect(names(await guest.send('PAUSE', {}))).toEqual(['PAUSE_RESPONSE'])
    guest.server.offer(new EchoDevice(1))
    expect(await guest.answers()).toEqual([])
    expect(await guest.send('PAUSE', {})).toEqual([])
    expect(names(await guest.send('RESUME', {}))).toEqual(['OFFER_CHANNEL'])
    expect(await guest.send('RESUME', {})).toEqual([])
    expect(guest.server.counters.violations.unexpected).toBe(2)
    await guest.send('PAUSE', {})
    expect(names(await guest.send('UNLOAD', {}))).toEqual(['UNLOAD_RESPONSE'])
  })

  it('bounds what it holds for a guest that never resumes', async () => {
    const guest = new TestGuest({ quotas: { pausedMessages: 2 } })
    await guest.connect(VmbusVersion.V6_0, {
      interrupt: { target: { msg_sint: 2, target_vtl: 0, feature_flags: 0x20 } },
    })
    await guest.send('PAUSE', {})
    for (let n = 0; n < 5; n++) guest.server.offer(new EchoDevice(n))
    expect(names(await guest.send('RESUME', {}))).toEqual(['OFFER_CHANNEL', 'OFFER_CHANNEL'])
    expect(guest.server.counters.violations.quota).toBe(3)
  })

  it('takes new monitor pages with MODIFY_CONNECTION, and keeps the old ones when they are bad', async () => {
    const guest = new TestGuest()
    await guest.connect(VmbusVersion.V6_0, {
      interrupt: { target: { msg_sint: 2, target_vtl: 0, feature_flags: 0x04 } },
    })
    const modify = async (monitor_page1: number, monitor_page2: number) =>
      only(await guest.send('MODIFY_CONNECTION', { monitor_page1, monitor_page2 }), 'MODIFY_CONNECTION_RESPONSE')
        .connection_state
    expect(await modify(0x10_0000, 0x10_1000)).toBe(0)
    expect(await modify(0x10_0000, 0)).toBe(2)
    expect(guest.server.connection?.monitorPages?.guestToHost).toBe(0x10_1000)
    expect(await modify(0, 0)).toBe(0)
    expect(guest.server.connection?.monitorPages).toBeUndefined()
  })

  it('refuses hvsock connections with a result from 4.1 on', async () => {
    const request = {
      guest_endpoint_id: '00000001-facb-11e6-bd58-64006a7986d3',
      host_service_id: '00000002-facb-11e6-bd58-64006a7986d3',
      silo_id: '00000000-0000-0000-0000-000000000000',
    }
    const guest = new TestGuest()
    await guest.connect(VmbusVersion.V4_0)
    expect(await guest.send('TL_CONNECT_REQUEST', request)).toEqual([])
    await guest.connect(VmbusVersion.V4_1)
    const result = only(await guest.send('TL_CONNECT_REQUEST', request), 'TL_CONNECT_RESULT')
    expect(result).toMatchObject({ status: 0xc000_0236, guest_endpoint_id: request.guest_endpoint_id })
  })
})
