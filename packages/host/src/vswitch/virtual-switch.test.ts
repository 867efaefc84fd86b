import { ManualClock } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import type { PortOptions, PortSettings } from './port-settings.ts'
import { SwitchFrame } from './switch-frame.ts'
import type { SwitchPort } from './switch-port.ts'
import type { SwitchKind } from './virtual-switch.ts'
import { VirtualSwitch } from './virtual-switch.ts'

const BROADCAST = 0xff

/** A switch whose ports note what comes: the byte after the Ethernet header, and the tag as `n@vlan`. */
class Bench {
  readonly clock = new ManualClock()
  readonly switch: VirtualSwitch
  readonly got = new Map<SwitchPort, string[]>()

  constructor(kind: SwitchKind = 'external') {
    this.switch = new VirtualSwitch({ clock: this.clock, kind })
  }

  /** Guests have the address of their number; ports of the host and beyond have none. */
  port(n: number, settings: PortSettings = {}, kind: PortOptions['kind'] = 'vm'): SwitchPort {
    const got: string[] = []
    const port = this.switch.addPort(
      { name: `port ${n}`, kind, ...(kind === 'vm' ? { address: Uint8Array.from(mac(n)) } : {}), ...settings },
      {
        takesChecksums: false,
        takesSegments: 0,
        deliver({ bytes, offset, vlan, priority }) {
          const tag = vlan === 0 ? '' : `@${vlan}${priority === 0 ? '' : `p${priority}`}`
          got.push(`${bytes[offset + 14]}${tag}`)
        },
      },
    )
    this.got.set(port, got)
    return port
  }

  send(from: SwitchPort, to: number, source: number, n: number, tag: { vlan?: number; priority?: number } = {}): void {
    const frame = new SwitchFrame()
    frame.bytes = Uint8Array.from([...mac(to), ...mac(source), 0x88, 0xb5, n, ...new Array<number>(45).fill(0)])
    frame.length = frame.bytes.length
    frame.vlan = tag.vlan ?? 0
    frame.priority = tag.priority ?? 0
    from.send(frame)
    from.flush()
  }

  /** What came to these ports since the last time. */
  take(...ports: SwitchPort[]): string[][] {
    return ports.map((port) => this.got.get(port)?.splice(0) ?? [])
  }
}

function mac(n: number): number[] {
  return n === BROADCAST ? new Array<number>(6).fill(0xff) : [0, 0x15, 0x5d, 0, 0, n]
}

describe('a switch', () => {
  it('has the ports that its kind allows, and each address once', () => {
    for (const [kind, kinds] of [
      ['private', ['vm']],
      ['internal', ['vm', 'host']],
      ['external', ['vm', 'host', 'external']],
    ] as const) {
      const bench = new Bench(kind)
      for (const [n, each] of (['vm', 'host', 'external'] as const).entries()) {
        const add = (): SwitchPort => bench.port(n, {}, each)
        if ((kinds as readonly string[]).includes(each)) add()
        else expect(add).toThrow(expect.objectContaining({ code: 'bad-offer' }))
      }
      expect(() => bench.port(0)).toThrow(/have the same address/)
      expect(bench.switch.ports.length).toBe(kinds.length)
    }
  })

  it('learns what is outside, forgets it after five minutes, and shows guests no foreign unicast', async () => {
    const bench = new Bench()
    const [a, b] = [bench.port(1), bench.port(2)]
    const [east, west] = [bench.port(3, {}, 'external'), bench.port(4, {}, 'external')]
    const all = [a, b, east, west] as const
    bench.send(a, 100, 1, 1)
    expect(bench.take(...all)).toEqual([[], [], ['1'], ['1']])
    bench.send(east, 1, 100, 2)
    bench.send(a, 100, 1, 3)
    expect(bench.take(...all)).toEqual([['2'], [], ['3'], []])
    // It moves, and is found at its new place.
    bench.send(west, BROADCAST, 100, 4)
    bench.send(a, 100, 1, 5)
    expect(bench.take(...all)).toEqual([['4'], ['4'], ['4'], ['5']])
    await bench.clock.advance(299_000)
    bench.send(a, 100, 1, 6)
    await bench.clock.advance(2000)
    bench.send(a, 100, 1, 7)
    expect(bench.take(east, west)).toEqual([['7'], ['6', '7']])
    // Nobody outside takes over a guest's address; a port that is gone is forgotten with what it was.
    bench.send(east, BROADCAST, 2, 8)
    bench.send(a, 2, 1, 9)
    expect(bench.take(b, east)).toEqual([['8', '9'], []])
    b.remove()
    bench.send(a, 2, 1, 10)
    expect(bench.take(b, east, west)).toEqual([[], ['10'], ['8']])
  })

  it('never sends a frame back, and nothing past a pulled cable', () => {
    const bench = new Bench()
    const [a, b] = [bench.port(1), bench.port(2)]
    const captured: number[] = []
    bench.switch.capture([b], (block) => captured.push(block[0] ?? 0))
    bench.send(a, 1, 1, 1)
    b.configure({ connected: false })
    bench.send(a, 2, 1, 2)
    bench.send(b, 1, 2, 3)
    b.configure({ connected: true })
    bench.send(b, 1, 2, 4)
    expect(bench.take(a, b)).toEqual([['4'], []])
    // A section, an interface, and the one frame that passed (types of pcapng blocks).
    expect(captured).toEqual([10, 1, 6])
  })
})

