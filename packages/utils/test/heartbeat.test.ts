import { HeartbeatComponent } from '@bis/host'
import { ManualClock } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { heartbeatDriver } from '../src/index.ts'
import type { Guest } from './support/guest.ts'
import { allReady, bootGuest, hostOptions } from './support/guest.ts'

interface Pair {
  readonly clock: ManualClock
  readonly host: HeartbeatComponent
  readonly guest: Guest
}

async function pair(options: Partial<ConstructorParameters<typeof HeartbeatComponent>[0]> = {}): Promise<Pair> {
  const clock = new ManualClock()
  const host = new HeartbeatComponent({ ...hostOptions(clock), ...options })
  const guest = await bootGuest([heartbeatDriver()], [host], clock)
  return { clock, host, guest }
}

describe('heartbeat', () => {
  it('attaches as FreeBSD does, and shows what it speaks', async () => {
    const { clock, host, guest } = await pair()
    await allReady(clock, host)
    expect(guest.dmesg()).toContain('hvheartbeat0: <Hyper-V Heartbeat> on vmbus0')
    expect(guest.dmesg()).toContain('hvheartbeat0: sel message version: 3.0')
    expect(guest.sysctl('dev.hvheartbeat.0.fw_version')).toBe('3.0')
    expect(guest.sysctl('dev.hvheartbeat.0.msg_version')).toBe('3.0')
    expect(host.version).toEqual({ major: 3, minor: 0 })
  })

  it('answers every two seconds, and tells the application state that was set', async () => {
    const { clock, host, guest } = await pair()
    await clock.advance(20_000)
    expect([host.status, host.beats, host.wrongAnswers, host.missed]).toEqual(['ok-unknown', 11, 0, 0])
    for (const state of ['healthy', 'critical', 'stopped'] as const) {
      guest.kernel.sysctl.set('dev.hvheartbeat.0.app_state', state)
      await clock.advance(2000)
      expect(host.status).toBe(`ok-${state}`)
    }
    expect(() => guest.kernel.sysctl.set('dev.hvheartbeat.0.app_state', 'tired')).toThrow('choose unknown')
  })

  it.each([
    ['the same transaction id for all', { repeatedIds: true }, 1],
    ['three copies of each', { copies: 3 }, 3],
    ['three copies with one id', { copies: 3, repeatedIds: true }, 3],
  ])('answers all requests of a host that sends %s', async (_, faults, times) => {
    const { clock, host, guest } = await pair()
    await clock.advance(4000)
    const answers = (): number => Number(guest.sysctl('dev.hvheartbeat.0.responses'))
    const before = answers()
    host.faults = faults
    await clock.advance(20_000)
    expect(answers() - before).toBe(10 * times)
    expect(guest.sysctl('dev.hvheartbeat.0.dropped')).toBe(0)
    host.faults = {}
    await clock.advance(4000)
    expect([host.state, host.status]).toEqual(['ready', 'ok-unknown'])
  })

  it('[IC-07] answers each request once with the next number, and owes no burst after a pause', async () => {
    const { clock, host, guest } = await pair()
    await clock.advance(4000)
    const beats = host.beats
    const channel = guest.connections[0]?.channel.hostChannel
    // Five minutes in which nothing that the guest says arrives.
    channel?.pause()
    await clock.advance(300_000)
    expect(host.status).toBe('lost-communication')
    expect(host.missed).toBeGreaterThan(100)
    channel?.resume()
    await clock.advance(30_000)
    expect(host.status).toBe('ok-unknown')
    expect(host.beats - beats).toBeLessThanOrEqual(16)
    expect(host.counters.stale).toBeLessThan(15)
    const requests = Number(guest.sysctl('dev.hvheartbeat.0.requests'))
    expect(guest.sysctl('dev.hvheartbeat.0.responses')).toBe(requests + 1)
    expect([host.wrongAnswers, host.counters.requests]).toEqual([0, requests])
  })

  it('[IC-06] shows of each component whether it is absent, its version and its last answer', async () => {
    const clock = new ManualClock()
    const host = new HeartbeatComponent(hostOptions(clock))
    expect([host.state, host.version, host.lastAnswer, host.status]).toEqual([
      'absent',
      undefined,
      undefined,
      'no-contact',
    ])
    await bootGuest([heartbeatDriver()], [host], clock)
    await clock.advance(2000)
    expect([host.state, host.version, host.lastAnswer]).toEqual(['ready', { major: 3, minor: 0 }, 2000])
  })

  it('goes through suspend and resume with a new negotiation', async () => {
    const { clock, host, guest } = await pair()
    await clock.advance(2000)
    const suspended = guest.tree.suspend()
    await clock.run()
    await suspended
    expect(host.state).toBe('absent')
    const resumed = guest.tree.resume()
    await clock.run()
    await resumed
    await clock.advance(2000)
    expect([host.state, host.status]).toEqual(['ready', 'ok-unknown'])
    expect(guest.sysctl('dev.hvheartbeat.0.negotiations')).toBe(2)
  })
})
