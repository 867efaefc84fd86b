import type { Channel, Device } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import type { Machine } from '../machine.ts'
import { createMachine, leftovers, NOTHING_LEFT, outcome, RINGS, testDriver } from '../machine.ts'

const DATA = new Uint8Array(8)

function send(channel: Channel): number {
  return channel.send(6, 0, 1, 0, undefined, 0, DATA, 0, 8)
}

async function machineWith(...channelIds: number[]): Promise<Machine> {
  const machine = await createMachine()
  for (const channelId of channelIds) machine.root.offers.push({ channelId })
  await machine.boot()
  return machine
}

describe('open and close', () => {
  it('opens, closes and opens again, with fresh GPADLs', async () => {
    const machine = await machineWith(1)
    const channel = machine.channel(1)
    for (let round = 0; round < 3; round++) {
      await outcome(machine.clock, channel.open({ ...RINGS, userData: Uint8Array.of(1, 2, 3) }))
      expect(channel.state).toBe('open')
      expect(machine.root.last('OPEN_CHANNEL').body).toMatchObject({
        child_relid: 1,
        openid: 1,
        ringbuffer_gpadlhandle: 0xe1e10 + round,
        downstream_ringbuffer_pageoffset: 2,
      })
      await outcome(machine.clock, channel.close())
      expect(channel.state).toBe('offered')
    }
    expect(machine.root.names().slice(3)).toEqual(
      Array(3).fill(['GPADL_HEADER', 'OPEN_CHANNEL', 'CLOSE_CHANNEL', 'GPADL_TEARDOWN']).flat(),
    )
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[RB-18] keeps its books through any order of open and close', async () => {
    for (let order = 0; order < 64; order++) {
      const machine = await machineWith(1)
      const channel = machine.channel(1)
      for (let step = 0; step < 6; step++) {
        const open = (order & (1 << step)) !== 0
        await outcome(machine.clock, open ? channel.open(RINGS).catch(() => {}) : channel.close())
        expect(channel.state).toBe(open ? 'open' : 'offered')
      }
      expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
    }
  })

  it('refuses what cannot be opened before it asks the host', async () => {
    const machine = await machineWith(1)
    const channel = machine.channel(1)
    const before = machine.root.received.length
    for (const wrong of [
      { txRingBytes: 4096 },
      { rxRingBytes: 8193 },
      { userData: new Uint8Array(121) },
      { cpu: 1 },
      { cpu: -1 },
      { budget: 0 },
      { maxPacketBytes: 8 },
    ]) {
      expect(await outcome(machine.clock, channel.open({ ...RINGS, ...wrong }))).toMatchObject({
        code: 'invalid-argument',
      })
    }
    expect(await outcome(machine.clock, channel.open({ ...RINGS, signal: AbortSignal.abort() }))).toMatchObject({
      code: 'aborted',
    })
    expect(machine.root.received.length).toBe(before)
    expect(channel.state).toBe('offered')
    const first = channel.open(RINGS)
    expect(await outcome(machine.clock, channel.open(RINGS))).toMatchObject({ code: 'invalid-state' })
    await first
    expect(channel.state).toBe('open')
  })

  it('[VC-19] undoes a failed open at every step', async () => {
    for (const kind of ['GPADL_HEADER', 'OPEN_CHANNEL'] as const) {
      const machine = await machineWith(1)
      machine.root.status.set(kind, 0x80000001)
      const channel = machine.channel(1)
      expect(await outcome(machine.clock, channel.open(RINGS))).toMatchObject({ name: 'ChannelError', code: 'refused' })
      expect(channel.state).toBe('offered')
      expect([machine.pages.heldPages, machine.clock.pendingTimers]).toEqual([0, 0])
      machine.root.status.clear()
      expect(await outcome(machine.clock, channel.open(RINGS))).toBeUndefined()
      expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
    }
  })

  it("ends every wait by the caller's signal, and tidies up behind it", async () => {
    for (const kind of ['GPADL_HEADER', 'OPEN_CHANNEL'] as const) {
      const machine = await machineWith(1)
      machine.root.mute.add(kind)
      const channel = machine.channel(1)
      const abort = new AbortController()
      const opening = channel.open({ ...RINGS, signal: abort.signal })
      expect(await outcome(machine.clock, opening)).toBe('pending')
      abort.abort()
      expect(await outcome(machine.clock, opening)).toMatchObject({ code: 'aborted' })
      if (kind === 'OPEN_CHANNEL') {
        expect(channel.state).toBe('closing')
        machine.root.send('OPEN_RESULT', { child_relid: 1, openid: 1, status: 0 })
        await machine.clock.run()
        expect(machine.root.names().slice(-2)).toEqual(['CLOSE_CHANNEL', 'GPADL_TEARDOWN'])
      }
      expect(channel.state).toBe('offered')
      machine.root.mute.clear()
      expect(await outcome(machine.clock, channel.open(RINGS))).toBeUndefined()
      expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
    }
  })

  it('times out when the host is silent, and holds the pages it may still write to', async () => {
    const machine = await machineWith(1)
    machine.root.mute.add('OPEN_CHANNEL').add('GPADL_TEARDOWN')
    const channel = machine.channel(1)
    expect(await outcome(machine.clock, channel.open(RINGS), 30_000)).toMatchObject({ code: 'timeout' })
    await machine.clock.advance(60_000)
    expect(machine.pages.heldPages).toBe(4)
    expect(channel.state).toBe('offered')
  })

  it('closes while it opens', async () => {
    const machine = await machineWith(1)
    machine.root.mute.add('OPEN_CHANNEL')
    const channel = machine.channel(1)
    const opening = channel.open(RINGS)
    await outcome(machine.clock, Promise.resolve())
    const closing = channel.close()
    expect(await outcome(machine.clock, opening)).toMatchObject({ code: 'aborted' })
    machine.root.send('OPEN_RESULT', { child_relid: 1, openid: 1, status: 0 })
    expect(await outcome(machine.clock, closing)).toBeUndefined()
    expect(machine.root.count('CLOSE_CHANNEL')).toBe(1)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })
})

