import { join } from 'node:path'
import { systemClock } from '@bis/hyperv-types'
import type { MessageBody, MessageName } from '@bis/hyperv-types/vmbus'
import { afterEach, describe, expect, it } from 'vitest'
import type { HostReleaseName } from '../../src/host-release.ts'
import { Host } from '../../src/index.ts'
import type { VmbusUserServer } from '../../src/node/index.ts'
import { listenVmbusUser } from '../../src/node/index.ts'
import { EchoDevice } from '../support/test-guest.ts'
import { settle, until, workDirectory } from './guests.ts'
import type { Delivered } from './stranger.ts'
import { Stranger } from './stranger.ts'

const directory = workDirectory()
const path = join(directory, 'root.sock')
const strangers: Stranger[] = []
let server: VmbusUserServer | undefined

afterEach(async () => {
  for (const stranger of strangers.splice(0)) stranger.leave()
  await server?.close()
})

async function guestOf(release: HostReleaseName, processors = 4): Promise<Stranger> {
  const host = new Host({ release, clock: systemClock })
  const onPartition = ({ ports }: { ports: Parameters<Host['addGuest']>[0] }): void => {
    host.addGuest(ports).offer(new EchoDevice())
  }
  server = await listenVmbusUser({ path, onPartition })
  const stranger = await Stranger.connect(path, directory, processors)
  strangers.push(stranger)
  return stranger
}

function bodyOf<N extends MessageName>({ message }: Delivered, _name: N): MessageBody<N> {
  return message.body as MessageBody<N>
}

/** VERSION_RESPONSE to one contact: whether it was taken. */
async function answer(stranger: Stranger): Promise<boolean> {
  return bodyOf(await stranger.next('VERSION_RESPONSE'), 'VERSION_RESPONSE').version_supported !== 0
}

/** Newest first, each with the connection of its contact. Sources: Linux 6.1 `vmbus_versions`, FreeBSD `vmbus_version`. */
const LINUX: readonly (readonly [number, number])[] = [
  [0x5_0003, 4],
  [0x5_0002, 4],
  [0x5_0001, 4],
  [0x5_0000, 4],
  [0x4_0001, 1],
  [0x4_0000, 1],
  [0x3_0000, 1],
  [0x2_0004, 1],
]
const FREEBSD: readonly (readonly [number, number])[] = [
  [0x4_0000, 1],
  [0x3_0000, 1],
  [0x2_0004, 1],
  [0x1_0001, 1],
  [0x0000_000d, 1],
]

describe('a guest whose drivers are not ours', () => {
  it.each([
    ['Linux', LINUX, '2025', 0x5_0003],
    ['Linux', LINUX, '2019', 0x5_0002],
    ['FreeBSD', FREEBSD, '2025', 0x4_0000],
    ['FreeBSD', FREEBSD, '2012', 0x2_0004],
    ['FreeBSD', FREEBSD, '2008r2', 0x1_0001],
  ] as const)(
    'as %s is taken by the first version of its list that the host speaks (%#)',
    async (_os, list, release, expected) => {
      const stranger = await guestOf(release)
      let agreed: number | undefined
      for (const [version, connectionId] of list) {
        stranger.contact(version, connectionId)
        if (!(await answer(stranger))) continue
        agreed = version
        break
      }
      expect(agreed).toBe(expected)
      stranger.send('REQUEST_OFFERS', {}, expected)
      await stranger.next('ALL_OFFERS_DELIVERED')
    },
  )

  it('as Linux hears nothing at the second port of a host before 5.0, and goes on at the first', async () => {
    const stranger = await guestOf('2016')
    for (const [version, connectionId] of LINUX.slice(0, 4)) stranger.contact(version, connectionId)
    await settle()
    expect(stranger.delivered).toEqual([])
    stranger.contact(0x4_0001, 1)
    expect(await answer(stranger)).toBe(false)
    stranger.contact(0x4_0000, 1)
    expect(await answer(stranger)).toBe(true)
  })

  it('unloads before its second contact, and finds its devices again', async () => {
    const stranger = await guestOf('2022')
    for (let life = 0; life < 3; life++) {
      stranger.contact(0x5_0003, 4)
      expect(await answer(stranger)).toBe(true)
      stranger.send('REQUEST_OFFERS', {}, 0x5_0003)
      const offer = bodyOf(await stranger.next('OFFER_CHANNEL'), 'OFFER_CHANNEL')
      await stranger.next('ALL_OFFERS_DELIVERED')
      await stranger.open(offer.child_relid, 0x5_0003, 0)
      stranger.send('UNLOAD', {}, 0x5_0003)
      await stranger.next('UNLOAD_RESPONSE')
    }
  })

  it('posts its contact again when it hears nothing for long, and is served once', async () => {
    const stranger = await guestOf('2022')
    for (let post = 0; post < 3; post++) stranger.contact(0x5_0003, 4)
    for (let post = 0; post < 3; post++) expect(await answer(stranger)).toBe(true)
    stranger.send('REQUEST_OFFERS', {}, 0x5_0003)
    await stranger.next('ALL_OFFERS_DELIVERED')
    stranger.send('REQUEST_OFFERS', {}, 0x5_0003)
    await settle()
    expect(stranger.delivered).toEqual([])
  })

  it('has a message page on each processor: messages come to that of the contact, events to that of the channel', async () => {
    const stranger = await guestOf('2022')
    stranger.contact(0x5_0003, 4, 3)
    const response = await stranger.next('VERSION_RESPONSE')
    expect([response.vp, response.sint]).toEqual([3, 2])
    stranger.send('REQUEST_OFFERS', {}, 0x5_0003)
    const offered = await stranger.next('OFFER_CHANNEL')
    expect(offered.vp).toBe(3)
    const { child_relid: channelId, connection_id } = bodyOf(offered, 'OFFER_CHANNEL')
    await stranger.open(channelId, 0x5_0003, 2)
    // An in-band packet that asks for its completion: descriptor, eight bytes, trailer.
    const packet = new Uint8Array(32)
    new Uint16Array(packet.buffer, 0, 4).set([6, 2, 3, 1])
    packet[8] = 77
    const send = async (at: number): Promise<void> => {
      await stranger.poke(65 * 4096 + at, packet)
      await stranger.poke(64 * 4096, Uint8Array.of(at + 32))
      stranger.signal(connection_id)
    }
    await send(0)
    await until('an event', () => stranger.events.length > 0)
    expect(stranger.events).toEqual([{ vp: 2, sint: 2, flag: channelId }])
    expect([...stranger.peek(67 * 4096, 16)]).toEqual([11, 0, 2, 0, 3, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0])
    // It takes the answer, moves, and asks once more.
    await stranger.poke(66 * 4096 + 4, Uint8Array.of(32))
    stranger.send('MODIFY_CHANNEL', { child_relid: channelId, target_vp: 1 }, 0x5_0003)
    await stranger.next('MODIFY_CHANNEL_RESPONSE')
    await send(32)
    await until('an event', () => stranger.events.length > 1)
    expect(stranger.events[1]).toEqual({ vp: 1, sint: 2, flag: channelId })
  })
})
