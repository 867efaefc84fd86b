import type { Channel } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import { holds, rejects, same } from './expect.ts'
import type { ChannelCase } from './fixture.ts'
import { openChannel, payload, RINGS, send } from './helpers.ts'

/** Opening, closing, sharing memory, losing the channel. */
export const lifeCases: readonly ChannelCase[] = [
  {
    name: 'opens, closes and opens again, with what the device needs to know',
    async run(fixture) {
      const { channel, peer } = fixture
      same('state', channel.state, 'offered')
      for (let round = 1; round <= 3; round++) {
        const userData = payload(round, 120)
        await openChannel(fixture, { userData })
        await fixture.until('the device to be open', () => peer.open)
        same('times opened', peer.opened, round)
        same('user data', peer.userData, userData)
        send(channel, round, payload(round, 16))
        await fixture.until('the packet', () => peer.received.length === round)
        await channel.close()
        same('state', channel.state, 'offered')
        await fixture.until('the device to be closed', () => !peer.open)
      }
      await channel.close()
      same('packets counted over all rounds', channel.statistics.packetsSent, 3)
    },
  },
  {
    name: 'refuses to open what cannot be, and stays as it was',
    async run(fixture) {
      const { channel, peer } = fixture
      const onPacket = (): void => {}
      for (const wrong of [{ txRingBytes: 4096 }, { rxRingBytes: 10_000 }, { userData: new Uint8Array(121) }]) {
        await rejects('open', channel.open({ ...RINGS, ...wrong, onPacket }), 'invalid-argument')
      }
      await rejects('aborted open', channel.open({ ...RINGS, onPacket, signal: AbortSignal.abort() }), 'aborted')
      same('state', channel.state, 'offered')
      same('times opened', peer.opened, 0)
      const first = channel.open({ ...RINGS, onPacket })
      await rejects('second open', channel.open({ ...RINGS, onPacket }), 'invalid-state')
      await first
      same('state after all', channel.state, 'open')
    },
  },
  {
    name: 'sends nothing while it is not open',
    async run(fixture) {
      const { channel, peer } = fixture
      same('before open', send(channel, 1, payload(1, 8)), SendStatus.gone)
      channel.beginBatch()
      channel.endBatch()
      await openChannel(fixture)
      await channel.close()
      same('after close', send(channel, 2, payload(2, 8)), SendStatus.gone)
      await fixture.settle()
      same('packets', peer.received.length, 0)
    },
  },
  {
    name: 'calls no handler once close has resolved, although packets are there',
    async run(fixture) {
      const { channel, peer } = fixture
      let calls = 0
      let closed = false
      let late = 0
      let closing: Promise<void> | undefined
      await openChannel(fixture, {
        onPacket() {
          calls++
          if (closed) late++
          if (calls === 3) {
            closing = channel.close().then(() => {
              closed = true
            })
          }
        },
      })
      for (let i = 0; i < 10; i++) peer.send(6, i, 0, payload(i, 16))
      await fixture.until('close from a handler', () => closing !== undefined)
      await closing
      await fixture.settle()
      same('calls', calls, 3)
      same('calls after close', late, 0)
    },
  },
  {
    name: 'shares pages with the device and takes them back',
    async run(fixture) {
      const { channel, peer } = fixture
      await openChannel(fixture)
      const { pages } = channel
      const handles = new Set<number>()
      for (const count of [1, 26, 27, 100]) {
        const run = pages.allocate(count)
        run.bytes.set(payload(count, 4096))
        const gpadl = await channel.establishGpadl(run)
        holds('a handle that is not 0', gpadl.handle !== 0)
        handles.add(gpadl.handle)
        const bytes = peer.readShared(gpadl.handle)
        holds(`the device reads ${count} pages`, bytes?.length === run.byteLength)
        holds(
          'what the device reads',
          payload(count, 4096).every((byte, i) => byte === bytes?.[i]),
        )
        await channel.teardownGpadl(gpadl)
        await channel.teardownGpadl(gpadl)
        holds('the device has let go', peer.readShared(gpadl.handle) === undefined)
        pages.free(run)
      }
      same('distinct handles', handles.size, 4)
      same('pages held', pages.heldPages, 0)
      const tooMany = { ...pages.allocate(1), pageCount: 9000, byteLength: 9000 * 4096 }
      await rejects('more pages than the wire can name', channel.establishGpadl(tooMany), 'invalid-argument')
    },
  },
  {
    name: 'gives every page back',
    async run(fixture) {
      const { channel } = fixture
      const before = channel.pages.freePages
      for (let round = 0; round < 5; round++) {
        await openChannel(fixture)
        await channel.close()
      }
      same('free pages', channel.pages.freePages, before)
    },
  },
  {
    name: 'moves its interrupts to another processor',
    async run(fixture) {
      const { channel, peer } = fixture
      const packets = await openChannel(fixture)
      const movable = channel.protocolVersion >= VmbusVersion.V4_1
      if (!movable) await rejects('setCpu before 4.1', channel.setCpu(0), 'refused')
      for (let cpu = channel.processorCount - 1; cpu >= 0 && movable; cpu--) {
        await channel.setCpu(cpu)
        same('cpu', channel.cpu, cpu)
        const before = packets.length
        peer.send(6, cpu, 0, payload(cpu, 8))
        await fixture.until('a packet', () => packets.length > before)
      }
      await rejects('a processor that is not there', channel.setCpu(channel.processorCount), 'invalid-argument')
    },
  },
  {
    name: 'hands out sub-channels, each once, which work as it does, and closes them first',
    needs: 'offerSubchannels',
    async run(fixture) {
      const { channel, peer } = fixture
      if (channel.protocolVersion < VmbusVersion.V2_4) return
      await openChannel(fixture)
      const heard: Channel[] = []
      const stop = channel.onSubchannel((sub) => heard.push(sub))
      peer.offerSubchannels?.(3)
      await fixture.until('three sub-channels', () => heard.length === 3)
      const again: Channel[] = []
      channel.onSubchannel((sub) => again.push(sub))()
      same('for a late listener', again.length, 3)
      stop()
      same(
        'indices',
        channel.subchannels.map(({ offer }) => offer.subIndex),
        [1, 2, 3],
      )
      let received = 0
      for (const sub of channel.subchannels) await sub.open({ ...RINGS, onPacket: () => void received++ })
      for (const sub of channel.subchannels) send(sub, sub.offer.subIndex, payload(1, 8))
      await fixture.until('packets on each', () => peer.received.length === 3)
      await channel.close()
      same(
        'states',
        heard.map(({ state }) => state === 'open'),
        [false, false, false],
      )
    },
  },
  {
    name: 'is gone when the host takes it away, at once and for good',
    needs: 'rescind',
    async run(fixture) {
      const { channel, peer } = fixture
      let calls = 0
      await openChannel(fixture, { onPacket: () => void calls++ })
      const run = channel.pages.allocate(4)
      const gpadl = await channel.establishGpadl(run)
      peer.rescind?.()
      await fixture.until('the end', () => channel.gone.aborted)
      same('state', channel.state, 'rescinded')
      same('reason', (channel.gone.reason as { code?: string }).code, 'rescinded')
      same('send', send(channel, 1, payload(1, 8)), SendStatus.gone)
      await rejects('open', channel.open({ ...RINGS, onPacket() {} }), 'rescinded')
      await rejects('establishGpadl', channel.establishGpadl(run), 'rescinded')
      await channel.teardownGpadl(gpadl)
      await channel.close()
      channel.pages.free(run)
      same('pages held', channel.pages.heldPages, 0)
      same('calls', calls, 0)
    },
  },
]