describe('VLANs', () => {
  it('keep access and trunk ports apart, priorities only where they are trusted', () => {
    const bench = new Bench()
    const seven = { vlan: { mode: 'access', id: 7 } } as const
    const trunk = { vlan: { mode: 'trunk', native: 7, allowed: [8, 9] } } as const
    const a = bench.port(1, seven)
    const b = bench.port(2, seven)
    const t = bench.port(3, { ...trunk, priorityTag: true })
    const u = bench.port(4, trunk)
    const plain = bench.port(5)
    bench.send(a, BROADCAST, 1, 1)
    expect(bench.take(b, t, u, plain)).toEqual([['1'], ['1'], ['1'], []])
    bench.send(t, BROADCAST, 3, 2, { vlan: 8, priority: 5 })
    bench.send(u, BROADCAST, 4, 3, { vlan: 9, priority: 5 })
    bench.send(t, BROADCAST, 3, 4, { vlan: 10 })
    bench.send(a, BROADCAST, 1, 5, { vlan: 7 })
    expect(bench.take(a, b, t, u, plain)).toEqual([[], [], ['3@9'], ['2@8p5'], []])
    expect([t.counters.vlanDrops, a.counters.vlanDrops]).toEqual([1, 3])
    expect(() => a.configure({ vlan: { mode: 'access', id: 4095 } })).toThrow(RangeError)
  })

  it('can be private: isolated ports meet promiscuous ones only, a community itself too', () => {
    const bench = new Bench()
    const isolated = { vlan: { mode: 'isolated', primary: 100, secondary: 101 } } as const
    const community = { vlan: { mode: 'community', primary: 100, secondary: 102 } } as const
    const ports = [
      bench.port(1, isolated),
      bench.port(2, isolated),
      bench.port(3, community),
      bench.port(4, community),
      bench.port(5, { vlan: { mode: 'promiscuous', primary: 100, secondaries: [101, 102] } }),
      bench.port(6),
    ]
    const reached = ports.slice(0, 5).map((port, i) => {
      bench.send(port, BROADCAST, i + 1, 0)
      return bench.take(...ports).map((got) => got.length)
    })
    expect(reached).toEqual([
      [0, 0, 0, 0, 1, 0],
      [0, 0, 0, 0, 1, 0],
      [0, 0, 0, 1, 1, 0],
      [0, 0, 1, 0, 1, 0],
      [1, 1, 1, 1, 0, 0],
    ])
  })
})

