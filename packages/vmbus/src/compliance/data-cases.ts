import { SendStatus } from '@bis/hyperv-types'
import { holds, same } from './expect.ts'
import type { ChannelCase } from './fixture.ts'
import { fill, LONGEST_DATA, openChannel, padded, payload, send } from './helpers.ts'

const LENGTHS = [0, 1, 7, 8, 9, 63, 64, 65, 1499, 1500, 4095, 4096, 4097, LONGEST_DATA - 1, LONGEST_DATA]

/** Moving packets. */
export const dataCases: readonly ChannelCase[] = [
  {
    name: 'packets of every length arrive whole, once and in order',
    async run(fixture) {
      const { channel, peer } = fixture
      await openChannel(fixture)
      for (let i = 0; i < 300; i++) {
        const data = payload(i, LENGTHS[i % LENGTHS.length] ?? 0)
        while (send(channel, i + 1, data) === SendStatus.full) await fixture.settle()
      }
      await fixture.until('all packets', () => peer.received.length >= 300)
      await fixture.settle()
      same('number of packets', peer.received.length, 300)
      for (const [i, packet] of peer.received.entries()) {
        same(`id of packet ${i}`, packet.transactionIdLow, i + 1)
        const expected = padded(payload(i, LENGTHS[i % LENGTHS.length] ?? 0))
        holds(
          `data of packet ${i}`,
          packet.data.length === expected.length && packet.data.every((b, at) => b === expected[at]),
        )
      }
    },
  },
  {
    name: 'type, flags, both words of the id, and an extra header go through',
    async run(fixture) {
      const { channel, peer } = fixture
      await openChannel(fixture)
      const header = payload(1, 24)
      const data = payload(2, 40)
      channel.send(9, 1, 0xffff_fffe, 0x8000_0001, header, 16, data, 8, 20)
      channel.send(11, 0, 0, 0xffff_ffff, undefined, 0, data, 0, 0)
      await fixture.until('two packets', () => peer.received.length === 2)
      const [first, second] = peer.received
      same('packet with header', first, {
        type: 9,
        flags: 1,
        transactionIdLow: 0xffff_fffe,
        transactionIdHigh: 0x8000_0001,
        header: header.subarray(0, 16),
        data: padded(data.subarray(8, 28)),
      })
      same('empty packet', [second?.type, second?.transactionIdHigh, second?.data.length], [11, 0xffff_ffff, 0])
    },
  },
  {
    name: 'what the peer sends arrives whole, once and in order',
    async run(fixture) {
      const { peer } = fixture
      const packets = await openChannel(fixture)
      for (let i = 0; i < 300; i++) {
        const data = payload(i, LENGTHS[i % LENGTHS.length] ?? 0)
        while (!peer.send(6, i, 0x1_0000 + i, data)) await fixture.settle()
      }
      await fixture.until('all packets', () => packets.length >= 300)
      await fixture.settle()
      same('number of packets', packets.length, 300)
      for (const [i, packet] of packets.entries()) {
        same(`id of packet ${i}`, [packet.transactionIdLow, packet.transactionIdHigh], [i, 0x1_0000 + i])
        const expected = padded(payload(i, LENGTHS[i % LENGTHS.length] ?? 0))
        holds(
          `data of packet ${i}`,
          packet.data.length === expected.length && packet.data.every((b, at) => b === expected[at]),
        )
      }
    },
  },
  {
    name: 'a full ring refuses a packet, loses none, and says when there is room again',
    async run(fixture) {
      const { channel, peer } = fixture
      let writable = 0
      await openChannel(fixture, { onWritable: () => void writable++ })
      peer.pause()
      const first = fill(channel, 0, 200)
      await fixture.settle()
      same('calls of onWritable while the ring is full', writable, 0)
      peer.resume()
      await fixture.until('onWritable', () => writable > 0)
      same('send after onWritable', send(channel, first, payload(first, 200)), SendStatus.sent)
      await fixture.until('all packets', () => peer.received.length === first + 1)
      same(
        'ids',
        peer.received.map(({ transactionIdLow }) => transactionIdLow),
        Array.from({ length: first + 1 }, (_, i) => i),
      )
      same('rings found full', channel.statistics.ringFull > 0, true)
    },
  },
  {
    name: 'a packet that the ring can never take is refused as such',
    async run(fixture) {
      const { channel, peer } = fixture
      await openChannel(fixture)
      same('send', send(channel, 1, new Uint8Array(LONGEST_DATA + 1)), SendStatus.tooLarge)
      same(
        'send with header',
        channel.send(9, 0, 1, 0, new Uint8Array(64), 64, new Uint8Array(LONGEST_DATA), 0, LONGEST_DATA),
        SendStatus.tooLarge,
      )
      same('the longest', send(channel, 2, payload(2, LONGEST_DATA)), SendStatus.sent)
      await fixture.until('one packet', () => peer.received.length === 1)
      await fixture.settle()
      same('packets', peer.received.length, 1)
    },
  },
  {
    name: 'a batch arrives when it ends',
    async run(fixture) {
      const { channel, peer } = fixture
      await openChannel(fixture)
      const before = channel.statistics.signalsSent
      channel.beginBatch()
      for (let i = 0; i < 20; i++) send(channel, i, payload(i, 100))
      await fixture.settle()
      same('packets before the end', peer.received.length, 0)
      channel.endBatch()
      await fixture.until('all packets', () => peer.received.length === 20)
      holds('one signal at most', channel.statistics.signalsSent - before <= 1)
    },
  },
  {
    name: 'answers sent from a handler arrive, and handlers do not nest',
    async run(fixture) {
      const { channel, peer } = fixture
      let depth = 0
      let deepest = 0
      let bursts = 0
      await openChannel(fixture, {
        onPacket({ transactionIdLow }) {
          deepest = Math.max(deepest, ++depth)
          channel.send(11, 0, transactionIdLow, 0, undefined, 0, payload(transactionIdLow, 32), 0, 32)
          depth--
        },
        onBatchEnd: () => {
          bursts++
          holds('onBatchEnd outside of onPacket', depth === 0)
        },
      })
      for (let i = 0; i < 100; i++) while (!peer.send(6, i, 0, payload(i, 64))) await fixture.settle()
      await fixture.until('all answers', () => peer.received.length === 100)
      same('depth of handlers', deepest, 1)
      holds('onBatchEnd was called', bursts > 0)
      same('types', new Set(peer.received.map(({ type }) => type)).size, 1)
    },
  },
  {
    name: 'a packet longer than asked for is skipped once, and the next one read',
    async run(fixture) {
      const { peer, channel } = fixture
      const packets = await openChannel(fixture, { maxPacketBytes: 128 })
      for (const [i, length] of [112, 120, 8, 4000, 112].entries()) {
        peer.send(6, i, 0, payload(i, length))
        await fixture.settle()
      }
      await fixture.until('three packets', () => packets.length === 3)
      same(
        'ids',
        packets.map(({ transactionIdLow }) => transactionIdLow),
        [0, 2, 4],
      )
      same('protocol errors', channel.statistics.protocolErrors, 2)
    },
  },
  {
    name: 'a handler that throws harms nobody else',
    async run(fixture) {
      const { peer } = fixture
      let calls = 0
      await openChannel(fixture, {
        onPacket() {
          calls++
          if (calls === 1) throw new Error('a mistake in the driver')
        },
      })
      peer.send(6, 1, 0, payload(1, 8))
      await fixture.settle()
      peer.send(6, 2, 0, payload(2, 8))
      await fixture.until('the second packet', () => calls === 2)
    },
  },
  {
    name: "a packet of the peer is the handler's own: later changes of the ring do not show",
    async run(fixture) {
      const { peer, channel } = fixture
      const data = payload(3, 64)
      let intact: boolean | undefined
      await openChannel(fixture, {
        onPacket(packet) {
          if (intact !== undefined) return
          // More than the ring holds passes over this packet's place.
          for (let i = 0; i < 10; i++) peer.send(6, 9, 0, payload(9, 2000))
          const part = packet.bytes.subarray(packet.dataOffset, packet.dataOffset + 64)
          intact = part.every((byte, i) => byte === data[i])
        },
      })
      peer.send(6, 1, 0, data)
      await fixture.until('the packet', () => intact !== undefined)
      holds('the packet was intact', intact === true)
      await fixture.settle()
      await channel.close()
    },
  },
]