describe('moving interrupts', () => {
  it('[VC-05] releases the old processor only after the host has agreed, from 5.3 on', async () => {
    const machine = await createMachine({ partition: { processorCount: 2 } })
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    const channel = machine.channel(1)
    await outcome(machine.clock, channel.open(RINGS))
    machine.root.mute.add('MODIFY_CHANNEL')
    const moving = channel.setCpu(1)
    expect(await outcome(machine.clock, moving)).toBe('pending')
    expect(channel.cpu).toBe(0)
    machine.root.send('MODIFY_CHANNEL_RESPONSE', { child_relid: 1, status: 5 })
    expect(await outcome(machine.clock, moving)).toMatchObject({ code: 'refused' })
    expect(channel.cpu).toBe(0)
    machine.root.mute.clear()
    expect(await outcome(machine.clock, channel.setCpu(1))).toBeUndefined()
    expect(channel.cpu).toBe(1)
  })

  it('[VC-05] [VC-06] takes interrupts on every processor, whichever the channel is on', async () => {
    const machine = await createMachine({ partition: { processorCount: 4 } })
    machine.root.maxVersion = VmbusVersion.V4_1
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    const channel = machine.channel(1)
    await outcome(machine.clock, channel.open(RINGS))
    for (let vp = 0; vp < 4; vp++) {
      const moving = channel.setCpu(vp)
      machine.root.signal(1, (vp + 3) % 4)
      await outcome(machine.clock, moving)
      machine.root.signal(1, vp)
      await machine.clock.run()
    }
    expect(channel.statistics.interrupts).toBe(8)
    machine.root.maxVersion = VmbusVersion.V4_0
  })

  it('refuses to move an open channel before 4.1, and knows only processor 0 before 2.4', async () => {
    for (const version of [VmbusVersion.V4_0, VmbusVersion.V1_1]) {
      const machine = await createMachine({ partition: { processorCount: 2 } })
      machine.root.maxVersion = version
      machine.root.offers.push({ channelId: 1 })
      await machine.boot()
      const channel = machine.channel(1)
      await outcome(machine.clock, channel.open({ ...RINGS, cpu: 1 }))
      expect(machine.root.last('OPEN_CHANNEL').body.target_vp).toBe(version === VmbusVersion.V1_1 ? 0 : 1)
      expect(await outcome(machine.clock, channel.setCpu(0))).toMatchObject({ code: 'refused' })
    }
  })
})

