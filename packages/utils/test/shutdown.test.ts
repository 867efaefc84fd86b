import type { ShutdownAction } from '@bis/host'
import { IcError, ShutdownComponent } from '@bis/host'
import { ManualClock } from '@bis/hyperv-types'
import { IcStatus, ShutdownFlag, shutdownMessage } from '@bis/hyperv-types/ic'
import { describe, expect, it } from 'vitest'
import type { ShutdownOptions } from '../src/index.ts'
import { shutdownDriver } from '../src/index.ts'
import { allReady, bootGuest, hostOptions } from './support/guest.ts'
import { RawComponent } from './support/raw-component.ts'

async function pair(options: ShutdownOptions = {}) {
  const clock = new ManualClock()
  const host = new ShutdownComponent(hostOptions(clock))
  const guest = await bootGuest([shutdownDriver(options)], [host], clock)
  await allReady(clock, host)
  const order = (action: ShutdownAction, force = false, reason = '') =>
    clock.settle(host.order({ action, force, reason }))
  return { clock, host, guest, order }
}

async function raw() {
  const clock = new ManualClock()
  const host = new RawComponent(new ShutdownComponent(hostOptions(clock)).kind, hostOptions(clock))
  const guest = await bootGuest([shutdownDriver()], [host], clock)
  await allReady(clock, host)
  const ask = (flags: number, length = shutdownMessage.size, text = '') => {
    const body = shutdownMessage.encode({ reason_code: 0, timeout_seconds: 0, flags, display_message: text })
    return clock.settle(host.ask(body.subarray(0, length)))
  }
  return { clock, host, guest, ask }
}

describe('shutdown', () => {
  it.each<[ShutdownAction, boolean, string]>([
    ['shutdown', false, 'power-off'],
    ['shutdown', true, 'power-off'],
    ['restart', false, 'reboot'],
    ['restart', true, 'reboot'],
    ['hibernate', false, 'hibernate'],
    ['hibernate', true, 'hibernate'],
  ])('[IC-05] %s, force %s, becomes %s', async (action, force, request) => {
    const { guest, order } = await pair()
    await order(action, force, 'for the test')
    expect(guest.power.map(([what]) => what)).toEqual([request])
    expect(guest.dmesg().join('\n')).toMatch(/hvshutdown0: (forced )?\w+ requested by the host: for the test/)
  })

  it('[IC-05] answers flags that mean nothing with an error, and bodies cut short', async () => {
    const { guest, ask } = await raw()
    for (const flags of [6, 7, 8, 16, 0x8000_0000, 0xffff_ffff]) {
      expect(await ask(flags)).toMatchObject({ status: IcStatus.E_FAIL })
    }
    for (const length of [0, 4, 11]) expect(await ask(0, length)).toMatchObject({ status: IcStatus.E_FAIL })
    expect(guest.power).toEqual([])
    expect(await ask(ShutdownFlag.FORCE, 12)).toMatchObject({ status: IcStatus.S_OK })
  })

  it('[IC-05] bounds the text: no terminator, half a pair, control characters', async () => {
    const { guest, ask } = await raw()
    await ask(0, shutdownMessage.size, `a\u001b[31m\nb\ud800${'c'.repeat(1015)}`)
    const [[, reason]] = guest.power as [[string, string]]
    expect(reason).toBe(`shutdown requested by the host: a [31m b\ufffd${'c'.repeat(1015)}`)
  })

  it('[IC-05] answers a second request, and acts once', async () => {
    const { guest, order } = await pair()
    await order('shutdown')
    await order('shutdown', true)
    await expect(order('restart')).rejects.toMatchObject({ code: 'refused', status: IcStatus.MACHINE_LOCKED })
    expect(guest.power).toHaveLength(1)
  })

  it('[IC-05] takes a request after a suspend as a new one', async () => {
    const { clock, host, guest, order } = await pair()
    await order('hibernate')
    await clock.settle(guest.tree.suspend())
    await expect(order('shutdown')).rejects.toMatchObject({ code: 'not-ready' })
    await clock.settle(guest.tree.resume())
    await allReady(clock, host)
    await order('shutdown')
    expect(guest.power.map(([what]) => what)).toEqual(['hibernate', 'power-off'])
  })

  it('[SR-09] tells the host that this guest cannot do it', async () => {
    const { guest, order } = await pair()
    guest.powerAllowed = false
    await expect(order('hibernate')).rejects.toThrow('the guest refuses to hibernate: status 0x80004005')
    guest.powerAllowed = true
    await order('shutdown')
  })

  it('lets the guest refuse without force, not with it', async () => {
    const asked: string[] = []
    const { guest, order } = await pair({
      mayShutDown: ({ action, text }) => {
        asked.push(`${action} ${text}`)
        return false
      },
    })
    await expect(order('shutdown', false, 'please')).rejects.toBeInstanceOf(IcError)
    expect(guest.power).toEqual([])
    await order('shutdown', true)
    expect([asked, guest.power.length]).toEqual([['power-off please', 'power-off '], 1])
  })

  it('asks an old guest for nothing that it does not know', async () => {
    const clock = new ManualClock()
    const host = new ShutdownComponent(hostOptions(clock, '2012r2'))
    await bootGuest([shutdownDriver()], [host], clock)
    await allReady(clock, host)
    expect(host.version).toEqual({ major: 3, minor: 0 })
    await expect(clock.settle(host.order({ action: 'restart' }))).rejects.toMatchObject({
      code: 'refused',
      status: undefined,
    })
    await clock.settle(host.order({ action: 'shutdown', reason: 'x'.repeat(5000) }))
  })

  it('gives up on a guest that says nothing', async () => {
    const { clock, host } = await pair()
    host.faults = { silent: true }
    const order = host.order({ action: 'shutdown', answerMs: 1000 })
    order.catch(() => {})
    await clock.advance(1001)
    await expect(order).rejects.toMatchObject({ code: 'timeout' })
    expect(host.counters.timeouts).toBe(1)
  })
})
