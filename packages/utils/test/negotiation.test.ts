import type { HostReleaseName, IcFaults } from '@bis/host'
import { HeartbeatComponent, HOST_RELEASES } from '@bis/host'
import { ManualClock } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { heartbeatDriver } from '../src/index.ts'
import { bootGuest, hostOptions } from './support/guest.ts'

const v = (major: number, minor = 0) => ({ major, minor })

async function withFaults(faults: IcFaults, release: HostReleaseName = '2022') {
  const clock = new ManualClock()
  const host = new HeartbeatComponent({ ...hostOptions(clock, release), faults })
  const guest = await bootGuest([heartbeatDriver()], [host], clock)
  await clock.advance(4000)
  return { clock, host, guest }
}

describe('negotiation of integration components', () => {
  it.each(HOST_RELEASES)('agrees with the host of %s', async (release) => {
    const { host } = await withFaults({}, release)
    expect([host.state, host.version, host.frameworkVersion]).toEqual(['ready', v(3), v(3)])
  })

  it.each<[string, IcFaults]>([
    ['no framework version in common', { frameworkVersions: [v(9)] }],
    ['no message version in common', { messageVersions: [v(2), v(9, 9)] }],
    ['counts of 0', { negotiationCounts: [0, 0] }],
    ['a count of 255', { negotiationCounts: [1, 255] }],
    ['counts of 65535', { negotiationCounts: [65_535, 65_535] }],
    ['more versions counted than there are', { negotiationCounts: [3, 3] }],
    ['no body', { bodyLength: 0 }],
    ['a body shorter than its header', { bodyLength: 4 }],
    ['a message cut after its header', { mutate: (message) => message.subarray(0, 28) }],
  ])('[IC-01] does not agree to %s, then agrees to a correct one', async (_, faults) => {
    const { clock, host, guest } = await withFaults(faults)
    expect(host.state === 'refused' || host.state === 'negotiating').toBe(true)
    expect(guest.sysctl('dev.hvheartbeat.0.msg_version')).toBe('0.0')
    host.faults = {}
    host.renegotiate()
    await clock.advance(4000)
    expect([host.state, host.status]).toEqual(['ready', 'ok-unknown'])
  })

  it('[IC-01] takes a new negotiation at any later time', async () => {
    const { clock, host, guest } = await withFaults({})
    for (let round = 0; round < 3; round++) {
      host.faults = { messageVersions: round === 1 ? [v(1)] : [v(1), v(3)] }
      host.renegotiate()
      await clock.advance(2000)
      expect(host.version).toEqual(v(round === 1 ? 1 : 3))
    }
    expect(guest.sysctl('dev.hvheartbeat.0.negotiations')).toBe(4)
    expect(host.status).toBe('ok-unknown')
  })

  it('answers a request before any negotiation with a failure', async () => {
    const { host, guest } = await withFaults({ mutate: (message) => message.fill(1, 12, 13) })
    expect(host.state).toBe('negotiating')
    expect(guest.sysctl('dev.hvheartbeat.0.state')).toBe('waiting')
  })
})