describe('rescind', () => {
  it('[CL-01] removes once and releases once, however often it is sent', async () => {
    for (let times = 2; times <= 5; times++) {
      for (const when of ['offered', 'opening', 'open', 'closing']) {
        const machine = await machineWith(1)
        const channel = machine.channel(1)
        if (when === 'opening') machine.root.mute.add('OPEN_CHANNEL')
        if (when !== 'offered') {
          const opening = channel.open(RINGS).catch(() => {})
          await machine.clock.run()
          if (when !== 'opening') await opening
        }
        if (when === 'closing') {
          machine.root.mute.add('GPADL_TEARDOWN')
          void channel.close()
          await machine.clock.run()
          machine.root.mute.clear()
          machine.root.send('GPADL_TORNDOWN', { gpadl: 0xe1e10 })
        }
        for (let i = 0; i < times; i++) machine.root.rescind(1)
        await machine.clock.advance(10_000)
        machine.root.rescind(1)
        await machine.clock.run()
        expect(machine.root.count('RELID_RELEASED'), when).toBe(1)
        expect(machine.driver.attached?.counters.strayRescinds, when).toBe(times)
        expect(machine.tree.find('vmbus0')?.children, when).toHaveLength(0)
        expect(await leftovers(machine), when).toEqual(NOTHING_LEFT)
      }
    }
  })

  it('[CL-02] rejects offers of live channels and impossible ones', async () => {
    const machine = await machineWith(1)
    const { root } = machine
    await outcome(machine.clock, machine.channel(1).open(RINGS))
    root.offer({ channelId: 1, instanceId: '11111111-0000-0000-0000-000000000000' })
    root.offer({ channelId: 0 })
    root.offer({ channelId: 2048 })
    root.offer({ channelId: 0xffffffff })
    root.offer({ channelId: 7, monitorId: 128 })
    await machine.clock.run()
    expect(machine.driver.attached?.counters.rejectedOffers).toBe(5)
    expect(machine.channel(1).state).toBe('open')
    expect(machine.driver.attached?.channels).toHaveLength(1)
    // The same device under another id: the first one stays, the id goes back.
    root.offer({ channelId: 8, instanceId: machine.channel(1).offer.instanceId })
    await machine.clock.run()
    expect(root.last('RELID_RELEASED').body.child_relid).toBe(8)
    expect(machine.channel(1).state).toBe('open')
    expect(machine.dmesg().filter((line) => line.includes('is already'))).toHaveLength(1)
  })

  it('[CL-03] ends every wait at once', async () => {
    const cases: [string, (channel: Channel) => Promise<unknown>][] = [
      ['GPADL_HEADER', (channel) => channel.open(RINGS)],
      ['OPEN_CHANNEL', (channel) => channel.open(RINGS)],
      ['GPADL_HEADER', (channel) => channel.establishGpadl(channel.pages.allocate(1))],
    ]
    for (const [mute, begin] of cases) {
      const machine = await machineWith(1)
      machine.root.mute.add(mute as 'OPEN_CHANNEL')
      const waiting = begin(machine.channel(1))
      expect(await outcome(machine.clock, waiting)).toBe('pending')
      machine.root.rescind(1)
      expect(await outcome(machine.clock, waiting), mute).toMatchObject({ name: 'ChannelError', code: 'rescinded' })
      expect(machine.clock.now()).toBe(0)
      expect(machine.root.count('RELID_RELEASED')).toBe(1)
    }
    const machine = await createMachine({ partition: { processorCount: 2 } })
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    await outcome(machine.clock, machine.channel(1).open(RINGS))
    machine.root.mute.add('MODIFY_CHANNEL')
    const moving = machine.channel(1).setCpu(1)
    await machine.clock.run()
    machine.root.rescind(1)
    expect(await outcome(machine.clock, moving)).toMatchObject({ code: 'rescinded' })
  })

  it("[CL-03] is worked on although a driver's attach hangs on the same bus", async () => {
    const machine = await createMachine({
      drivers: [
        testDriver({
          attach: (channel) => (channel.offer.channelId === 1 ? new Promise(() => {}) : channel.open(RINGS)),
        }),
      ],
    })
    machine.root.offers.push({ channelId: 1 }, { channelId: 2 })
    await machine.boot()
    expect(machine.channel(2).state).toBe('open')
    machine.root.rescind(1)
    machine.root.rescind(2)
    machine.root.offer({ channelId: 3 })
    await machine.clock.run()
    expect(machine.root.count('RELID_RELEASED')).toBe(2)
    expect(machine.channel(3).state).toBe('open')
  })

  it('[CL-05] survives a thousand quick offers and rescinds, with and without a driver', async () => {
    for (const drivers of [[], [testDriver({ attach: (channel) => channel.open(RINGS).catch(() => {}) })]]) {
      const machine = await createMachine({ drivers })
      await machine.boot()
      for (let round = 0; round < 1000; round++) {
        machine.root.offer({ channelId: 5 })
        if (round % 3 === 1) await Promise.resolve()
        if (round % 3 === 2) await machine.clock.run()
        machine.root.rescind(5)
        await machine.clock.run()
      }
      expect(machine.root.count('RELID_RELEASED')).toBe(1000)
      expect(machine.driver.attached?.channels).toHaveLength(0)
      machine.root.offer({ channelId: 5 })
      await machine.clock.run()
      expect(machine.channel(5).state).toBe(drivers.length === 0 ? 'offered' : 'open')
      expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
    }
  })

  it('[CL-06] leaves a rescinded channel alone', async () => {
    const machine = await machineWith(1)
    const channel = machine.channel(1)
    await outcome(machine.clock, channel.open(RINGS))
    const run = machine.pages.allocate(1)
    machine.root.rescind(1)
    await machine.clock.run()
    const posted = machine.root.received.length
    const signals = machine.root.signals.length
    expect(channel.gone.aborted).toBe(true)
    expect(channel.gone.reason).toMatchObject({ code: 'rescinded' })
    expect(send(channel)).toBe(SendStatus.gone)
    channel.beginBatch()
    channel.endBatch()
    for (const attempt of [channel.open(RINGS), channel.establishGpadl(run), channel.setCpu(0)]) {
      expect(await outcome<unknown>(machine.clock, attempt)).toMatchObject({ code: 'rescinded' })
    }
    expect(await outcome(machine.clock, channel.close())).toBeUndefined()
    expect([machine.root.received.length, machine.root.signals.length]).toEqual([posted, signals])
  })

  it('[CL-07] releases the id without waiting for the driver, and takes the device back when it is offered again', async () => {
    let letGo = (): void => {}
    const attached: Device[] = []
    const machine = await createMachine({
      drivers: [
        testDriver({
          async attach(channel, device) {
            attached.push(device)
            await channel.open(RINGS)
          },
          detach: () =>
            new Promise<void>((resolve) => {
              letGo = resolve
            }),
        }),
      ],
    })
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    machine.root.rescind(1)
    await machine.clock.run()
    expect(machine.root.count('RELID_RELEASED')).toBe(1)
    machine.root.offer({ channelId: 1 })
    await machine.clock.run()
    expect(attached).toHaveLength(1)
    letGo()
    await machine.clock.run()
    expect(attached).toHaveLength(2)
    expect(attached[1]?.nameunit).toBe('test0')
    expect(machine.channel(1).state).toBe('open')
  })

  it('[CL-13] [GM-01] takes a teardown on a rescinded channel for done, and loses no page', async () => {
    const machine = await machineWith(1)
    const channel = machine.channel(1)
    const run = machine.pages.allocate(5)
    const sharing = channel.establishGpadl(run)
    await machine.clock.run()
    const gpadl = await sharing
    machine.root.rescind(1)
    await machine.clock.run()
    expect(machine.root.names().slice(-2)).toEqual(['GPADL_TEARDOWN', 'RELID_RELEASED'])
    expect(await outcome(machine.clock, channel.teardownGpadl(gpadl))).toBeUndefined()
    machine.pages.free(run)
    expect(machine.pages.heldPages).toBe(0)
  })

  it('[GM-01] holds the pages when the host does not answer, and releases the id all the same', async () => {
    const machine = await machineWith(1)
    const channel = machine.channel(1)
    const run = machine.pages.allocate(5)
    const sharing = channel.establishGpadl(run)
    await machine.clock.run()
    await sharing
    machine.root.mute.add('GPADL_TEARDOWN')
    machine.root.rescind(1)
    await machine.clock.advance(4999)
    expect(machine.root.count('RELID_RELEASED')).toBe(0)
    await machine.clock.advance(1)
    expect(machine.root.count('RELID_RELEASED')).toBe(1)
    machine.pages.free(run)
    expect(machine.pages.heldPages).toBe(5)
  })
})

