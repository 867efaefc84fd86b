import { describe, expect, it } from 'vitest'
import { EchoDevice, names, only, TestGuest } from './support/test-guest.ts'

describe('VmbusServer', () => {
  it('serves a device from contact to unload', async () => {
    const guest = new TestGuest({ release: '2022' })
    const device = new EchoDevice()
    guest.server.offer(device)
    const [offer] = await guest.connect()
    expect(offer?.child_relid).toBe(1)
    expect(offer?.connection_id).toBe(0x2001)

    const channel = await guest.open(1, { vp: 2 })
    expect(channel.status).toBe(0)
    channel.tx.write(6, 1, 77, 5, new Uint8Array(), 0, Uint8Array.of(1, 2, 3), 0, 3)
    expect(guest.signal(1)).toBe(0)
    await guest.clock.run()
    expect(channel.rx.next()).toBe(1)
    expect(channel.rx.packet).toMatchObject({ type: 11, transactionIdLow: 77, transactionIdHigh: 5 })
    expect(guest.ports.events).toEqual([{ vp: 2, sint: 2, flag: 1 }])

    expect(await guest.send('CLOSE_CHANNEL', { child_relid: 1 })).toEqual([])
    expect(
      only(await guest.send('GPADL_TEARDOWN', { child_relid: 1, gpadl: channel.handle }), 'GPADL_TORNDOWN').gpadl,
    ).toBe(channel.handle)
    expect(names(await guest.send('UNLOAD', {}))).toEqual(['UNLOAD_RESPONSE'])
    expect(device.events).toEqual(['open 0', 'close 0', `teardown 0x${channel.handle.toString(16)}`, 'reset'])
    expect(guest.server.brokenInvariants()).toEqual([])
    expect(guest.server.counters.violations).toEqual({})
  })
})
