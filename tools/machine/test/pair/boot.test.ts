import { HOST_RELEASES, Host, hostRelease } from '@bis/host'
import { ManualClock } from '@bis/hyperv-types'
import { formatVmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { EchoDevice, instance } from './echo-device.ts'
import { RealGuest } from './real-guest.ts'

describe('a guest with the real bus driver', () => {
  it.each(HOST_RELEASES)('negotiates the newest version of %s, finds its devices and talks to one', async (release) => {
    const clock = new ManualClock()
    const host = new Host({ release, clock })
    const guest = new RealGuest(host, clock)
    for (const n of [1, 2, 3]) guest.server.offer(new EchoDevice(n, n === 2 ? { monitorLatency: 1000 } : {}))
    guest.boot()
    await clock.advance(100)
    expect(guest.server.connection?.version).toBe(hostRelease(release).vmbusVersion)
    expect(guest.dmesg.join('\n')).toContain(formatVmbusVersion(hostRelease(release).vmbusVersion))
    expect([...guest.channels.keys()]).toEqual([instance(1), instance(2), instance(3)])

    for (const n of [1, 2]) {
      const channel = guest.channels.get(instance(n))
      const got: number[] = []
      const opened = channel?.open({
        txRingBytes: 16384,
        rxRingBytes: 16384,
        onPacket: (packet) => got.push(packet.transactionIdLow),
      })
      await clock.advance(10)
      await opened
      for (let id = 1; id <= 20; id++) channel?.send(6, 1, id, 0, undefined, 0, new Uint8Array(100), 0, 100)
      await clock.advance(50)
      expect(got).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    }
    const down = guest.tree.shutdown()
    await clock.advance(1000)
    await down
    expect(guest.server.connection).toBeUndefined()
    expect(guest.server.counters.violations).toEqual({})
    expect(guest.server.brokenInvariants()).toEqual([])
    expect(guest.pages.allocatedPages).toBe(0)
  })

  it('[DS-15] has its processors’ indices in any order and with holes', async () => {
    const clock = new ManualClock()
    const host = new Host({ release: '2022', clock })
    const guest = new RealGuest(host, clock, { vpIndices: [7, 0, 3, 12] })
    guest.server.offer(new EchoDevice(1))
    guest.boot()
    await clock.advance(100)
    const channel = guest.channels.get(instance(1))
    for (const [cpu, vp] of [
      [0, 7],
      [2, 3],
      [3, 12],
    ] as const) {
      let got = 0
      const opened = channel?.open({ txRingBytes: 8192, rxRingBytes: 8192, cpu, onPacket: () => got++ })
      await clock.advance(10)
      await opened
      expect(guest.server.channels()[0]?.targetVp).toBe(vp)
      channel?.send(6, 1, 1, 0, undefined, 0, new Uint8Array(8), 0, 8)
      await clock.advance(10)
      expect(got).toBe(1)
      const closed = channel?.close()
      await clock.advance(10)
      await closed
    }
    expect(guest.server.counters.violations).toEqual({})
  })
})