describe('sub-channels', () => {
  it('[CL-04] [CL-08] are handed out in any order of arrival, each once', async () => {
    const seen: number[] = []
    const machine = await createMachine({
      drivers: [
        testDriver({
          async attach(channel) {
            channel.onSubchannel((sub) => seen.push(sub.offer.subIndex))
            await channel.open(RINGS)
          },
        }),
      ],
    })
    const instanceId = '99999999-0000-0000-0000-000000000000'
    machine.root.offers.push({ channelId: 1, instanceId }, { channelId: 4, instanceId, subIndex: 3 })
    await machine.boot()
    machine.root.offer({ channelId: 3, instanceId, subIndex: 1 })
    machine.root.offer({ channelId: 2, instanceId, subIndex: 2 })
    machine.root.offer({ channelId: 6, instanceId, subIndex: 2 })
    machine.root.offer({ channelId: 7, instanceId: '88888888-0000-0000-0000-000000000000', subIndex: 2 })
    await machine.clock.run()
    const channel = machine.channel(1)
    expect(seen).toEqual([3, 1, 2])
    expect(channel.subchannels.map(({ offer }) => offer.subIndex)).toEqual([1, 2, 3])
    expect(machine.tree.find('vmbus0')?.children).toHaveLength(1)
    expect(machine.driver.attached?.counters.rejectedOffers).toBe(2)
    for (const sub of channel.subchannels) await outcome(machine.clock, sub.open(RINGS))
    expect(machine.kernel.sysctl.get('dev.test.0.channel.1.sub.1.chanid')).toBe(3)
    machine.root.rescind(4)
    await machine.clock.run()
    expect(channel.subchannels.map(({ offer }) => offer.channelId)).toEqual([3, 2])
    await outcome(machine.clock, channel.close())
    const closed = machine.root.received.flatMap((message) =>
      message.name === 'CLOSE_CHANNEL' ? [message.body.child_relid] : [],
    )
    expect(closed).toEqual([3, 2, 1])
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('go with their primary, and their ids are released when the host takes them back', async () => {
    const machine = await createMachine()
    const instanceId = '99999999-0000-0000-0000-000000000000'
    machine.root.offers.push({ channelId: 1, instanceId }, { channelId: 2, instanceId, subIndex: 1 })
    await machine.boot()
    const channel = machine.channel(1)
    const [sub] = channel.subchannels
    if (sub === undefined) throw new Error('no sub-channel')
    await outcome(
      machine.clock,
      channel.open(RINGS).then(() => sub.open(RINGS)),
    )
    machine.root.rescind(1)
    await machine.clock.run()
    expect(sub.state).toBe('rescinded')
    expect(machine.root.count('RELID_RELEASED')).toBe(1)
    machine.root.rescind(2)
    await machine.clock.run()
    expect(machine.root.count('RELID_RELEASED')).toBe(2)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })
})
