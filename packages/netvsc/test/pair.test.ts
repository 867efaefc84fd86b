import { HOST_RELEASES } from '@bis/host'
import { TransmitStatus } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { broadcast, collect, frameOf, Network, until } from './support/guests.ts'

const NVS: Record<string, number> = {
  '2008r2': 0x3_0002,
  2012: 0x4_0000,
  '2012r2': 0x5_0000,
  2016: 0x6_0000,
  2019: 0x6_0001,
  2022: 0x6_0001,
  2025: 0x6_0001,
}

describe('two guests on one switch', () => {
  for (const release of HOST_RELEASES) {
    it(`exchange frames of all sizes on ${release}, and leave no page behind`, async () => {
      await using network = new Network(release)
      const a = await network.guest()
      const b = await network.guest()
      expect(a.hn.session?.version).toBe(NVS[release])
      const got = collect(b.hn)
      const sent = [60, 61, 200, 1000, 1500, 1513, 1514].map((length, i) =>
        frameOf(b.hn.settings.address, a.hn.settings.address, length, i),
      )
      for (const frame of sent) expect(a.hn.transmit(frame, 0, frame.length)).toBe(TransmitStatus.sent)
      await until(() => got.length === sent.length, 'arrival')
      expect(got).toEqual(sent)
      const answers = collect(a.hn)
      expect(b.hn.transmitBatch([frameOf(broadcast, b.hn.settings.address)])).toBe(1)
      await until(() => answers.length === 1, 'the answer')
      await a.machine.powerOff()
      expect(a.machine.kernel.pages.allocatedPages).toBe(0)
      expect(a.machine.kernel.pages.leakedPages).toBe(0)
    })
  }

  it('say so in dmesg and sysctl, as hn(4) does', async () => {
    await using network = new Network()
    const { machine } = await network.guest()
    const dmesg = machine.kernel.dmesg.lines.map(({ text }) => text)
    expect(dmesg).toContain('hn0: <Hyper-V Network Interface> on vmbus0')
    expect(dmesg).toContain('hn0: Ethernet address: 00:15:5d:00:00:01')
    expect(dmesg).toContain('hn0: link state changed to UP')
    expect(machine.kernel.sysctl.get('dev.hn.0.nvs_version')).toBe(0x6_0001)
    expect(machine.kernel.sysctl.get('dev.hn.0.ndis_version')).toBe('6.30')
    expect(machine.kernel.sysctl.get('dev.hn.0.caps')).toBe('VLAN,MTU,IPCS,TCP4CS,TCP6CS,UDP4CS,UDP6CS,TSO4,TSO6')
  })

  it('count by queue, and change how they send while they run', async () => {
    await using network = new Network()
    const machine = { processorCount: 2 }
    const a = await network.guest({ machine })
    const b = await network.guest({ machine })
    const { sysctl } = a.machine.kernel
    const got = collect(b.hn)
    const frame = frameOf(b.hn.settings.address, a.hn.settings.address)
    const batch = new Array<Uint8Array>(16).fill(frame)
    const sum = (name: string): number =>
      [0, 1].reduce((all, i) => all + Number(sysctl.get(`dev.hn.0.tx.${i}.${name}`)), 0)
    expect(a.hn.transmitBatch(batch)).toBe(16)
    await until(() => got.length === 16 && sum('packets') === 16, 'the first')
    expect(sum('sends')).toBe(2) // eight to a message
    sysctl.set('dev.hn.0.agg_pkts', 1)
    expect(a.hn.transmitBatch(batch)).toBe(16)
    await until(() => got.length === 32 && sum('packets') === 32, 'the second')
    expect(sum('sends')).toBe(18)
    const chimney = sysctl.get('dev.hn.0.tx_chimney')
    sysctl.set('dev.hn.0.tx_chimney_size', 500)
    const longer = frameOf(b.hn.settings.address, a.hn.settings.address, 1000)
    expect(a.hn.transmit(longer, 0, longer.length)).toBe(TransmitStatus.sent)
    await until(() => got.length === 33, 'the last')
    expect(sysctl.get('dev.hn.0.tx_chimney')).toBe(chimney)
    expect(() => sysctl.set('dev.hn.0.agg_pkts', -1)).toThrow(/0 to 65535/)
    const received = [0, 1].map((i) => Number(b.machine.kernel.sysctl.get(`dev.hn.0.rx.${i}.packets`)))
    expect(received.reduce((all, one) => all + one)).toBe(33)
    expect(sysctl.get('dev.hn.0.rxfilter')).toBe(0x0d)
  })

  it('[ND-03] flood each other over the smallest rings: each frame arrives, or its host counts it as dropped', async () => {
    await using network = new Network()
    const settings = { ringPages: 2, txDescriptors: 64 }
    const a = await network.guest({ settings })
    const b = await network.guest({ settings })
    const N = 5000
    const pump = (from: typeof a, to: typeof a): (() => number) => {
      let sent = 0
      const frame = frameOf(to.hn.settings.address, from.hn.settings.address, 400)
      const go = (): void => {
        while (sent < N && from.hn.transmit(frame, 0, frame.length) === TransmitStatus.sent) sent++
      }
      from.hn.onEvent(({ type }) => type === 'writable' && go())
      go()
      return () => sent
    }
    let gotA = 0
    let gotB = 0
    a.hn.receive((_, count) => {
      gotA += count
    })
    b.hn.receive((_, count) => {
      gotB += count
    })
    pump(a, b)
    pump(b, a)
    // A burst that is longer than what the host may collect while the ring is full is cut there, as by a real one.
    const accounted = (): readonly number[] => [
      gotA + a.adapter.counters.rxNoBuffer,
      gotB + b.adapter.counters.rxNoBuffer,
    ]
    await until(() => accounted().every((frames) => frames === N), 'arrival', 10_000).catch((error) => {
      throw new Error(`${error}: ${accounted()} ${JSON.stringify(a.adapter.counters)} ${JSON.stringify(a.hn.counters)}`)
    })
    expect([gotA, gotB]).toEqual([a.adapter.counters.rxFrames, b.adapter.counters.rxFrames])
    expect(Math.min(gotA, gotB)).toBeGreaterThan(N / 4)
    expect(a.hn.counters.rxAckFailed + b.hn.counters.rxAckFailed).toBe(0)
    expect(a.hn.counters.oactive).toBeGreaterThan(0)
  })

  it('lets small frames wait for a send section, on several channels, and loses none', async () => {
    await using network = new Network()
    const machine = { processorCount: 4 }
    const a = await network.guest({ settings: { sendBufferBytes: 65_536 }, machine })
    const b = await network.guest({ machine })
    expect(a.hn.session?.sendSections.count).toBe(10)
    const N = 3000
    const frames = Array.from({ length: 8 }, (_, flow) => {
      const frame = frameOf(b.hn.settings.address, a.hn.settings.address, 100)
      frame.set([0x08, 0, 0x45, 0, 0, 86, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, flow, 5, 6, 0, 66], 12)
      return frame
    })
    let sent = 0
    const go = (): void => {
      for (let taken = true; taken && sent < N; ) {
        a.hn.beginBatch()
        for (let i = 0; i < 64 && taken && sent < N; i++) {
          const frame = frames[sent % frames.length] ?? frames[0]
          taken = frame !== undefined && a.hn.transmit(frame, 0, frame.length) === TransmitStatus.sent
          if (taken) sent++
        }
        a.hn.endBatch()
      }
    }
    a.hn.onEvent(({ type }) => type === 'writable' && go())
    let got = 0
    b.hn.receive((_, count) => {
      got += count
    })
    go()
    await until(() => got === N, 'arrival', 10_000)
    expect(a.hn.counters.oactive).toBeGreaterThan(0)
    expect(a.hn.counters.txChimney).toBe(N)
    expect(a.hn.session?.sendSections.free).toBe(10)
  })
})
