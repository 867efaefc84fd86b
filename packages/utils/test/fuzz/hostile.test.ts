import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import type { IntegrationComponent } from '@bis/host'
import { FileCopyComponent, HeartbeatComponent, ShutdownComponent, TimesyncComponent, VssComponent } from '@bis/host'
import type { Channel } from '@bis/hyperv-types'
import { ManualClock, SeededRandom } from '@bis/hyperv-types'
import { connectedChannels } from '@bis/hyperv-types/loopback'
import { describe, expect, it } from 'vitest'
import type { FileCopyTarget } from '../../src/index.ts'
import { utilsDrivers } from '../../src/index.ts'
import { bootGuest, hostOptions } from '../support/guest.ts'
import { hostileMessage } from '../support/hostile.ts'
import { push } from '../support/ic-message.ts'

const MESSAGES = fuzzRuns(100_000)
const COMPONENTS = 5
/** What fits into a ring without waiting for the other side. */
const BURST = 3

/** Keeps nothing, and is never harmed. */
const nowhere: FileCopyTarget = {
  start: async () => ({ async write() {}, async complete() {}, async cancel() {} }),
}

function components(clock: ManualClock): IntegrationComponent[] {
  const options = hostOptions(clock)
  return [
    new HeartbeatComponent(options),
    new ShutdownComponent(options),
    new TimesyncComponent(options),
    new VssComponent(options),
    new FileCopyComponent(options),
  ]
}

describe('hostile messages', () => {
  it(`the guest takes ${MESSAGES} of the host without harm`, { timeout: fuzzTimeout(240_000) }, async () => {
    const random = new SeededRandom(fuzzSeed)
    const clock = new ManualClock()
    const hosts = components(clock)
    const hook = { name: 'nothing', freeze() {}, thaw() {} }
    const drivers = utilsDrivers({ fileCopy: nowhere, vssHooks: [hook] })
    const guest = await bootGuest(drivers, hosts, clock, {
      referenceTime: () => BigInt(Math.floor(clock.now() * 10_000)),
    })
    guest.powerAllowed = false
    await clock.run()
    let sent = 0
    while (sent < MESSAGES) {
      for (let i = 0; i < COMPONENTS; i++) {
        const channel = guest.connections[i]?.channel.hostChannel
        const type = hosts[i]?.kind.messageType ?? 0
        for (let n = random.below(BURST) + 1; n > 0; n--) {
          push(channel, hostileMessage(random, type, false), random.below(0xffff_ffff), random.happens(0.98) ? 6 : 7)
          sent++
        }
      }
      await clock.run()
    }
    for (const device of guest.tree.devices())
      expect([device.nameunit, device.state]).toEqual([device.nameunit, 'attached'])
    expect(guest.kernel.realtime()).toBeGreaterThan(0)
    // A correct host finds all of them as they were.
    for (const host of hosts) host.renegotiate()
    await clock.run()
    expect(hosts.map(({ state }) => state)).toEqual(hosts.map(() => 'ready'))
    await clock.advance(4000)
    expect((hosts[0] as HeartbeatComponent).status).toMatch(/^ok/)
    await clock.settle(guest.tree.shutdown())
    expect(guest.connections.map(({ pages }) => pages.allocatedPages)).toEqual(hosts.map(() => 0))
    fuzzCases('hostile messages of the host to integration components', sent)
  })

  it(`the host takes ${MESSAGES} of the guest without harm`, { timeout: fuzzTimeout(240_000) }, async () => {
    const random = new SeededRandom(fuzzSeed + 1)
    const clock = new ManualClock()
    const hosts = components(clock)
    const channels: Channel[] = []
    /** Ids of what the host has asked last, so that some answers are to the point. */
    const asked = new Map<Channel, number>()
    for (const host of hosts) {
      const { channel } = connectedChannels(host, { clock })
      channels.push(channel)
      const onPacket = ({ transactionIdLow }: { transactionIdLow: number }): void =>
        void asked.set(channel, transactionIdLow)
      await clock.settle(channel.open({ txRingBytes: 32_768, rxRingBytes: 32_768, onPacket }))
    }
    const [, shutdown, timesync, vss, fileCopy] = hosts as [
      HeartbeatComponent,
      ShutdownComponent,
      TimesyncComponent,
      VssComponent,
      FileCopyComponent,
    ]
    const source = { size: 100, read: async () => {} }
    let sent = 0
    while (sent < MESSAGES) {
      const orders = [
        shutdown.order({ action: 'shutdown', answerMs: 10 }),
        timesync.sync(),
        vss.canBackUp(),
        vss.freeze(),
        fileCopy.copy({ name: 'x', folder: '/', source }),
      ]
      for (const order of orders) order.catch(() => {})
      for (let round = 0; round < 40; round++) {
        for (const [i, channel] of channels.entries()) {
          const type = hosts[i]?.kind.messageType ?? 0
          const id = random.happens(0.7) ? (asked.get(channel) ?? 0) : random.below(0xffff_ffff)
          const data = hostileMessage(random, type, true)
          channel.send(random.happens(0.98) ? 6 : 11, 0, id, 0, undefined, 0, data, 0, data.length)
          sent++
        }
        await clock.run()
      }
      await clock.advance(200_000)
      for (const host of hosts) if (random.happens(0.3)) host.renegotiate()
    }
    for (const host of hosts) expect(host.state).not.toBe('absent')
    for (const channel of channels) await clock.settle(channel.close())
    await clock.advance(2_000_000)
    expect(hosts.map(({ state }) => state)).toEqual(hosts.map(() => 'absent'))
    expect(clock.pendingTimers).toBe(0)
    // A correct guest finds all of them as they were.
    const guest = await bootGuest(utilsDrivers(), hosts, clock)
    await clock.run()
    expect(hosts.map(({ state }) => state)).toEqual(hosts.map(() => 'ready'))
    await clock.settle(guest.tree.shutdown())
    fuzzCases('hostile messages of the guest to integration components', sent)
  })
})
