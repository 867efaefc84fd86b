import type { Channel } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { createHosted, EchoDevice } from '../hosted.ts'
import type { Machine } from '../machine.ts'
import { createMachine, leftovers, NOTHING_LEFT, outcome, RINGS, testDriver } from '../machine.ts'

const A = 'aaaaaaaa-0000-0000-0000-000000000000'
const B = 'bbbbbbbb-0000-0000-0000-000000000000'
const C = 'cccccccc-0000-0000-0000-000000000000'

async function suspended(machine: Machine): Promise<void> {
  expect(await outcome(machine.clock, machine.tree.suspend(), 1000)).toBeUndefined()
}

async function resumed(machine: Machine, milliseconds = 0): Promise<void> {
  expect(await outcome(machine.clock, machine.tree.resume(), milliseconds)).toBeUndefined()
}

function byInstance(machine: Machine, instanceId: string): Channel | undefined {
  return machine.driver.attached?.channels.find(({ offer }) => offer.instanceId === instanceId)
}

describe('suspend and resume', () => {
  it('[SR-01] finds every device again under its new id, without doubles', async () => {
    const attached: string[] = []
    const machine = await createMachine({
      drivers: [
        testDriver({
          async attach(channel) {
            attached.push(channel.offer.instanceId)
            await channel.open(RINGS)
          },
          suspend: (channel) => channel.close(),
          resume: (channel) => channel.open(RINGS),
        }),
      ],
    })
    machine.root.offers.push(
      { channelId: 1, instanceId: A },
      { channelId: 2, instanceId: B },
      { channelId: 3, instanceId: C },
    )
    await machine.boot()
    await suspended(machine)
    expect(machine.partition.overlayPages).toBe(0)
    machine.root.offers.splice(0)
    machine.root.offers.push(
      { channelId: 2, instanceId: A },
      { channelId: 9, instanceId: B },
      { channelId: 1, instanceId: C },
    )
    await resumed(machine)
    expect(attached).toEqual([A, B, C])
    const opened = machine.root.received.flatMap((message) =>
      message.name === 'OPEN_CHANNEL' ? [message.body.child_relid] : [],
    )
    expect(opened).toEqual([1, 2, 3, 2, 9, 1])
    expect(machine.tree.find('vmbus0')?.children.map(({ state, nameunit }) => `${nameunit} ${state}`)).toEqual([
      'test0 attached',
      'test1 attached',
      'test2 attached',
    ])
    machine.root.signal(9)
    await machine.clock.run()
    expect(byInstance(machine, B)?.statistics.interrupts).toBe(1)
    expect(byInstance(machine, A)?.statistics.interrupts).toBe(0)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[SR-02] ends in time without a device that does not return, lists it, and takes in a new one', async () => {
    const machine = await createMachine({ drivers: [testDriver()] })
    machine.root.offers.push({ channelId: 1, instanceId: A }, { channelId: 2, instanceId: B })
    await machine.boot()
    const missing = byInstance(machine, B)
    await suspended(machine)
    machine.root.offers.splice(0)
    machine.root.offers.push({ channelId: 1, instanceId: A }, { channelId: 5, instanceId: C })
    await resumed(machine)
    expect(machine.dmesg().filter((line) => line.includes('was not offered again'))).toEqual([
      expect.stringContaining(B),
    ])
    expect(missing?.state).toBe('rescinded')
    expect(machine.driver.attached?.channels.map(({ offer }) => offer.instanceId)).toEqual([A, C])
    expect(machine.tree.devices().map(({ nameunit }) => nameunit)).toContain('test0')
    // Without the end marker the limit ends the wait.
    await suspended(machine)
    machine.root.mute.add('REQUEST_OFFERS')
    const resuming = machine.tree.resume()
    expect(await outcome(machine.clock, resuming, 9999)).toBe('pending')
    expect(await outcome(machine.clock, resuming, 1)).toBeUndefined()
    machine.root.mute.clear()
    expect(await leftovers(machine)).toMatchObject({ allocatedPages: 0, overlayPages: 0, timers: 0 })
  })

  it('[SR-03] drops messages that come after the bus was suspended', async () => {
    const machine = await createMachine({ drivers: [testDriver()] })
    machine.root.offers.push({ channelId: 1, instanceId: A })
    await machine.boot()
    await suspended(machine)
    machine.root.rescind(1)
    machine.root.offer({ channelId: 7, instanceId: B })
    machine.root.signal(1)
    await machine.clock.run()
    expect(machine.driver.attached?.channels).toHaveLength(1)
    expect(byInstance(machine, A)?.state).toBe('offered')
    await resumed(machine)
    expect(machine.driver.attached?.channels).toHaveLength(1)
  })

  it('[SR-03] takes a rescind just before the suspend for what it is', async () => {
    const machine = await createMachine({ drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })] })
    machine.root.offers.push({ channelId: 1, instanceId: A }, { channelId: 2, instanceId: B })
    await machine.boot()
    machine.root.rescind(1)
    await suspended(machine)
    machine.root.offers.shift()
    await resumed(machine)
    expect(machine.driver.attached?.channels.map(({ offer }) => offer.instanceId)).toEqual([B])
    expect(machine.dmesg().some((line) => line.includes('not offered again'))).toBe(false)
  })

  it('[SR-04] leaves no timer and no task behind', async () => {
    const machine = await createMachine({ drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })] })
    machine.root.offers.push({ channelId: 1, instanceId: A })
    await machine.boot()
    await suspended(machine)
    expect(machine.clock.pendingTimers).toBe(0)
    expect(machine.pages.allocatedPages).toBe(0)
    expect(machine.pages.heldPages).toBe(0)
  })

  it('keeps to the version of before, and opens for drivers that know nothing of suspending', async () => {
    const device = new EchoDevice()
    const received: number[] = []
    const machine = await createHosted({
      release: '2016',
      devices: [device],
      drivers: [
        testDriver({
          attach: (channel) => channel.open({ ...RINGS, onPacket: (packet) => received.push(packet.transactionIdLow) }),
        }),
      ],
    })
    const [channel] = machine.channels
    const send = (id: number): number | undefined => channel?.send(6, 1, id, 0, undefined, 0, new Uint8Array(8), 0, 8)
    expect(send(1)).toBe(SendStatus.sent)
    await machine.clock.run()
    expect(await outcome<unknown>(machine.clock, machine.tree.suspend())).toBeUndefined()
    expect(send(2)).toBe(SendStatus.gone)
    expect(machine.server.connection).toBeUndefined()
    expect(await outcome<unknown>(machine.clock, machine.tree.resume())).toBeUndefined()
    expect(machine.server.connection?.version).toBe(VmbusVersion.V4_0)
    expect(send(3)).toBe(SendStatus.sent)
    await machine.clock.run()
    expect(received).toEqual([1, 3])
    expect(machine.server.counters.violations).toEqual({})
  })

  it('fails with a typed error when the host no longer takes the version', async () => {
    const machine = await createMachine({ drivers: [testDriver()] })
    machine.root.offers.push({ channelId: 1, instanceId: A })
    await machine.boot()
    await suspended(machine)
    machine.root.maxVersion = VmbusVersion.V5_2
    expect(await outcome(machine.clock, machine.tree.resume())).toMatchObject({ code: 'no-common-version' })
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })
})

