import { VMBUS_VERSIONS, VmbusFeature, VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { HOST_RELEASES, hostRelease } from '../../src/host-release.ts'
import { EchoDevice, names, only, TestGuest } from '../support/test-guest.ts'

const hex = (text: string) => Uint8Array.from(text.split(/[\s|]+/).map((byte) => Number.parseInt(byte, 16)))
const target = (msg_sint: number, target_vtl = 0, feature_flags = 0) => ({
  interrupt: { target: { msg_sint, target_vtl, feature_flags } },
})

describe('negotiation', () => {
  it.each(HOST_RELEASES)('%s accepts its versions and all older ones, and no others', async (release) => {
    const { vmbusVersion } = hostRelease(release)
    for (const version of VMBUS_VERSIONS) {
      const guest = new TestGuest({ release })
      const response = only(await guest.contact(version), 'VERSION_RESPONSE')
      expect(response.version_supported).toBe(version <= vmbusVersion ? 1 : 0)
      expect(response.connection_state).toBe(0)
      expect(guest.server.connection?.version).toBe(version <= vmbusVersion ? version : undefined)
      const told = version > vmbusVersion ? 0 : version >= VmbusVersion.V5_0 ? 1 : version
      expect(response.msg_conn_id).toBe(told)
    }
  })

  it('refuses versions that do not exist, and those that it is told to refuse', async () => {
    const guest = new TestGuest({ versions: { refuseVersions: [VmbusVersion.V5_3], maxVersion: VmbusVersion.V5_3 } })
    for (const version of [0, 1, 0x1_0000, 0x2_0003, 0x4_0002, 0x5_0004, 0x5_0003, 0x6_0000, 0x7_0000, 0xffff_ffff]) {
      expect(only(await guest.contact(version), 'VERSION_RESPONSE').version_supported).toBe(0)
    }
    expect(only(await guest.contact(VmbusVersion.V5_2), 'VERSION_RESPONSE').version_supported).toBe(1)
  })

  it('[DS-09] [VC-17] has the second message port only when it speaks 5.0, and tells of unknown ones', async () => {
    for (const release of HOST_RELEASES) {
      const guest = new TestGuest({ release })
      const has = hostRelease(release).vmbusVersion >= VmbusVersion.V5_0
      const contact = hex(`0e 00 00 00 00 00 00 00 0d 00 00 00 ${'00 '.repeat(28).trim()}`)
      expect(guest.post(contact, 4)).toBe(has ? 0 : 0x12)
      expect(guest.post(contact, 5)).toBe(0x12)
      expect(guest.post(contact, 2)).toBe(0x12)
      expect(guest.ports.root.eventSignaled(0x2001, 0, 0)).toBe(0x12)
      expect(guest.server.counters.unknownConnections).toBe(has ? 3 : 4)
    }
  })

  it('takes messages where it tells guests to post them, redirected or not', async () => {
    const guest = new TestGuest({ versions: { messageConnectionId: 0x80_0074 } })
    const contact = hex(`0e 00 00 00 00 00 00 00 03 00 05 00 00 00 00 00 02 ${'00 '.repeat(23).trim()}`)
    expect(guest.post(contact, 0x80_0074)).toBe(0)
    expect(only(await guest.answers(), 'VERSION_RESPONSE')).toMatchObject({
      version_supported: 1,
      msg_conn_id: 0x80_0074,
    })
    expect(guest.post(hex('03 00 00 00 00 00 00 00'), 0x80_0074)).toBe(0)
    expect(names(await guest.answers())).toContain('ALL_OFFERS_DELIVERED')
    expect(guest.post(contact, 0x80_0075)).toBe(0x12)
  })

  it('answers the contact of a Linux guest byte by byte', async () => {
    const guest = new TestGuest({ release: '2022' })
    guest.post(
      hex(
        '0e 00 00 00 00 00 00 00 | 03 00 05 00 | 00 00 00 00 | 02 00 00 00 00 00 00 00 | 00 00 10 00 00 00 00 00 | 00 10 10 00 00 00 00 00',
      ),
      4,
    )
    await guest.clock.run()
    const [sent] = guest.ports.messages
    expect(sent).toMatchObject({ vp: 0, sint: 2 })
    expect(sent?.payload).toEqual(hex('0f 00 00 00 00 00 00 00 | 01 | 00 | 00 00 | 01 00 00 00'))
    expect(guest.server.connection?.monitorPages).toEqual({ hostToGuest: 0x10_0000, guestToHost: 0x10_1000 })
  })

  it.each([
    ['the two monitor pages are one', { monitor_page1: 0x10_0000, monitor_page2: 0x10_0000 }],
    ['there is one monitor page only', { monitor_page1: 0x10_0000 }],
    ['there is the other monitor page only', { monitor_page2: 0x10_0000 }],
    ['a monitor page lies beyond memory', { monitor_page1: 0x10_0000, monitor_page2: 2 ** 40 }],
    ['a monitor page is not aligned', { monitor_page1: 0x10_0008, monitor_page2: 0x10_1000 }],
    ['there is no such processor', { target_vcpu: 4 }],
    ['the processor is "none"', { target_vcpu: 0xffff_ffff }],
    ['the SINT is the hypervisor’s', target(0)],
    ['there is no such SINT', target(16)],
    ['there is no such SINT at all', target(255)],
    ['it is for a paravisor', target(2, 2)],
  ])('[DS-08] fails, and says so, when %s', async (_what, change) => {
    const guest = new TestGuest()
    const response = only(await guest.contact(VmbusVersion.V5_3, change), 'VERSION_RESPONSE')
    expect(response).toMatchObject({ version_supported: 1, connection_state: 2 })
    expect(guest.server.connection).toBeUndefined()
    expect(names(await guest.send('REQUEST_OFFERS', {}))).toEqual([])
    expect(only(await guest.contact(VmbusVersion.V5_3), 'VERSION_RESPONSE').connection_state).toBe(0)
  })

  it('shows every failure as "not supported" before 2.4, which has no state to tell', async () => {
    const guest = new TestGuest()
    const change = { interrupt: { interrupt_page: 2 ** 40 } }
    const response = only(await guest.contact(VmbusVersion.V1_1, change), 'VERSION_RESPONSE')
    expect(response).toMatchObject({ version_supported: 0 })
  })

  it('sends messages to the processor of the contact from 3.0 on, and to its SINT from 5.0 on', async () => {
    const where = async (version: number, change: object) => {
      const guest = new TestGuest()
      guest.server.offer(new EchoDevice())
      guest.version = version
      await guest.contact(version, { target_vcpu: 3, ...change })
      await guest.send('REQUEST_OFFERS', {})
      guest.post(hex('10 00 00 00 00 00 00 00'))
      await guest.clock.run()
      return guest.ports.messages.map(({ vp, sint }) => [vp, sint])
    }
    expect(await where(VmbusVersion.V2_4, {})).toEqual([[0, 2]])
    expect(await where(VmbusVersion.V3_0, {})).toEqual([[3, 2]])
    expect(await where(VmbusVersion.V5_0, target(5))).toEqual([[3, 5]])
  })

  it('[VC-18] grants the features that the guest offers, the version defines and the release has', async () => {
    const granted = async (version: number, offered: number, release: '2022' | '2025' = '2025') => {
      const guest = new TestGuest({ release })
      await guest.contact(version, target(2, 0, offered))
      return guest.server.connection?.features
    }
    // The client id would make the contact longer.
    const all = hostRelease('2025').vmbusFeatures & ~VmbusFeature.CLIENT_ID
    expect(await granted(VmbusVersion.V6_0, 0xffff_ffff)).toBe(all)
    expect(await granted(VmbusVersion.V6_0, 0)).toBe(0)
    expect(await granted(VmbusVersion.V6_0, 0x8000_0020)).toBe(VmbusFeature.PAUSE_RESUME)
    expect(await granted(VmbusVersion.V5_3, 0xffff_ffff)).toBe(0)
    expect(await granted(VmbusVersion.V5_3, 0xffff_ffff, '2022')).toBe(0)
  })

  it('[VC-18] reads the contact with and without client id, at any alignment', async () => {
    const contact = new Uint8Array(57)
    const view = new DataView(contact.buffer, 1)
    view.setUint32(0, 14, true)
    view.setUint32(8, VmbusVersion.V6_0, true)
    view.setUint8(16, 2)
    view.setUint32(20, VmbusFeature.CLIENT_ID | VmbusFeature.MODIFY_CONNECTION, true)
    view.setUint8(40, 0x5a)
    const long = new TestGuest()
    long.post(contact.subarray(1), 4)
    await long.clock.run()
    expect(long.server.connection).toMatchObject({ features: 0x0c, clientId: '0000005a-0000-0000-0000-000000000000' })
    expect(long.ports.messages[0]?.payload.length).toBe(20)
    const short = new TestGuest()
    short.post(contact.subarray(1, 41), 4)
    await short.clock.run()
    expect(short.server.connection).toMatchObject({ features: 0x04, clientId: undefined })
  })

  it('[DS-21] [SR-07] takes a contact while connected as an unload, and lets go of the old pages before it answers', async () => {
    const guest = new TestGuest()
    const device = new EchoDevice()
    guest.server.offer(device)
    const pages = { monitor_page1: 0x8_0000, monitor_page2: 0x8_1000 }
    await guest.connect(VmbusVersion.V1_1, { interrupt: { interrupt_page: 0x8_2000 }, ...pages })
    const channel = await guest.open(1)
    const reached: string[] = []
    const answered = guest.ports.messages.length
    expect(answered).toBe(0)
    const before = guest.ports.memory.bytesAt(0x8_0000, 3 * 4096).slice()
    const answers = await guest.contact(VmbusVersion.V5_3)
    reached.push(...device.events)
    expect(reached).toEqual(['open 0', 'close 0', 'reset'])
    expect(names(answers)).toEqual(['VERSION_RESPONSE'])
    expect(guest.ports.memory.bytesAt(0x8_0000, 3 * 4096)).toEqual(before)
    expect(channel.status).toBe(0)
    // The former guest's channel is no more: its signal reaches no one.
    expect(guest.signal(1)).toBe(0x12)
    expect(names(await guest.send('REQUEST_OFFERS', {}))).toEqual(['OFFER_CHANNEL', 'ALL_OFFERS_DELIVERED'])
    expect(guest.server.brokenInvariants()).toEqual([])
  })

  it('answers UNLOAD from 1.1 on, and is ready for the next contact', async () => {
    const guest = new TestGuest()
    await guest.connect(VmbusVersion.V0_13)
    expect(names(await guest.send('UNLOAD', {}))).toEqual([])
    await guest.connect(VmbusVersion.V1_1)
    expect(names(await guest.send('UNLOAD', {}))).toEqual(['UNLOAD_RESPONSE'])
    expect(names(await guest.send('UNLOAD', {}))).toEqual([])
    await guest.connect(VmbusVersion.V5_3)
  })
})
