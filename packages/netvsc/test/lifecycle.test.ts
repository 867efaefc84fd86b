import { hostRelease, VirtualFunction } from '@bis/host'
import type { Clock } from '@bis/hyperv-types'
import { systemClock, TransmitStatus } from '@bis/hyperv-types'
import { sendFrame } from '@bis/hyperv-types/ethernet'
import { describe, expect, it } from 'vitest'
import type { HnInterface } from '../src/index.ts'
import { address, collect, frameOf, instance, Network, until } from './support/guests.ts'
import { segment } from './support/tcp.ts'

describe('settings', () => {
  it('[NC-08] [ND-14] survive a jumbo MTU under traffic both ways', async () => {
    await using network = new Network()
    const adapter = { port: { macSpoofing: true } }
    const a = await network.guest({ adapter })
    const b = await network.guest()
    const mine = address(77)
    await a.hn.configure({ address: mine, promiscuous: true, multicast: [Uint8Array.of(1, 0, 0x5e, 0, 0, 1)] })
    let run = true
    const flood = async (from: HnInterface, to: Uint8Array): Promise<void> => {
      const frame = frameOf(to, from.settings.address, 900)
      while (run) {
        for (let i = 0; i < 20; i++) from.transmit(frame, 0, frame.length)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const floods = [flood(a.hn, b.hn.settings.address), flood(b.hn, mine)]
    const before = { ...a.hn.settings }
    for (const mtu of [9000, 1500, 4000, 9000]) await a.hn.configure({ mtu })
    expect(a.hn.settings).toEqual({ ...before, mtu: 9000 })
    run = false
    await Promise.all(floods)
    await b.hn.configure({ mtu: 9000 })
    const got = collect(b.hn)
    const frame = frameOf(b.hn.settings.address, mine, 9014)
    expect(a.hn.transmit(frame, 0, frame.length)).toBe(TransmitStatus.sent)
    await until(() => got.some(({ length }) => length === 9014), 'the long frame')
    expect(a.hn.counters.protocolErrors).toBe(0)
    expect(a.hn.counters.watchdog).toBe(0)
    // A size that the host does not take leaves everything as it was.
    await expect(a.hn.configure({ mtu: 20_000 })).rejects.toMatchObject({ code: 'not-supported' })
    expect(a.hn.settings.mtu).toBe(9000)
    expect(a.hn.transmit(frame, 0, frame.length)).toBe(TransmitStatus.sent)
  })

  it('decide what arrives: nothing when down, groups by list, foreign unicast never', async () => {
    await using network = new Network()
    const a = await network.guest()
    const b = await network.guest()
    const got = collect(b.hn)
    const group = Uint8Array.of(1, 0, 0x5e, 0, 0, 9)
    const send = (to: Uint8Array): void => void a.hn.transmit(frameOf(to, a.hn.settings.address), 0, 60)
    await b.hn.configure({ allMulticast: false, multicast: [] })
    send(group)
    await b.hn.configure({ multicast: [group] })
    send(group)
    send(address(99))
    await until(() => got.length === 1, 'the group frame')
    await b.hn.configure({ up: false })
    send(b.hn.settings.address)
    await b.hn.configure({ up: true })
    send(b.hn.settings.address)
    await until(() => got.length === 2, 'arrival')
    expect(got.map((frame) => [...frame.subarray(0, 6)])).toEqual([[...group], [...b.hn.settings.address]])
  })

  it('refuses an address that the switch does not allow', async () => {
    await using network = new Network()
    const { hn } = await network.guest()
    await expect(hn.configure({ address: address(5) })).rejects.toMatchObject({ code: 'not-supported' })
    expect(hn.settings.address).toEqual(address(1))
  })
})

describe('queues', () => {
  it('[RS-07] spread flows over the channels, and keep a flow on one', async () => {
    await using network = new Network()
    const machine = { processorCount: 4 }
    const a = await network.guest({ machine })
    const b = await network.guest({ machine })
    expect(a.hn.capabilities.queues).toBe(4)
    expect(a.hn.session?.table.fromHost).toBe(true)
    const queues = new Map<number, Set<number>>()
    let count = 0
    b.hn.receive((frames, n) => {
      for (const frame of frames.slice(0, n)) {
        const port = frame.view.getUint16(frame.offset + 34)
        const seen = queues.get(port) ?? new Set()
        queues.set(port, seen.add(frame.queue))
        expect(frame.hash).not.toBe(0)
      }
      count += n
    })
    for (let port = 1; port <= 200; port++) {
      const frame = segment({ to: b.hn.settings.address, from: a.hn.settings.address, version: 4, payload: 10, port })
      for (let i = 0; i < 2; i++) expect(await sendFrame(a.hn, frame)).toBe(true)
    }
    await until(() => count === 400, 'arrival')
    const used = [...queues.values()].map((seen) => [...seen])
    expect(used.every((seen) => seen.length === 1)).toBe(true)
    for (let queue = 0; queue < 4; queue++) expect(used.flat().filter((q) => q === queue).length).toBeGreaterThan(20)
    await b.hn.setScaling(new Uint8Array(40).fill(0x5a), new Array<number>(128).fill(2))
    queues.clear()
    const frame = segment({ to: b.hn.settings.address, from: a.hn.settings.address, version: 4, payload: 10 })
    a.hn.transmit(frame, 0, frame.length)
    await until(() => count === 401, 'arrival')
    expect([...queues.values()].map((seen) => [...seen])).toEqual([[2]])
  })

  it('[RS-04] [RS-06] refuse a key without a table at once, and old hosts hear nothing of scaling', async () => {
    await using network = new Network('2012')
    const { hn } = await network.guest({ machine: { processorCount: 4 } })
    expect(hn.capabilities.queues).toBe(1)
    await expect(hn.setScaling(new Uint8Array(40))).rejects.toMatchObject({ code: 'not-supported' })
  })

  for (const [tx, rx] of [
    [1, 4],
    [4, 1],
    [4, 2],
    [2, 4],
  ] as const) {
    it(`[ND-13] [RS-08] work with ${tx} wanted and ${rx} given`, async () => {
      await using network = new Network()
      const machine = { processorCount: 4 }
      const a = await network.guest({ machine, settings: { channelCount: tx }, adapter: { maxQueues: rx } })
      const b = await network.guest()
      expect(a.hn.capabilities.queues).toBe(Math.min(tx, rx))
      const got = collect(b.hn)
      for (let port = 1; port <= 50; port++) {
        const frame = segment({ to: b.hn.settings.address, from: a.hn.settings.address, version: 4, payload: 10, port })
        expect(a.hn.transmit(frame, 0, frame.length)).toBe(TransmitStatus.sent)
      }
      await until(() => got.length === 50, 'arrival')
    })
  }
})

describe('coming and going', () => {
  it('adds and removes NICs of a running machine, with traffic on another', async () => {
    await using network = new Network()
    const a = await network.guest()
    const b = await network.guest()
    const got = collect(b.hn)
    let sent = 0
    const frame = frameOf(b.hn.settings.address, a.hn.settings.address)
    for (let round = 0; round < 3; round++) {
      const adapter = network.adapter({
        address: address(50),
        instanceId: `f8615163-0000-4000-8000-0000000000${50 + round}`,
      })
      const port = a.machine.plug(adapter)
      await until(() => a.machine.kernel.interfaces.get('hn1') !== undefined, 'hn1')
      const extra = a.machine.kernel.interfaces.get('hn1')
      const fromExtra = frameOf(b.hn.settings.address, address(50))
      expect(extra?.transmit(fromExtra, 0, 60)).toBe(TransmitStatus.sent)
      for (let i = 0; i < 50; i++, sent++) a.hn.transmit(frame, 0, frame.length)
      await until(() => got.length === sent + round + 1, 'arrival')
      await port.revoke()
      adapter.remove()
      await until(() => a.machine.kernel.interfaces.get('hn1') === undefined, 'removal')
      // [ND-21]
      expect(extra?.transmit(fromExtra, 0, 60)).toBe(TransmitStatus.down)
    }
    expect(network.switch.ports.length).toBe(2)
  })

  it('[ND-14] [NC-08] keeps its settings over suspend and resume', async () => {
    await using network = new Network()
    const a = await network.guest({ machine: { processorCount: 2 } })
    const b = await network.guest()
    await a.hn.configure({ mtu: 4000, promiscuous: true })
    const before = { ...a.hn.settings }
    const key = Uint8Array.from({ length: 40 }, (_, i) => i)
    await a.hn.setScaling(key)
    await a.machine.tree.suspend()
    expect(a.hn.transmit(frameOf(address(2), address(1)), 0, 60)).toBe(TransmitStatus.down)
    await a.machine.tree.resume()
    await until(() => a.hn.session !== undefined, 'resume')
    expect({ ...a.hn.settings }).toEqual(before)
    expect(a.hn.rssKey).toEqual(key)
    expect(a.hn.capabilities.queues).toBe(2)
    const got = collect(b.hn)
    a.hn.transmit(frameOf(b.hn.settings.address, a.hn.settings.address), 0, 60)
    await until(() => got.length === 1, 'arrival')
  })

  it('suspend side by side, each with sub-channels, and come back', async () => {
    await using network = new Network()
    const { machine } = await network.guest({ machine: { processorCount: 2 } })
    machine.plug(network.adapter({ address: address(51), instanceId: instance(51) }))
    await until(() => machine.kernel.interfaces.list().length === 2, 'hn1')
    await machine.tree.suspend()
    await machine.tree.resume()
    expect(machine.kernel.interfaces.list().map(({ capabilities }) => capabilities.queues)).toEqual([2, 2])
    expect(machine.kernel.dmesg.lines.filter(({ text }) => /failed|starting again/.test(text))).toEqual([])
  })

  it('[NC-06] collapses a thousand link changes to the last', async () => {
    await using network = new Network()
    const { hn, adapter } = await network.guest()
    const states: boolean[] = []
    hn.onEvent((event) => event.type === 'link' && states.push(event.link.up))
    for (let i = 0; i < 1000; i++) adapter.switchPort.configure({ connected: i % 2 === 1 })
    await until(() => states.length >= 2 && hn.link.up, 'the last state')
    expect(states.at(-1)).toBe(true)
    expect(states).toContain(false)
    adapter.setLinkSpeed(25e9)
    await until(() => hn.link.speed === 25e9, 'the speed')
    const changed = new Promise<void>((resolve) => {
      hn.onEvent((event) => event.type === 'link' && !event.link.up && resolve())
    })
    adapter.indicateNetworkChange(2)
    await changed
  })

  it('shows a change of the network as a cable that was out, and says so', async () => {
    await using network = new Network()
    const clock: Clock = {
      now: () => systemClock.now(),
      realtime: () => systemClock.realtime(),
      // A hundred times as fast: five seconds become fifty milliseconds.
      after: (milliseconds, task) => systemClock.after(milliseconds / 100, task),
      soon: (task) => systemClock.soon(task),
      later: (task) => systemClock.later(task),
    }
    const { hn, adapter } = await network.guest({ machine: { clock }, settings: { watchdogMs: 0 } })
    const events: string[] = []
    hn.onEvent((event) => {
      if (event.type === 'link') events.push(event.link.up ? 'up' : 'down')
      if (event.type === 'network-changed') events.push(event.type)
    })
    adapter.indicateNetworkChange(1)
    await until(() => events.length === 1, 'the change')
    expect(hn.transmit(frameOf(address(2), address(1)), 0, 60)).toBe(TransmitStatus.down)
    await until(() => events.length === 3, 'its end')
    expect(events).toEqual(['down', 'up', 'network-changed'])
    expect(hn.transmit(frameOf(address(2), address(1)), 0, 60)).toBe(TransmitStatus.sent)
  })
})

describe('a virtual function', () => {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]
  for (const order of orders) {
    it(`[SV-01] [SV-02] [SV-06] is paired, whatever comes first (${order.join(' ')})`, async () => {
      await using network = new Network()
      const a = await network.guest()
      const b = await network.guest()
      const vf = new VirtualFunction({ name: 'mlx5_0', serial: 3, adapter: a.adapter })
      const other = new VirtualFunction({ name: 'mlx5_1', serial: 3, adapter: b.adapter })
      const steps = [
        () => vf.assign(),
        () => void a.machine.kernel.interfaces.add('mce', () => vf),
        // The same serial, another address.
        () => void a.machine.kernel.interfaces.add('mce', () => other),
      ]
      for (const step of order) {
        steps[step]?.()
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      await until(() => a.hn.path.active === vf, 'the switch')
      expect(a.adapter.dataPath).toBe('virtual-function')
      const got = collect(b.hn)
      a.hn.transmit(frameOf(b.hn.settings.address, a.hn.settings.address), 0, 60)
      await until(() => got.length === 1, 'arrival')
      expect(vf.statistics.txFrames).toBe(1)
      expect([b.hn.path.active, other.statistics.txFrames, other.offPath]).toEqual([undefined, 0, 0])
    })
  }

  it('[SV-02] of the same address and another serial is left alone', async () => {
    await using network = new Network()
    const a = await network.guest()
    const vf = new VirtualFunction({ name: 'mlx5_0', serial: 3, adapter: a.adapter })
    const stranger = new VirtualFunction({ name: 'mlx5_1', serial: 4, adapter: a.adapter })
    a.machine.kernel.interfaces.add('mce', () => stranger)
    vf.assign()
    await new Promise((resolve) => setTimeout(resolve, 10))
    await a.hn.path.settled()
    expect([a.hn.path.paired, a.adapter.dataPath]).toEqual([undefined, 'synthetic'])
    a.machine.kernel.interfaces.add('mce', () => vf)
    await until(() => a.hn.path.active === vf, 'the switch')
  })

  it('[SV-03] [OF-09] carries frames only while the host has switched to it, over 200 switches', async () => {
    await using network = new Network()
    const a = await network.guest()
    const b = await network.guest()
    const seen: number[] = []
    b.hn.receive((frames, count) => {
      for (const frame of frames.slice(0, count)) seen.push(frame.view.getUint32(frame.offset + 14))
    })
    const vf = new VirtualFunction({ name: 'mlx5_0', serial: 1, adapter: a.adapter })
    const registration = a.machine.kernel.interfaces.add('mce', () => vf)
    let sequence = 0
    const synthetic = a.hn.capabilities.segment4
    const send = (): void => {
      const frame = frameOf(b.hn.settings.address, a.hn.settings.address)
      new DataView(frame.buffer).setUint32(14, sequence)
      if (a.hn.transmit(frame, 0, 60) === TransmitStatus.sent) sequence++
    }
    for (let i = 0; i < 100; i++) {
      vf.assign()
      for (let n = 0; n < 5; n++) send()
      await until(() => a.hn.path.active === vf, 'the switch')
      expect(a.hn.capabilities.segment4).toBe(0)
      for (let n = 0; n < 5; n++) send()
      vf.withdraw()
      for (let n = 0; n < 3; n++) send()
      await until(() => a.hn.path.active === undefined, 'the switch back')
      expect(a.hn.capabilities.segment4).toBe(synthetic)
      for (let n = 0; n < 5; n++) send()
    }
    await until(() => seen.length >= sequence, 'arrival')
    // A frame of the synthetic path may be overtaken by one of the function; none comes twice, none is lost.
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBe(sequence)
    registration.remove()
    await until(() => a.hn.path.active === undefined, 'removal')
  })

  it.each(['2008r2', '2012', '2012r2', '2025'] as const)(
    'is asked for when NVSP has messages for it, on %s',
    async (release) => {
      await using network = new Network(release)
      const a = await network.guest()
      const vf = new VirtualFunction({ name: 'mlx5_0', serial: 1, adapter: a.adapter })
      a.machine.kernel.interfaces.add('mce', () => vf)
      vf.assign()
      if (release === '2008r2') {
        await a.hn.configure({ promiscuous: true }) // a question and its answer later
        expect([a.hn.session?.version, a.hn.path.paired, a.adapter.dataPath]).toEqual([
          0x3_0002,
          undefined,
          'synthetic',
        ])
        return
      }
      await until(() => a.hn.path.active === vf, 'the switch')
      expect(a.adapter.dataPath).toBe('virtual-function')
      vf.withdraw()
      await until(() => a.hn.path.active === undefined, 'the switch back')
      expect(a.adapter.dataPath).toBe('synthetic')
    },
  )

  it('[SV-04] is switched to once after resume', async () => {
    await using network = new Network()
    const a = await network.guest()
    const vf = new VirtualFunction({ name: 'mlx5_0', serial: 1, adapter: a.adapter })
    a.machine.kernel.interfaces.add('mce', () => vf)
    vf.assign()
    await until(() => a.hn.path.active === vf, 'the switch')
    const before = a.hn.path.switches
    await a.machine.tree.suspend()
    expect(a.adapter.dataPath).toBe('synthetic')
    await a.machine.tree.resume()
    await until(() => a.hn.path.active === vf, 'the switch after resume')
    await a.hn.path.settled()
    expect(a.hn.path.switches).toBe(before + 1)
    expect(hostRelease('2022').name).toBe('2022')
  })
})
