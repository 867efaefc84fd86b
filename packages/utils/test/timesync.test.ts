import type { HostReleaseName } from '@bis/host'
import { TimesyncComponent } from '@bis/host'
import { ManualClock } from '@bis/hyperv-types'
import {
  EPOCH_1601_TO_1970,
  IcMessageType,
  TimesyncFlag,
  timesyncMessage,
  timesyncReferenceMessage,
} from '@bis/hyperv-types/ic'
import { describe, expect, it } from 'vitest'
import { HostTime, timesyncDriver } from '../src/index.ts'
import type { Guest } from './support/guest.ts'
import { allReady, bootGuest, hostOptions } from './support/guest.ts'
import { icMessage, push } from './support/ic-message.ts'
import { RawComponent } from './support/raw-component.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

interface Options {
  readonly release?: HostReleaseName
  readonly ahead?: number
  readonly tunables?: Readonly<Record<string, string>>
}

/** Host and guest whose times of day differ by `ahead`; both run on one clock. */
async function pair({ release = '2022', ahead = 0, tunables = {} }: Options = {}) {
  const clock = new ManualClock()
  const world = { ahead }
  const host = new TimesyncComponent({ ...hostOptions(clock, release), realtime: () => clock.realtime() + world.ahead })
  const referenceTime = (): bigint => BigInt(Math.round(clock.now() * 10_000)) + 77n
  const hostTime = new HostTime()
  const guest = await bootGuest([timesyncDriver({ hostTime })], [host], clock, { tunables, referenceTime })
  const difference = (): number => clock.realtime() + world.ahead - guest.kernel.realtime()
  return { clock, world, host, guest, hostTime, difference }
}

const VERSIONS: Readonly<Record<string, string>> = { '2008r2': '3.0', '2012r2': '3.0', '2016': '4.0', '2025': '4.0' }

