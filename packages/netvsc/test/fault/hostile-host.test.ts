import type { ReceivedFrame } from '@bis/hyperv-types'
import { TransmitStatus } from '@bis/hyperv-types'
import { NvspMessageType, RndisMessageType } from '@bis/hyperv-types/network'
import { describe, expect, it } from 'vitest'
import type { VirtualFunctionInterface } from '../../src/index.ts'
import { address, broadcast, collect, frameOf, until } from '../support/guests.ts'
import type { Outgoing, Pair, Tamper } from '../support/loopback.ts'
import { NEVER, pair, TamperedAdapter } from '../support/loopback.ts'
import { offload, segment } from '../support/tcp.ts'

const nvsType = ({ data }: Outgoing): number => new DataView(data.buffer).getUint32(0, true)
const setWord = ({ data }: Outgoing, at: number, value: number): void => {
  new DataView(data.buffer).setUint32(at, value, true)
}

/** Attaches against a tampering host, which must fail or not; then the same device attaches to an honest one. */
async function attempt(tamper: Tamper, fails: boolean, made: Pair = pair()): Promise<Pair> {
  made.host.tamper = tamper
  const failure = await made.hn.attach(NEVER).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (fails)
    expect(failure).toMatchObject({
      code: expect.stringMatching(/protocol|timeout|attach-failed|not-supported|removed/),
    })
  else expect(failure).toBeUndefined()
  if (!fails) return made
  expect(made.pages.allocatedPages).toBe(0)
  made.host.tamper = undefined
  await made.hn.attach(NEVER)
  return made
}

describe('a host that lies while the device starts', () => {
  const sections: readonly (readonly [string, readonly [number, number][]])[] = [
    ['section of 0 bytes', [[16, 0]]],
    ['section of 1 byte', [[16, 1]]],
    ['huge section', [[16, 0xffff_ffff]]],
    ['no sections', [[20, 0]]],
    ['more sections than fit', [[20, 0x10_0000]]],
    [
      'count times size that wraps',
      [
        [16, 0x1_0000],
        [20, 0x1_0000],
      ],
    ],
    ['two runs of sections', [[8, 2]]],
    ['sections that begin later', [[12, 4096]]],
    ['failure', [[4, 2]]],
  ]
  for (const [what, words] of sections) {
    it(`[ND-08] ${what}: refused, and the next attempt works`, async () => {
      await attempt((packet) => {
        if (nvsType(packet) !== NvspMessageType.SEND_RECV_BUF_COMPLETE) return
        for (const [at, value] of words) setWord(packet, at, value)
      }, true)
    })
  }

  it('[NC-01] [NC-05] cuts, exchanges and loses each control answer: refused, and the next attempt works', async () => {
    const counted: number[] = []
    await attempt((packet) => {
      if (packet.type === 11 && packet.data.length > 0) counted.push(nvsType(packet))
      return undefined
    }, false)
    const answers = [
      NvspMessageType.INIT_COMPLETE,
      NvspMessageType.SEND_RECV_BUF_COMPLETE,
      NvspMessageType.SEND_SEND_BUF_COMPLETE,
    ]
    expect(counted).toEqual(expect.arrayContaining(answers))
    for (const type of answers) {
      for (const length of [0, 4, 8]) {
        await attempt((packet) => {
          if (packet.type === 11 && packet.data.length > 0 && nvsType(packet) === type)
            packet.data = packet.data.slice(0, length)
        }, true)
      }
      await attempt((packet) => {
        if (packet.type === 11 && packet.data.length > 0 && nvsType(packet) === type) setWord(packet, 0, 200)
      }, true)
      await attempt((packet) => packet.type !== 11 || packet.data.length === 0 || nvsType(packet) !== type, true)
    }
  })

  for (const [what, at, values] of [
    ['message length', 4, [0, 7, 11, 15, 0xffff, 0xffff_ffff]],
    ['answer length', 16, [0x7fff_ffff, 0xffff_fff0, 0xffff_ffff]],
    ['answer offset', 20, [0, 15, 0x7fff_ffff, 0xffff_fff0]],
    ['type', 0, [0, 1, 0x8000_0009]],
  ] as const) {
    it(`[NC-01] [NC-03] [ND-09] RNDIS answers with a bad ${what}: refused, and the next attempt works`, async () => {
      for (const value of values) {
        const made = pair()
        await attempt(
          (packet, channel) => {
            const view = messageOf(made, packet, channel.memory.bytesAt.bind(channel.memory))
            if (view?.getUint32(0, true) === RndisMessageType.QUERY_C) view.setUint32(at, value, true)
          },
          true,
          made,
        )
      }
    })
  }

  it('[ND-15] [RS-02] with events between every two answers: starts all the same', async () => {
    let inside = false
    const made = await attempt((_packet, channel) => {
      if (inside) return
      inside = true
      const association = new Uint8Array(40)
      new DataView(association.buffer).setUint32(0, NvspMessageType.SEND_VF_ASSOCIATION, true)
      channel.send(6, 0, 0, 0, undefined, 0, association, 0, 40)
      channel.send(6, 0, 0, 0, undefined, 0, new Uint8Array(8), 0, 8)
      channel.send(11, 0, 77, 0, undefined, 0, new Uint8Array(8), 0, 8)
      inside = false
    }, false)
    expect(made.hn.counters.protocolErrors).toBeGreaterThan(0)
  })

  for (const [what, status, granted] of [
    ['none', 1, 0],
    ['failure', 2, 3],
    ['one more', 1, 4],
    ['2^32-1', 1, 0xffff_ffff],
  ] as const) {
    it(`[RS-03] [RS-08] ${what} of the sub-channels: goes on with one queue`, async () => {
      const made = pair(new TamperedAdapter('2022', 4), { channelCount: 4 }, 4)
      await attempt(
        (packet) => {
          if (packet.type !== 11 || packet.data.length < 12 || nvsType(packet) !== NvspMessageType.SUBCHANNEL) return
          setWord(packet, 4, status)
          setWord(packet, 8, granted)
        },
        false,
        made,
      )
      expect(made.hn.capabilities.queues).toBe(1)
      expect(made.hn.transmit(frameOf(broadcast, address(1)), 0, 60)).toBe(TransmitStatus.sent)
    })
  }
})

