import { HvStatus } from '@bis/hyperv-types/hypervisor'
import { formatVmbusVersion, VMBUS_VERSIONS, VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { createMachine, leftovers, NOTHING_LEFT } from '../machine.ts'

describe('version negotiation', () => {
  it.each(VMBUS_VERSIONS.map((version) => [formatVmbusVersion(version), version] as const))(
    "[VC-17] reaches %s, each contact on its connection, everything after it on the host's",
    async (name, version) => {
      const machine = await createMachine()
      machine.root.maxVersion = version
      machine.root.messageConnectionId = 0x1234
      await machine.boot()
      expect(machine.dmesg()).toContain(`vmbus0: version ${name}`)
      for (const contact of machine.root.contacts) {
        expect(contact.connectionId).toBe(contact.version >= VmbusVersion.V5_0 ? 4 : 1)
      }
      expect(machine.root.contacts.at(-1)?.version).toBe(version)
      expect(new Set(machine.root.connectionIds)).toEqual(new Set([version >= VmbusVersion.V5_0 ? 0x1234 : 1]))
      const { body } = machine.root.last('INITIATE_CONTACT')
      if (version >= VmbusVersion.V5_0) expect(body.interrupt.target).toMatchObject({ msg_sint: 2, target_vtl: 0 })
      else expect(body.interrupt.interrupt_page % 4096).toBe(0)
      expect(await leftovers(machine)).toMatchObject({ allocatedPages: 0, overlayPages: 0, timers: 0 })
      // 2008 has no answer to UNLOAD: the pages that it knows stay out of use.
      expect(machine.pages.heldPages).toBe(version === VmbusVersion.V0_13 ? 3 : 0)
    },
  )

  it('[DS-13] takes status 18 for the no of an older host, without delay', async () => {
    const machine = await createMachine()
    machine.root.maxVersion = VmbusVersion.V4_0
    await machine.boot()
    expect(machine.clock.now()).toBe(0)
    expect(machine.root.contacts.map(({ version }) => formatVmbusVersion(version))).toEqual(['4.1', '4.0'])
  })

  it('[DS-13] tries again while buffers are short, slower each time, and gives up in the end', async () => {
    const machine = await createMachine()
    machine.root.postStatus.push(...Array<number>(10).fill(HvStatus.INSUFFICIENT_BUFFERS), HvStatus.INSUFFICIENT_MEMORY)
    const device = await machine.boot()
    await machine.clock.advance(1022)
    expect(machine.root.contacts).toEqual([])
    await machine.clock.advance(1100)
    expect(device.state).toBe('attached')

    const hopeless = await createMachine()
    hopeless.root.postStatus.push(...Array<number>(100).fill(HvStatus.INSUFFICIENT_BUFFERS))
    const failed = await hopeless.boot()
    await hopeless.clock.advance(60_000)
    expect(failed.failure).toMatchObject({ name: 'VmbusError', code: 'post-failed' })
    expect(hopeless.root.postStatus.length).toBe(80)
    expect(await leftovers(hopeless)).toEqual(NOTHING_LEFT)
  })

  it('[DS-13] does not try again what the hypervisor refuses for good', async () => {
    const machine = await createMachine()
    machine.root.postStatus.push(HvStatus.INVALID_PARAMETER)
    const device = await machine.boot()
    expect(device.failure).toMatchObject({ code: 'post-failed', message: expect.stringContaining('INVALID_PARAMETER') })
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('posts an unanswered contact again, then goes on to older versions, unloading in between', async () => {
    const machine = await createMachine()
    machine.root.maxVersion = VmbusVersion.V4_0
    machine.root.unknownPort = 'silence'
    const device = await machine.boot()
    await machine.clock.advance(10_000)
    expect(device.state).toBe('attached')
    expect(machine.dmesg()).toContain('vmbus0: version 4.0')
    expect(machine.clock.now()).toBe(10_000)
  })

  it('posts again to a root that was not there yet', async () => {
    const machine = await createMachine()
    machine.root.mute.add('INITIATE_CONTACT')
    const device = await machine.boot()
    await machine.clock.advance(2500)
    machine.root.mute.clear()
    await machine.clock.advance(2000)
    expect(device.state).toBe('attached')
    expect(machine.root.contacts.map(({ version }) => formatVmbusVersion(version))).toEqual([
      '6.0',
      '6.0',
      '6.0',
      '5.3',
    ])
  })

  it('fails with a typed error when no one answers, and leaves nothing behind', async () => {
    const machine = await createMachine()
    machine.root.mute.add('INITIATE_CONTACT').add('UNLOAD')
    const device = await machine.boot()
    await machine.clock.advance(60_000)
    expect(device.failure).toMatchObject({ name: 'VmbusError', code: 'timeout' })
    expect(machine.root.names()).toContain('UNLOAD')
    expect(await leftovers(machine)).toMatchObject({ allocatedPages: 0, overlayPages: 0, timers: 0 })
  })

  it('can be capped by tunable and by option', async () => {
    const machine = await createMachine({ tunables: { 'hw.vmbus.max_version': '4.1' }, maxVersion: VmbusVersion.V3_0 })
    await machine.boot()
    expect(machine.root.contacts.map(({ version }) => version)).toEqual([VmbusVersion.V3_0])
    const wrong = await createMachine({ tunables: { 'hw.vmbus.max_version': 'newest' } })
    await wrong.boot()
    expect(wrong.dmesg()).toContain('vmbus0: hw.vmbus.max_version=newest is no version (such as 4.0); ignored')
  })

  it('[DS-21] refuses a version whose unload may do nothing when told to', async () => {
    const machine = await createMachine({ minVersion: VmbusVersion.V3_0 })
    machine.root.maxVersion = VmbusVersion.V1_1
    const device = await machine.boot()
    expect(device.failure).toMatchObject({ code: 'no-common-version' })
    expect(machine.root.contacts.every(({ version }) => version >= VmbusVersion.V3_0)).toBe(true)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })
})

describe('the end of the connection', () => {
  it('[VC-03] waits for the answer to an unload as long as caches need, and says so meanwhile', async () => {
    for (const seconds of [0, 9, 60]) {
      const machine = await createMachine()
      await machine.boot()
      machine.root.mute.add('UNLOAD')
      const down = machine.tree.shutdown()
      await machine.clock.advance(seconds * 1000)
      machine.root.send('UNLOAD_RESPONSE', {})
      await machine.clock.run()
      await down
      expect(machine.pages.heldPages).toBe(0)
      const lines = machine.dmesg().filter((line) => line.includes('waiting for the host to unload'))
      expect(lines.length).toBeGreaterThanOrEqual(Math.floor(seconds / 10))
    }
  })

  it('[VC-03] gives up after 100 seconds, and keeps what the host may still write to', async () => {
    const machine = await createMachine()
    await machine.boot()
    machine.root.mute.add('UNLOAD')
    const left = await leftovers(machine)
    expect(machine.dmesg()).toContain('vmbus0: the host did not answer UNLOAD within 100000 ms')
    expect(left).toEqual({ allocatedPages: 0, heldPages: 3, overlayPages: 0, timers: 0 })
  })

  it('[VC-03] [VC-04] takes the answer on any processor while it crashes, and crashes once', async () => {
    const machine = await createMachine({ partition: { processorCount: 4 } })
    await machine.boot()
    machine.root.mute.add('UNLOAD')
    for (let cpu = 0; cpu < 4; cpu++) machine.partition.setVector(cpu, 0xf3, undefined)
    const first = machine.driver.attached?.crash('panic: test')
    const second = machine.driver.attached?.crash('panic: test')
    await machine.clock.advance(60_000)
    machine.root.send('UNLOAD_RESPONSE', {}, 3)
    await machine.clock.advance(20)
    await Promise.all([first, second])
    expect(machine.root.count('UNLOAD')).toBe(1)
    expect(machine.clock.pendingTimers).toBe(0)
  })
})

describe('offers at boot', () => {
  it('[VC-08] ends booting only when all offers are in and every attach has ended', async () => {
    const { testDriver } = await import('../machine.ts')
    const finish: (() => void)[] = []
    const machine = await createMachine({
      drivers: [testDriver({ attach: () => new Promise<void>((resolve) => finish.push(resolve)) })],
    })
    for (let channelId = 1; channelId <= 200; channelId++) machine.root.offers.push({ channelId })
    const device = await machine.boot()
    expect([device.state, finish.length]).toEqual(['attaching', 200])
    for (const done of finish.slice(1)) done()
    await machine.clock.run()
    expect(device.state).toBe('attaching')
    finish[0]?.()
    await machine.clock.run()
    expect(device.state).toBe('attached')
    expect(machine.tree.devices().filter(({ state }) => state === 'attached')).toHaveLength(201)
    expect(device.children.map(({ nameunit }) => nameunit)).toEqual(Array.from({ length: 200 }, (_, i) => `test${i}`))
  })

  it('[VC-08] goes on without the end marker after a while, and lists what did arrive', async () => {
    const machine = await createMachine()
    machine.root.mute.add('REQUEST_OFFERS')
    const device = await machine.boot()
    machine.root.offer({ channelId: 3 })
    await machine.clock.advance(29_999)
    expect(device.state).toBe('attaching')
    await machine.clock.advance(1)
    expect(device.state).toBe('attached')
    expect(machine.dmesg().at(-1)).toMatch(/did not end its offers within 30000 ms; offered so far: 00000000-.*3$/)
  })

  it('[VC-11] says one line about a class it knows no driver for, and lets it go again', async () => {
    const machine = await createMachine()
    machine.root.offers.push({ channelId: 4, interfaceId: '3375baf4-9e15-4b30-b765-67acb10d607b' })
    const device = await machine.boot()
    const lines = machine.dmesg().filter((line) => line.includes('3375baf4'))
    expect(lines).toEqual([expect.stringContaining('no driver for automatic-activation')])
    expect(device.children).toHaveLength(1)
    machine.root.rescind(4)
    await machine.clock.run()
    expect(device.children).toHaveLength(0)
    expect(machine.root.count('RELID_RELEASED')).toBe(1)
  })
})