describe('time synchronisation', () => {
  it.each(Object.entries(VERSIONS))('sets the clock after boot, with a host of %s', async (release, version) => {
    const { clock, host, guest, difference } = await pair({ release: release as HostReleaseName, ahead: -3 * HOUR })
    await allReady(clock, host)
    expect(guest.sysctl('dev.hvtimesync.0.msg_version')).toBe(version)
    expect(Math.abs(difference())).toBeLessThan(1)
    expect(guest.sysctl('dev.hvtimesync.0.steps')).toBe(1)
    expect(guest.dmesg().join('\n')).toContain('hvtimesync0: <Hyper-V Timesync> on vmbus0')
    await clock.advance(MINUTE)
    expect(guest.sysctl('dev.hvtimesync.0.samples')).toBe(12)
    expect(guest.sysctl('dev.hvtimesync.0.steps')).toBe(1)
  })

  it('speaks 1.0 too', async () => {
    const { clock, host, guest, difference } = await pair({ ahead: HOUR })
    host.faults = { messageVersions: [{ major: 1, minor: 0 }] }
    host.renegotiate()
    await clock.advance(MINUTE)
    expect(guest.sysctl('dev.hvtimesync.0.msg_version')).toBe('1.0')
    expect(Math.abs(difference())).toBeLessThan(1)
  })

  it('[IC-02] handles all that is queued, counts the newest only, and keeps a sync', async () => {
    const { clock, guest } = await raw('4.0')
    const before = guest.kernel.realtime()
    const channel = guest.connections[0]?.channel.hostChannel
    for (const [minutes, flag] of [
      [60, TimesyncFlag.SYNC],
      [1, TimesyncFlag.SAMPLE],
      [2, TimesyncFlag.SAMPLE],
    ] as const) {
      const body = message4(before - minutes * MINUTE, flag, 0n)
      push(channel, icMessage({ type: IcMessageType.TIMESYNC, body }))
    }
    await clock.run()
    expect(guest.kernel.realtime() - before).toBeCloseTo(-2 * MINUTE, 0)
    const counts = ['requests', 'responses', 'steps', 'syncs'].map((name) => guest.sysctl(`dev.hvtimesync.0.${name}`))
    expect(counts).toEqual([3, 4, 1, 1])
  })

  it('[IC-02] gives an error to those who read an old sample', async () => {
    const { clock, host, hostTime, guest } = await pair({ ahead: 5000 })
    expect(() => new HostTime().read()).toThrow('the host has told its time never')
    await allReady(clock, host)
    expect(Math.abs(hostTime.read() - clock.realtime() - 5000)).toBeLessThan(1)
    host.enabled = false
    await clock.advance(10 * MINUTE)
    expect(hostTime.read()).toBeGreaterThan(0)
    await clock.advance(MINUTE)
    expect(() => hostTime.read()).toThrow(expect.objectContaining({ name: 'DeviceError', code: 'timeout' }))
    expect(guest.sysctl('dev.hvtimesync.0.sample_age')).toBeGreaterThan(600)
  })

  it('[IC-02] does not lose the sync that comes while the component starts', async () => {
    const { guest } = await pair({ ahead: HOUR })
    expect(guest.sysctl('dev.hvtimesync.0.syncs')).toBe(1)
  })

  it('[IC-03] steps once when samples show it far behind, as after the host has slept', async () => {
    const { clock, world, guest, difference } = await pair()
    await clock.advance(MINUTE)
    const steps = Number(guest.sysctl('dev.hvtimesync.0.steps'))
    world.ahead += HOUR
    await clock.advance(MINUTE)
    expect(Math.abs(difference())).toBeLessThan(1)
    expect(guest.sysctl('dev.hvtimesync.0.steps')).toBe(steps + 1)
  })

  it('[IC-03] slews small differences and never goes back without a sync', async () => {
    const { clock, world, guest, host, difference } = await pair()
    await clock.advance(10_000)
    const steps = guest.sysctl('dev.hvtimesync.0.steps')
    world.ahead += 10
    let before = guest.kernel.realtime()
    for (let second = 0; second < 40; second++) {
      await clock.advance(1000)
      expect(guest.kernel.realtime() - before).toBeGreaterThan(999)
      expect(guest.kernel.realtime() - before).toBeLessThan(1001)
      before = guest.kernel.realtime()
    }
    expect(Math.abs(difference())).toBeLessThan(0.1)
    world.ahead -= HOUR
    await clock.advance(MINUTE)
    expect(guest.kernel.realtime()).toBeGreaterThan(before)
    expect(guest.sysctl('dev.hvtimesync.0.steps')).toBe(steps)
    await clock.settle(host.sync())
    expect(Math.abs(difference())).toBeLessThan(1)
  })

  it.each<[string, bigint, number]>([
    ['counted a second ago', -10_000_000n, 1000],
    ['not told', 0n, 0],
    ['in the future, since the counter began anew', 50_000_000_000n, 0],
  ])('[IC-04] corrects by the reference time when it was %s: by %i ms', async (_, ticks, correction) => {
    const { clock, guest, host } = await raw('4.0')
    const now = BigInt(Math.round(clock.now() * 10_000)) + 100_000_000_000n
    const time = clock.realtime() + HOUR
    await clock.settle(host.ask(message4(time, TimesyncFlag.SYNC, ticks === 0n ? 0n : now + ticks)))
    expect(guest.kernel.realtime() - time).toBeCloseTo(correction, 0)
  })

  it('[IC-04] drops a message that was longer on its way than the limit, and corrects none before 4.0', async () => {
    const { clock, guest, host } = await raw('4.0')
    const before = guest.kernel.realtime()
    await clock.settle(host.ask(message4(before + HOUR, TimesyncFlag.SYNC, 1n)))
    expect(guest.kernel.realtime()).toBe(before)
    expect(guest.sysctl('dev.hvtimesync.0.bad_samples')).toBe(1)
    const old = await raw('3.0')
    const time = old.clock.realtime() + HOUR
    await old.clock.settle(old.host.ask(message3(time, TimesyncFlag.SYNC)))
    expect(old.guest.kernel.realtime() - time).toBeCloseTo(0, 0)
  })

  it('answers short messages and times that no clock shows, and leaves the clock alone', async () => {
    const { clock, guest, host } = await raw('4.0')
    const before = guest.kernel.realtime()
    const full = message4(before + HOUR, TimesyncFlag.SYNC, 0n)
    for (const length of [0, 8, 16]) await clock.settle(host.ask(full.subarray(0, length)))
    await clock.settle(host.ask(message4(-HOUR, TimesyncFlag.SYNC, 0n)))
    const far = full.slice()
    far.fill(0xff, 0, 8)
    await clock.settle(host.ask(far))
    await clock.settle(host.ask(message4(before + HOUR, TimesyncFlag.PROBE, 0n)))
    expect(guest.kernel.realtime()).toBe(before)
    expect(guest.sysctl('dev.hvtimesync.0.bad_samples')).toBe(5)
    await clock.settle(host.ask(full.subarray(0, 17)))
    expect(guest.kernel.realtime() - before).toBeCloseTo(HOUR, 0)
  })

  it('has the switches of FreeBSD, as tunables and sysctls', async () => {
    const { clock, guest, host, difference } = await pair({
      ahead: HOUR,
      tunables: { 'hw.hvtimesync.ignore_sync': '1', 'hw.hvtimesync.sample_thresh': '-1', 'hw.hvtimesync.slew': '0' },
    })
    await clock.advance(MINUTE)
    expect(difference()).toBe(HOUR)
    expect(guest.sysctl('dev.hvtimesync.0.offset_us')).toBe(HOUR * 1000)
    guest.kernel.sysctl.set('hw.hvtimesync.ignore_sync', 0)
    await clock.settle(host.sync())
    expect(Math.abs(difference())).toBeLessThan(1)
    guest.kernel.sysctl.set('hw.hvtimesync.sample_verbose', 1)
    await clock.advance(6000)
    expect(guest.dmesg().join('\n')).toMatch(/hvtimesync0: sample: the host is .* ms ahead/)
  })

  it('tells how far the clocks drift apart', async () => {
    const { clock, world, guest } = await pair()
    for (let second = 0; second < 600; second++) {
      world.ahead += 0.05
      await clock.advance(1000)
    }
    expect(Number(guest.sysctl('dev.hvtimesync.0.drift_ppb'))).toBeGreaterThan(49_000)
    expect(Number(guest.sysctl('dev.hvtimesync.0.drift_ppb'))).toBeLessThan(51_000)
  })
})