/** The RNDIS message of a one-range packet, in the receive buffer. */
function messageOf(
  made: Pair,
  packet: Outgoing,
  bytesAt: (gpa: number, length: number) => Uint8Array,
): DataView | undefined {
  const { header } = packet
  const buffer = receiveBuffer(made)
  if (packet.type !== 7 || header === undefined || buffer === undefined) return undefined
  const view = new DataView(header.buffer)
  const bytes = bytesAt(buffer.gpa + view.getUint32(12, true), view.getUint32(8, true))
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const buffers = new WeakMap<Pair, { readonly gpa: number }>()
function receiveBuffer(made: Pair): { readonly gpa: number } | undefined {
  const known = buffers.get(made)
  if (known !== undefined) return known
  // The first GPADL is the receive buffer.
  const gpadl = made.channel.hostChannel?.gpadl(1)
  if (gpadl === undefined) return undefined
  const found = { gpa: (gpadl.pfns[0] ?? 0) * 4096 }
  buffers.set(made, found)
  return found
}

describe('a host that lies while the device runs', () => {
  /** Sends one transfer-page packet that says what the test wants. */
  async function give(
    made: Pair,
    ranges: readonly [number, number][],
    message: (view: DataView) => void,
    setId = 0xcafe,
  ): Promise<void> {
    const channel = made.host.channels[0]
    const buffer = receiveBuffer(made)
    if (channel === undefined || buffer === undefined) throw new Error('not running')
    const [, offset] = ranges[0] ?? [0, 0]
    const bytes = channel.memory.bytesAt(buffer.gpa + Math.min(offset, 1024), 1808)
    bytes.fill(0)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    view.setUint32(0, 1, true)
    view.setUint32(4, 316, true)
    view.setUint32(8, 248, true)
    view.setUint32(12, 60, true)
    bytes.set(frameOf(address(1), address(2)), 256)
    message(view)
    const header = new DataView(new ArrayBuffer(8 + ranges.length * 8))
    header.setUint16(0, setId, true)
    header.setUint32(4, ranges.length, true)
    ranges.forEach(([length, at], i) => {
      header.setUint32(8 + i * 8, length, true)
      header.setUint32(12 + i * 8, at, true)
    })
    const nvs = new Uint8Array(40)
    nvs[0] = 107
    channel.send(7, 1, 3, 0, new Uint8Array(header.buffer), header.byteLength, nvs, 0, 40)
    // The next one lies in the same bytes.
    await new Promise((resolve) => setImmediate(resolve))
  }

  it('[ND-09] [ND-17] [NC-01] no length or offset reaches beyond the section, and each packet is acknowledged', async () => {
    const made = pair()
    await made.hn.attach(NEVER)
    const got = collect(made.hn)
    const big = [0, 1, 7, 43, 44, 316, 317, 1807, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff]
    let bad = 0
    for (const at of [4, 8, 12, 28, 32]) {
      for (const value of big) {
        await give(made, [[1808, 0]], (view) => {
          view.setUint32(at, value, true)
          if (at === 28) view.setUint32(32, 16, true)
          if (at === 32) view.setUint32(28, 36, true)
        })
        bad++
      }
    }
    for (const length of big) await give(made, [[length, 0]], () => {})
    for (const offset of [0x10_0000, 0xffff_ffff, 0x7fff_ffff]) await give(made, [[1808, offset]], () => {})
    await give(made, [[1808, 0]], () => {}, 0xbeef)
    for (const size of [0, 1, 11, 13, 0xffff_ffff]) {
      await give(made, [[1808, 0]], (view) => {
        view.setUint32(28, 36, true)
        view.setUint32(32, 32, true)
        view.setUint32(44, size, true)
        view.setUint32(52, 12, true)
      })
    }
    await until(() => made.channel.statistics.packetsReceived > bad, 'work')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(made.hn.counters.protocolErrors).toBeGreaterThan(40)
    expect(got.every((frame) => frame.length <= 1500)).toBe(true)
    // Everything is acknowledged, though nothing was outstanding as this host sees it.
    expect(made.host.adapter.counters.badCompletion).toBeGreaterThan(bad)
    got.length = 0
    await give(made, [[1808, 0]], () => {})
    await until(() => got.length === 1, 'a good frame after all that')
  })

  it('[ND-07] uses its own copy: what the host changes later is not seen', async () => {
    const made = pair()
    await made.hn.attach(NEVER)
    let frame: ReceivedFrame | undefined
    let before = ''
    let after = ''
    made.hn.receive((frames) => {
      frame = frames[0]
      if (frame === undefined) return
      const { bytes, offset, length } = frame
      before = String(bytes.subarray(offset, offset + length))
      const buffer = receiveBuffer(made)
      if (buffer !== undefined) made.memory.bytesAt(buffer.gpa, 4096).fill(0xee)
      after = String(bytes.subarray(offset, offset + length))
    })
    await give(made, [[1808, 0]], () => {})
    await until(() => frame !== undefined, 'arrival')
    expect(after).toBe(before)
  })

  it('[NC-04] a broken series of segments leaves nothing behind', async () => {
    const made = pair()
    await made.hn.attach(NEVER)
    const got = collect(made.hn)
    const piece = (flags: number) => (view: DataView) => {
      view.setUint32(28, 36, true)
      view.setUint32(32, 16, true)
      view.setUint32(44, 16, true)
      view.setUint32(48, 0x8000_0001, true)
      view.setUint32(52, 12, true)
      view.setUint32(56, 1 | (flags << 8), true)
    }
    await give(made, [[1808, 0]], piece(1 | 2))
    await give(made, [[1808, 0]], piece(1))
    await give(made, [[1808, 0]], piece(1 | 4))
    await give(made, [[1808, 0]], piece(1 | 2 | 4))
    await give(made, [[1808, 0]], () => {})
    await until(() => got.length === 2, 'the good ones')
    expect(got.map(({ length }) => length)).toEqual([60, 60])
    expect(made.hn.counters.rscDrop).toBeGreaterThan(0)
  })

  it('[NC-02] takes link indications of either layout', async () => {
    const made = pair()
    await made.hn.attach(NEVER)
    const link: boolean[] = []
    made.hn.onEvent((event) => event.type === 'link' && link.push(event.link.up))
    for (const length of [24, 20]) {
      await give(made, [[24, 0]], (view) => {
        view.setUint32(0, RndisMessageType.INDICATE, true)
        view.setUint32(4, length, true)
        view.setUint32(8, length === 24 ? 0x4001_000c : 0x4001_000b, true)
        view.setUint32(12, 4, true)
        view.setUint32(16, 12, true)
      })
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(link).toEqual([false, true])
  })

  it('[RS-01] a send table of either layout is read, a bad one changes nothing', async () => {
    const made = pair(new TamperedAdapter('2022', 4), { channelCount: 4 }, 4)
    await made.hn.attach(NEVER)
    const table = (): readonly number[] => made.hn.session?.table.entries ?? []
    const channel = made.host.channels[0]
    const send = (bytes: number, offset: number, count: number, value: number): void => {
      const view = new DataView(new ArrayBuffer(bytes))
      view.setUint32(0, 134, true)
      view.setUint32(4, count, true)
      view.setUint32(8, offset, true)
      for (let at = 12; at + 4 <= bytes; at += 4) view.setUint32(at, value, true)
      channel?.send(6, 0, 0, 0, undefined, 0, new Uint8Array(view.buffer), 0, bytes)
    }
    const before = [...table()]
    expect(before).toEqual(Array.from({ length: 16 }, (_, i) => i % 4))
    for (const [bytes, offset, count] of [
      [80, 0, 16],
      [80, 11, 16],
      [80, 20, 16],
      [80, 0xffff_ffff, 16],
      [80, 12, 17],
      [16, 12, 16],
    ] as const) {
      send(bytes, offset, count, 1)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(table()).toEqual(before)
    send(104, 40, 16, 99)
    await until(() => table()[0] === 99, 'the table')
    // Entries beyond the channels are never used as they are.
    for (let hash = 0; hash < 16; hash++) expect(made.hn.session?.table.channelOf(hash, 4)).toBeLessThan(4)
  })

  it('[ND-02] what the host puts into the ring while it answers the opening is not lost', async () => {
    const made = pair()
    const { host } = made
    const open = host.openChannel.bind(host)
    host.openChannel = (channel) => {
      const handlers = open(channel)
      const early = new DataView(new ArrayBuffer(40))
      early.setUint32(0, NvspMessageType.SEND_VF_ASSOCIATION, true)
      early.setUint32(4, 1, true)
      early.setUint32(8, 42, true)
      queueMicrotask(() => channel.send(6, 0, 0, 0, undefined, 0, new Uint8Array(early.buffer), 0, 40))
      return handlers
    }
    await made.hn.attach(NEVER)
    expect(made.hn.counters.protocolErrors).toBe(0)
    const vf = {
      serial: 42,
      name: 'mce0',
      settings: { ...made.hn.settings, up: true },
      receive() {},
    } as unknown as VirtualFunctionInterface
    made.hn.path.arrived(vf)
    expect(made.hn.path.paired).toBe(vf)
  })

  it('[ND-04] [ND-20] every size goes out with its header in one range, and the strict host takes it', async () => {
    const made = pair(undefined, { mtu: 9000 })
    await made.hn.attach(NEVER)
    const all = offload({ vlan: 5, hash: 7, checksum: 2, transportOffset: 34 })
    const frame = new Uint8Array(9014)
    frame.set(frameOf(broadcast, address(1), 9014))
    frame[12] = 8
    frame[13] = 0
    frame[14] = 0x45
    for (let length = 60; length <= 9014; length += 37) {
      while (made.hn.transmit(frame, 0, length, all) !== TransmitStatus.sent)
        await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await until(() => made.hn.session?.outstanding === 0, 'completion')
    expect(made.host.adapter.counters.splitHeader).toBe(0)
    expect(made.hn.counters.sendFailed).toBe(0)
  })

  it('[ND-01] [ND-16] [ND-12] never stays stopped: whatever the host holds back, room is told of when it comes', async () => {
    const made = pair(undefined, { txDescriptors: 4, largeBuffers: 2 })
    await made.hn.attach(NEVER)
    const held: Outgoing[] = []
    made.host.tamper = (packet) => {
      if (packet.type !== 11 || packet.high !== 0) return
      held.push(packet)
      return false
    }
    let writable = 0
    made.hn.onEvent(({ type }) => type === 'writable' && writable++)
    const frame = frameOf(broadcast, address(1), 100)
    for (let round = 0; round < 50; round++) {
      let sent = 0
      while (made.hn.transmit(frame, 0, 100) === TransmitStatus.sent) sent++
      expect(sent).toBe(round === 0 ? 4 : 1 + ((round - 1) % 4))
      await until(() => held.length === 4, 'the host')
      const told = writable
      const count = 1 + (round % 4)
      for (const { type, flags, low, high, data } of held.splice(0, count)) {
        made.host.channels[0]?.send(type, flags, low, high, undefined, 0, data, 0, data.length)
      }
      await until(() => writable > told, 'room')
      // [ND-10] [ND-11] An answer to what is not outstanding changes nothing.
      made.host.channels[0]?.send(11, 0, 4000, 0, undefined, 0, new Uint8Array(8), 0, 8)
    }
  })

  for (const queue of [0, 1]) {
    it(`starts again when the host completes nothing any more on channel ${queue}`, async () => {
      const made = pair(new TamperedAdapter('2022', 2), { watchdogMs: 50 }, 2)
      await made.hn.attach(NEVER)
      made.host.tamper = ({ type, high }, { subIndex }) => type !== 11 || high !== 0 || subIndex !== queue
      for (let port = 1; port <= 20; port++) {
        const to = address(2)
        const frame = segment({ to, from: address(1), version: 4, payload: 10, port })
        made.hn.transmit(frame, 0, frame.length)
      }
      await until(() => made.hn.counters.watchdog > 0, 'the watchdog')
      made.host.tamper = undefined
      await until(() => made.hn.session !== undefined && made.hn.session.outstanding === 0, 'the restart')
      const sent = made.host.adapter.counters.txFrames
      await until(() => made.hn.transmit(frameOf(broadcast, address(1)), 0, 60) === TransmitStatus.sent, 'sending')
      await until(() => made.host.adapter.counters.txFrames > sent, 'arrival')
      await made.hn.detach()
    })
  }

  it('takes a host that is only slow for none that is stuck', async () => {
    const made = pair(undefined, { watchdogMs: 300 })
    await made.hn.attach(NEVER)
    let held: Outgoing | undefined
    made.host.tamper = (packet) => {
      if (packet.type !== 11 || packet.high !== 0) return
      held = packet
      return false
    }
    // Quiet for long, then a message whose answer is under way whenever the watchdog looks.
    await new Promise((resolve) => setTimeout(resolve, 400))
    for (let i = 0; i < 12; i++) {
      made.hn.transmit(frameOf(broadcast, address(1)), 0, 60)
      await until(() => held !== undefined, 'the answer')
      await new Promise((resolve) => setTimeout(resolve, 70))
      if (held !== undefined)
        made.host.channels[0]?.send(held.type, held.flags, held.low, 0, undefined, 0, held.data, 0, held.data.length)
      held = undefined
    }
    expect(made.hn.counters.watchdog).toBe(0)
    made.host.tamper = undefined
    await made.hn.detach()
  })

  it('[ND-21] [NC-05] a device that is taken away at any moment leaves nothing', async () => {
    for (let after = 0; after < 30; after++) {
      const made = pair()
      let seen = 0
      made.host.tamper = () => {
        if (seen++ === after) queueMicrotask(() => void made.rescind())
        return undefined
      }
      const attached = await made.hn.attach(NEVER).then(
        () => true,
        () => false,
      )
      if (attached) {
        made.hn.transmit(frameOf(broadcast, address(1)), 0, 60)
        await made.rescind()
        await made.hn.detach()
        expect(made.hn.transmit(frameOf(broadcast, address(1)), 0, 60)).toBe(TransmitStatus.down)
      }
      expect(made.pages.allocatedPages).toBe(0)
    }
  })
})
