import type { Channel } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { createMachine, outcome, RINGS, testDriver } from '../machine.ts'

describe('the bus as its users see it', () => {
  it('[CL-15] lists channels that can be used now, and announces those that come later', async () => {
    const machine = await createMachine()
    const instanceId = '99999999-0000-0000-0000-000000000000'
    machine.root.offers.push({ channelId: 1, instanceId }, { channelId: 2 })
    await machine.boot()
    const [first] = machine.driver.attached?.channels ?? []
    const announced: Channel[] = []
    first?.onSubchannel((channel) => announced.push(channel))
    machine.root.offer({ channelId: 3, instanceId, subIndex: 1 })
    machine.root.rescind(2)
    await machine.clock.run()
    const listed = machine.driver.attached?.channels ?? []
    expect(listed.map(({ offer, state }) => [offer.channelId, state])).toEqual([[1, 'offered']])
    expect(announced.map(({ offer }) => offer.channelId)).toEqual([3])
    machine.root.rescind(3)
    await machine.clock.run()
    expect(first?.subchannels).toEqual([])
    expect(announced[0]?.gone.aborted).toBe(true)
  })

  it('[GM-12] takes no page for a device that is idle', async () => {
    const machine = await createMachine({ drivers: [testDriver()] })
    await machine.boot()
    const before = machine.pages.allocatedPages
    for (let channelId = 1; channelId <= 10; channelId++) machine.root.offer({ channelId })
    await machine.clock.run()
    expect(machine.driver.attached?.channels).toHaveLength(10)
    expect(machine.pages.allocatedPages).toBe(before)
  })

  it('[PF-06] starts devices side by side: boot takes as long as the slowest, not as all of them', async () => {
    const machine = await createMachine({
      drivers: [
        testDriver({
          attach: () => new Promise((resolve) => machine.clock.after(1000, resolve)),
        }),
      ],
    })
    for (let channelId = 1; channelId <= 64; channelId++) machine.root.offers.push({ channelId })
    const device = await machine.boot()
    await machine.clock.advance(999)
    expect(device.state).toBe('attaching')
    await machine.clock.advance(1)
    expect(device.state).toBe('attached')
  })

  it("publishes what happens on a channel by FreeBSD's names", async () => {
    const machine = await createMachine({ drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })] })
    machine.root.offers.push({ channelId: 7, monitorId: 3 })
    await machine.boot()
    const { sysctl } = machine.kernel
    machine.root.signal(7)
    await machine.clock.run()
    expect(sysctl.get('dev.vmbus.0.version')).toBe('5.3')
    expect(sysctl.get('dev.test.0.channel.7.cpu')).toBe(0)
    expect(sysctl.get('dev.test.0.channel.7.mnf')).toBe(1)
    expect(sysctl.get('dev.test.0.channel.7.interrupts')).toBe(1)
    expect(sysctl.get('dev.test.0.%pnpinfo')).toMatch(/^classid=57164f39-.* deviceid=00000000-.*7$/)
    await outcome(machine.clock, machine.channel(7).close())
    expect(sysctl.list('dev.test.0.channel')).toEqual([])
  })

  it('[VC-16] names devices in the order of their offers, however long each takes to attach', async () => {
    const machine = await createMachine({
      drivers: [
        testDriver({
          attach: (channel) => new Promise((resolve) => machine.clock.after(100 - channel.offer.channelId, resolve)),
        }),
      ],
    })
    for (let channelId = 1; channelId <= 20; channelId++) machine.root.offers.push({ channelId })
    const device = await machine.boot()
    await machine.clock.advance(100)
    expect(device.children.map(({ nameunit, ivars }) => `${nameunit} ${(ivars as Channel).offer.channelId}`)).toEqual(
      Array.from({ length: 20 }, (_, i) => `test${i} ${i + 1}`),
    )
  })
})