describe('a port', () => {
  it('may flood so much in a second', async () => {
    const bench = new Bench()
    const [a, b] = [bench.port(1, { stormLimit: 3 }), bench.port(2)]
    for (let i = 0; i < 5; i++) bench.send(a, BROADCAST, 1, i)
    bench.send(a, 2, 1, 9)
    await bench.clock.advance(1000)
    bench.send(a, BROADCAST, 1, 10)
    expect(bench.take(b)).toEqual([['0', '1', '2', '9', '10']])
    expect(a.counters.stormDrops).toBe(2)
  })

  it('with macSpoofing may use any source address, and is found by the one it was given since', () => {
    const bench = new Bench()
    const [a, b] = [bench.port(1), bench.port(2, { macSpoofing: true })]
    bench.send(a, BROADCAST, 9, 1)
    expect([bench.take(b), a.counters.spoofDrops]).toEqual([[[]], 1])
    expect([a.setAddress(Uint8Array.from(mac(9))), b.setAddress(Uint8Array.from(mac(9)))]).toEqual([false, true])
    bench.send(a, 9, 1, 2)
    bench.send(b, 1, 77, 3)
    bench.send(a, 77, 1, 4)
    expect(bench.take(a, b)).toEqual([['3'], ['2', '4']])
  })

  it('delays its frames by a fixed time and a random one, the same for the same seed', async () => {
    const times = async (): Promise<number[]> => {
      const bench = new Bench()
      const [a, b] = [bench.port(1), bench.port(2, { faults: { seed: 4, delayMs: 50, jitterMs: 20 } })]
      for (let i = 0; i < 8; i++) bench.send(a, 2, 1, i)
      const came: number[] = []
      for (let now = 0; now < 100; now++) {
        for (const _ of bench.take(b)[0] ?? []) came.push(now)
        await bench.clock.advance(1)
      }
      return came
    }
    const first = await times()
    expect(first.length).toBe(8)
    expect(Math.min(...first)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...first)).toBeLessThanOrEqual(71)
    expect(new Set(first).size).toBeGreaterThan(3)
    expect(await times()).toEqual(first)
  })

  it('is kept to its bandwidth: a burst at once, the rest in time, what is too much dropped', async () => {
    const bench = new Bench()
    // 1 Mbit/s are 125 bytes in a millisecond; 65,536 bytes pass at once and as many may wait.
    const [a, b] = [bench.port(1, { maximumBandwidth: 1e6 }), bench.port(2)]
    for (let i = 0; i < 3000; i++) bench.send(a, 2, 1, i & 0xff)
    const burst = Math.floor(65_536 / 60)
    expect(bench.take(b)[0]?.length).toBe(burst)
    await bench.clock.advance(480)
    const later = bench.take(b)[0]?.length ?? 0
    expect(later).toBeGreaterThanOrEqual(990)
    expect(later).toBeLessThanOrEqual(1001)
    await bench.clock.advance(10_000)
    expect((bench.take(b)[0]?.length ?? 0) + later).toBe(burst)
  })

  it('that is mirrored shows all it sends and receives to the destination, in any VLAN', () => {
    const bench = new Bench()
    const seven = { vlan: { mode: 'access', id: 7 } } as const
    const source = bench.port(1, { ...seven, mirror: 'source' })
    const peer = bench.port(2, seven)
    const watcher = bench.port(3, { mirror: 'destination' })
    const other = bench.port(4)
    bench.send(source, 2, 1, 1)
    bench.send(peer, 1, 2, 2)
    bench.send(peer, BROADCAST, 2, 3)
    bench.send(source, BROADCAST, 1, 4)
    bench.send(other, BROADCAST, 4, 5)
    expect(bench.take(watcher)[0]).toEqual(['1@7', '2@7', '3@7', '4@7', '5'])
    watcher.configure({ mirror: 'none' })
    bench.send(source, 2, 1, 6)
    expect(bench.take(watcher)[0]).toEqual([])
  })
})