describe('a second system', () => {
  it('[SR-07] [DS-21] takes over from one that vanished without a farewell', async () => {
    const device = new EchoDevice()
    const first = await createHosted({ devices: [device] })
    const [old] = first.channels
    await outcome(first.clock, (old as Channel).open(RINGS))
    // kexec: the same machine and memory, a new kernel, no UNLOAD.
    const { createKernel, DeviceTree } = await import('@bis/newbus')
    const { PageAllocator } = await import('@bis/hyperv-types')
    const { vmbusDriver } = await import('../../src/index.ts')
    const pages = new PageAllocator(first.partition.memory, 4096 * 512)
    const kernel = createKernel({ clock: first.clock, random: () => {}, pages })
    const tree = new DeviceTree(kernel)
    const driver = vmbusDriver({ hypervisor: first.partition })
    await tree.load({ name: 'hv_vmbus', drivers: [driver] })
    tree.root.addChild({ location: 'vmbus', pnpinfo: '', ivars: undefined })
    await first.clock.run()
    const [channel] = driver.attached?.channels ?? []
    const received: number[] = []
    const open = channel?.open({ ...RINGS, onPacket: (packet) => received.push(packet.transactionIdLow) })
    expect(await outcome<unknown>(first.clock, open ?? Promise.reject(new Error('no channel')))).toBeUndefined()
    channel?.send(6, 1, 42, 0, undefined, 0, new Uint8Array(8), 0, 8)
    await first.clock.run()
    expect(received).toEqual([42])
  })
})