/** A host that sends what a test makes, to a guest whose counter is a thousand million ticks ahead of its clock. */
async function raw(version: '3.0' | '4.0'): Promise<{ clock: ManualClock; host: RawComponent; guest: Guest }> {
  const clock = new ManualClock()
  const [major = 0] = version.split('.').map(Number)
  const { kind } = new TimesyncComponent(hostOptions(clock))
  const host = new RawComponent(kind, { ...hostOptions(clock), faults: { messageVersions: [{ major, minor: 0 }] } })
  const referenceTime = (): bigint => BigInt(Math.round(clock.now() * 10_000)) + 100_000_000_000n
  const guest = await bootGuest([timesyncDriver()], [host], clock, { referenceTime })
  await allReady(clock, host)
  return { clock, host, guest }
}

function ticks(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 10_000)) + EPOCH_1601_TO_1970
}

function message4(milliseconds: number, flags: number, vmreferencetime: bigint): Uint8Array {
  const parenttime = ticks(milliseconds)
  return timesyncReferenceMessage.encode({ parenttime, vmreferencetime, flags, leapflags: 0, stratum: 0 })
}

function message3(milliseconds: number, flags: number): Uint8Array {
  return timesyncMessage.encode({ parenttime: ticks(milliseconds), childtime: 0n, roundtriptime: 0, flags })
}
