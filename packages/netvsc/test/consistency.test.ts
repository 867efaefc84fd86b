import { VirtualFunction } from '@bis/host'
import { SeededRandom } from '@bis/hyperv-types'
import { NvspMessageType } from '@bis/hyperv-types/network'
import { describe, expect, it } from 'vitest'
import { SendSections } from '../src/transmit/send-sections.ts'
import { address, broadcast, collect, frameOf, Network, until } from './support/guests.ts'
import { NEVER, pair, TamperedAdapter } from './support/loopback.ts'
import { offload, segment } from './support/tcp.ts'

describe('messages', () => {
  for (const [release, bytes] of [
    ['2022', 40],
    ['2016', 28],
  ] as const) {
    it(`[ND-19] [RS-05] have the size of the negotiated version on every channel, on ${release}`, async () => {
      const made = pair(new TamperedAdapter(release, 4), { channelCount: 4 }, 4)
      const sizes = new Map<number, Set<number>>()
      made.host.tamper = ({ type, data }, { subIndex }) => {
        const nvs = data.length >= 4 ? new DataView(data.buffer).getUint32(0, true) : 0
        // Those that find out the version, and the table, have sizes of their own.
        if (
          data.length === 0 ||
          nvs === NvspMessageType.INIT_COMPLETE ||
          nvs === NvspMessageType.SEND_INDIRECTION_TABLE
        )
          return
        if (type !== 6) sizes.set(subIndex, (sizes.get(subIndex) ?? new Set()).add(data.length))
      }
      await made.hn.attach(NEVER)
      for (let port = 1; port < 40; port++) {
        const frame = segment({ to: broadcast, from: address(1), version: 4, payload: 10, port })
        made.hn.transmit(frame, 0, frame.length)
      }
      await until(() => made.hn.session?.outstanding === 0, 'completion')
      expect([...sizes.keys()].sort()).toEqual([0, 1, 2, 3])
      for (const seen of sizes.values()) expect([...seen]).toEqual([bytes])
      // Each channel has a processor of its own.
      expect(new Set(made.hn.session?.queues.map(({ channel }) => channel.cpu)).size).toBe(4)
    })
  }

  it('[ND-18] carry frames from anywhere, over page ends too, byte for byte', async () => {
    await using network = new Network()
    const a = await network.guest({ settings: { mtu: 9000 } })
    const b = await network.guest({ settings: { mtu: 9000 } })
    const got = collect(b.hn)
    const source = new Uint8Array(20_000)
    const random = new SeededRandom(3)
    let sent = 0
    for (let i = 0; i < 40; i++) {
      const length = 60 + random.below(8954)
      const offset = random.below(20_000 - length)
      const frame = frameOf(address(2), address(1), length, i)
      source.set(frame, offset)
      a.hn.transmit(source, offset, length)
      sent++
      await until(() => got.length === sent, 'arrival')
      expect(got.at(-1)).toEqual(frame)
    }
  })
})

it('[ND-11] send sections are handed out once each, in any order of giving back', () => {
  for (const count of [1, 10, 31, 33, 63, 65, 170]) {
    const sections = new SendSections(count * 6144 + 100, 6144)
    const out = new Set<number>()
    const random = new SeededRandom(count)
    for (let i = 0; i < 5000; i++) {
      if (random.below(2) === 0) {
        const section = sections.take()
        expect(section === -1).toBe(out.size === count)
        if (section === -1) continue
        expect(section < count && !out.has(section)).toBe(true)
        out.add(section)
      } else {
        const [section] = out
        sections.give(section ?? 9999)
        if (section !== undefined) out.delete(section)
      }
    }
  }
})

describe('features', () => {
  it('[OF-07] coalescing is told and changed while it runs', async () => {
    await using network = new Network()
    const a = await network.guest()
    const b = await network.guest()
    const { sysctl } = b.machine.kernel
    const segments: number[] = []
    b.hn.receive((frames, count) => {
      for (const frame of frames.slice(0, count)) segments.push(frame.segments)
    })
    const frame = segment({ to: address(2), from: address(1), version: 4, payload: 6000, large: true })
    const send = (): void =>
      void a.hn.transmit(frame, 0, frame.length, offload({ segmentSize: 1000, transportOffset: 34 }))
    send()
    await until(() => segments.length === 1, 'the whole frame')
    expect(segments[0]).toBeGreaterThan(1)
    sysctl.set('dev.hn.0.rsc_switch', 0)
    await until(() => sysctl.get('dev.hn.0.rsc_switch') === 0, 'the change')
    send()
    await until(() => segments.length === 7, 'the segments')
    expect(segments.slice(1)).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('[NC-07] what the host refuses takes nothing else with it', async () => {
    await using network = new Network('2016')
    const { hn, machine } = await network.guest()
    expect(hn.session?.offloads.coalesce).toBe(false)
    expect(machine.kernel.sysctl.get('dev.hn.0.caps')).toBe('VLAN,MTU,IPCS,TCP4CS,TCP6CS,UDP4CS,UDP6CS,TSO4,TSO6')
  })
})

it('[SV-05] [SV-07] any order of functions, sizes and suspending ends in a consistent state', async () => {
  await using network = new Network()
  const a = await network.guest()
  const b = await network.guest()
  const vf = new VirtualFunction({ name: 'mlx5_0', serial: 1, adapter: a.adapter })
  let registration: { remove(): void } | undefined
  const random = new SeededRandom(5)
  for (let i = 0; i < 50; i++) {
    const act = random.below(5)
    if (act === 0) vf.assign()
    else if (act === 1) vf.withdraw()
    else if (act === 2) registration ??= a.machine.kernel.interfaces.add('mce', () => vf)
    else if (act === 3) {
      registration?.remove()
      registration = undefined
    } else await a.hn.configure({ mtu: 1400 + random.below(100) })
  }
  registration ??= a.machine.kernel.interfaces.add('mce', () => vf)
  vf.assign()
  await until(() => a.hn.path.active === vf, 'the switch')
  await a.hn.path.settled()
  expect(a.adapter.dataPath).toBe('virtual-function')
  const got = collect(b.hn)
  a.hn.transmit(frameOf(address(2), address(1)), 0, 60)
  await until(() => got.length === 1, 'arrival')
  // Whoever configures interfaces leaves out those with a serial number: they belong to another.
  const masters = a.machine.kernel.interfaces.list().filter((item) => !('serial' in item))
  expect(masters).toEqual([a.hn])
})
