import { ManualClock, SendStatus } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import type { BenchOptions } from '../support/bench.ts'
import { Bench, pattern, withRamDisk } from '../support/bench.ts'
import type { TamperedPacket } from '../support/tampered.ts'
import { tampered } from '../support/tampered.ts'

/** A guest whose host keeps back what it should answer, from `hold` on. */
class SlowHost {
  readonly bench: Bench
  readonly kept: (() => void)[] = []
  holding = false

  constructor(options: BenchOptions = {}) {
    const tamper = (packet: TamperedPacket, send: (packet: TamperedPacket) => SendStatus): SendStatus => {
      if (!this.holding || packet.high !== 0) return send(packet)
      this.kept.push(() => void send(packet))
      return SendStatus.sent
    }
    this.bench = new Bench(tampered(withRamDisk()[0], tamper), options)
  }

  async attach(): Promise<this> {
    await this.bench.attach()
    this.holding = true
    return this
  }

  answer(): void {
    this.holding = false
    for (const send of this.kept.splice(0)) send()
  }
}

describe('[ST-11] a slow answer', () => {
  const boot = async (): Promise<[SlowHost, ManualClock]> => {
    const clock = new ManualClock()
    const host = new SlowHost({ clock })
    const attaching = host.attach()
    await clock.run()
    await attaching
    return [host, clock]
  }

  it('is waited for beyond the first time-out', async () => {
    const [host, clock] = await boot()
    const back = new Uint8Array(512)
    const reading = host.bench.disk().read(0, back)
    await clock.advance(100_000)
    host.answer()
    await clock.run()
    await reading
    expect(host.bench.dmesg.join('\n')).toMatch(/takes longer than 60 s/)
  })

  it('that never comes ends the request once; when it comes after all it is taken note of', async () => {
    const [host, clock] = await boot()
    const { bench } = host
    const elsewhere = bench.disk().read(0, new Uint8Array(4096))
    const inPlace = bench.disk().read(4096, bench.pages.allocate(1).bytes)
    const outcomes = Promise.allSettled([elsewhere, inPlace])
    await clock.advance(130_000)
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'DeviceError', code: 'timeout' } })
    }
    // The host may still write there.
    expect(bench.sysctl('dev.storvsc.0.bounce_pages')).toBe(1)
    expect(bench.sysctl('dev.storvsc.0.in_flight')).toBe(2)
    host.answer()
    await clock.run()
    expect(bench.sysctl('dev.storvsc.0.bounce_pages')).toBe(0)
    expect(bench.sysctl('dev.storvsc.0.in_flight')).toBe(0)
    expect(bench.sysctl('dev.storvsc.0.timeouts')).toBe(2)
    const reading = bench.disk().read(0, new Uint8Array(512))
    await clock.run()
    await reading
  })

  it('leaves no timer behind', async () => {
    const [host, clock] = await boot()
    host.answer()
    const reading = host.bench.disk().read(0, new Uint8Array(512))
    await clock.run()
    await reading
    await clock.advance(3000)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('[GM-03][ST-15] a host that takes nothing', () => {
  it('costs no bounce buffer for good, after 100000 requests', async () => {
    const host = await new SlowHost({ settings: { maxIo: 32, ringPages: 4, bouncePages: 64 } }).attach()
    const { bench } = host
    const disk = bench.disk()
    const data = new Uint8Array(4096)
    for (let round = 0; round < 100; round++) {
      const aborts = Array.from({ length: 1000 }, () => new AbortController())
      const outcomes = Promise.allSettled(aborts.map(({ signal }, i) => disk.write((i % 100) * 4096, data, { signal })))
      await new Promise((resolve) => setTimeout(resolve, 0))
      for (const abort of aborts) abort.abort()
      host.answer()
      await outcomes
      host.holding = true
      expect(bench.sysctl('dev.storvsc.0.bounce_pages')).toBe(0)
    }
    host.answer()
    await disk.write(0, pattern(4096))
    expect(bench.sysctl('dev.storvsc.0.in_flight')).toBe(0)
    await bench.tree.unload('hv_storvsc')
    expect(bench.pages.allocatedPages).toBe(0)
  }, 60_000)
})

describe('[ST-14] sub-channels', () => {
  it('one that is taken away costs throughput only', async () => {
    const bench = await new Bench(withRamDisk()[0], { processorCount: 4 }).attach()
    const disk = bench.disk()
    const data = Array.from({ length: 200 }, (_, i) => pattern(4096, i))
    const writes = data.map((bytes, i) => disk.write(i * 4096, bytes))
    await bench.channel.subchannels[1]?.rescind()
    const more = Array.from({ length: 50 }, (_, i) => disk.execute([0, 0, 0, 0, 0, 0], { cpu: i }))
    await Promise.all(writes)
    for (const result of await Promise.all(more)) expect(result.srbStatus).toBe(1)
    const back = data.map(() => new Uint8Array(4096))
    await Promise.all(back.map((bytes, i) => disk.read(i * 4096, bytes)))
    expect(back.map((bytes, i) => Buffer.compare(bytes, data[i] ?? bytes))).toEqual(data.map(() => 0))
  })

  it('[RB-12] one channel serves 64 processors, and its ring is never overrun', async () => {
    const bench = await new Bench(withRamDisk()[0], {
      processorCount: 64,
      protocolVersion: 0x1_0001,
      settings: { ringPages: 4, maxIo: 512 },
    }).attach()
    const lines = bench.dmesg.length
    const results = await Promise.all(
      Array.from({ length: 640 }, (_, i) => bench.disk().execute([0, 0, 0, 0, 0, 0], { cpu: i % 64 })),
    )
    expect(results.every(({ srbStatus }) => srbStatus === 1)).toBe(true)
    expect(bench.dmesg.length).toBe(lines)
  })
})
