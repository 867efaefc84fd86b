import { InterfaceId, OfferFlag, VmbusFeature, VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { createHosted, EchoDevice } from '../hosted.ts'
import { createMachine, leftovers, NOTHING_LEFT, outcome, RINGS, testDriver } from '../machine.ts'

describe('an isolated guest', () => {
  it('[VC-10] [GH-06] fails closed below its version floor', async () => {
    const machine = await createMachine({ isolation: {} })
    machine.root.maxVersion = VmbusVersion.V5_1
    const device = await machine.boot()
    expect(device.failure).toMatchObject({ name: 'VmbusError', code: 'no-common-version' })
    expect(machine.root.contacts.every(({ version }) => version >= VmbusVersion.V5_2)).toBe(true)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[VC-10] opens nothing that is not on its list, and says so once', async () => {
    const attached: string[] = []
    const machine = await createMachine({
      isolation: {},
      drivers: [testDriver({ attach: (channel) => void attached.push(channel.offer.interfaceId) })],
    })
    machine.root.offers.push(
      { channelId: 1, interfaceId: InterfaceId.SCSI },
      { channelId: 2, interfaceId: InterfaceId.FILE_COPY },
      { channelId: 3, interfaceId: InterfaceId.VIDEO },
      { channelId: 4, interfaceId: 'facbface-0000-0000-0000-000000000000', flags: OfferFlag.TLNPI_PROVIDER_OFFER },
    )
    await machine.boot()
    expect(attached).toEqual([InterfaceId.SCSI, 'facbface-0000-0000-0000-000000000000'])
    for (const id of [InterfaceId.FILE_COPY, InterfaceId.VIDEO]) {
      expect(machine.dmesg().filter((line) => line.includes(id))).toHaveLength(1)
    }
    machine.root.rescind(2)
    await machine.clock.run()
    expect(machine.root.last('RELID_RELEASED').body.child_relid).toBe(2)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[GM-13] uses confidential channels only when its policy says so, and knows the bits only when they were negotiated', async () => {
    for (const confidentialChannels of ['accept', 'refuse', undefined] as const) {
      for (const flags of [0, OfferFlag.CONFIDENTIAL_RING_BUFFER, OfferFlag.CONFIDENTIAL_EXTERNAL_MEMORY, 6]) {
        const attached: number[] = []
        const machine = await createMachine({
          isolation: confidentialChannels === undefined ? {} : { confidentialChannels },
          drivers: [testDriver({ attach: (channel) => void attached.push(channel.offer.flags) })],
        })
        machine.root.maxVersion = VmbusVersion.V6_0
        machine.root.features = 0xff
        machine.root.offers.push({ channelId: 1, interfaceId: InterfaceId.SCSI, flags })
        await machine.boot()
        const negotiated = confidentialChannels !== undefined
        expect((machine.driver.attached?.features ?? 0) & VmbusFeature.CONFIDENTIAL_CHANNELS).toBe(
          negotiated ? 0x10 : 0,
        )
        expect(attached).toEqual(confidentialChannels === 'refuse' && flags !== 0 ? [] : [flags])
      }
    }
  })
})

describe('features of 6.0', () => {
  it('are those that both sides have, and a host cannot add any', async () => {
    const machine = await createMachine({ clientId: '12345678-0000-0000-0000-000000000000' })
    machine.root.maxVersion = VmbusVersion.V6_0
    machine.root.features = 0xff
    const { root } = machine
    const send = root.send.bind(root)
    root.send = ((name: 'VERSION_RESPONSE', init: { supported_features: number }) =>
      send(
        name,
        (name === 'VERSION_RESPONSE' ? { ...init, supported_features: 0xffffffff } : init) as never,
      )) as typeof send
    await machine.boot()
    expect(machine.dmesg()).toContain('vmbus0: version 6.0')
    const { GUEST_SPECIFIED_SIGNAL_PARAMETERS, MODIFY_CONNECTION, CLIENT_ID } = VmbusFeature
    expect(machine.driver.attached?.features).toBe(GUEST_SPECIFIED_SIGNAL_PARAMETERS | MODIFY_CONNECTION | CLIENT_ID)
    expect(machine.root.last('INITIATE_CONTACT').body.client_id).toBe('12345678-0000-0000-0000-000000000000')
  })

  it('open a channel with the signal parameters of its offer', async () => {
    const machine = await createMachine({ drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })] })
    machine.root.maxVersion = VmbusVersion.V6_0
    machine.root.features = VmbusFeature.GUEST_SPECIFIED_SIGNAL_PARAMETERS
    machine.root.offers.push({ channelId: 6 })
    await machine.boot()
    const { length, body } = machine.root.last('OPEN_CHANNEL')
    expect([length, body.signal_connection_id, body.event_flag]).toEqual([156, 0x2006, 6])
  })

  it('take the monitor pages away and give them back on the running connection', async () => {
    const device = new EchoDevice({ monitorLatency: 1000 })
    const machine = await createHosted({ release: '2025', devices: [device] })
    const bus = machine.driver.attached
    const [channel] = machine.channels
    if (bus === undefined || channel === undefined) throw new Error('not attached')
    for (const on of [false, true]) {
      expect(await outcome(machine.clock, bus.setMonitorPages(on))).toBeUndefined()
      const received: number[] = []
      await outcome(
        machine.clock,
        channel.open({ ...RINGS, onPacket: (packet) => received.push(packet.transactionIdLow) }),
      )
      const before = machine.server.counters.signalsReceived
      channel.send(6, 1, 5, 0, undefined, 0, new Uint8Array(8), 0, 8)
      expect(machine.server.counters.signalsReceived - before).toBe(on ? 0 : 1)
      await machine.clock.advance(5)
      expect(received).toEqual([5])
      await outcome(machine.clock, channel.close())
    }
    expect(machine.server.counters.violations).toEqual({})
    const older = await createHosted({ release: '2022' })
    const refused = older.driver.attached?.setMonitorPages(false) ?? Promise.resolve()
    expect(await outcome(older.clock, refused)).toMatchObject({ code: 'refused' })
  })
})

describe('processors', () => {
  it('take sub-channels in turn, and what a driver asks for', async () => {
    const device = new EchoDevice()
    const machine = await createHosted({
      partition: { vpIndices: [3, 1, 0, 2] },
      devices: [device],
      drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })],
    })
    device.port?.offerSubchannels(5)
    await machine.clock.run()
    const [channel] = machine.channels
    if (channel === undefined) throw new Error('no channel')
    expect([channel.cpu, ...channel.subchannels.map(({ cpu }) => cpu)]).toEqual([0, 1, 2, 3, 0, 1])
    for (const sub of channel.subchannels) await outcome(machine.clock, sub.open({ ...RINGS, cpu: 2 }))
    expect(channel.subchannels.map(({ cpu }) => cpu)).toEqual([2, 2, 2, 2, 2])
  })
})

describe('a crash', () => {
  it('leaves its message in the crash registers and lets the host go', async () => {
    const machine = await createHosted({
      devices: [new EchoDevice()],
      drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })],
    })
    const crashing = machine.driver.attached?.crash('panic: out of beer') ?? Promise.resolve()
    expect(await outcome(machine.clock, crashing, 100)).toBeUndefined()
    expect(machine.server.lastCrash?.message).toBe('panic: out of beer')
    expect(machine.server.connection).toBeUndefined()
    expect(machine.pages.heldPages).toBe(0)
    await outcome(machine.clock, machine.driver.attached?.crash('again') ?? Promise.resolve(), 100)
    expect(machine.server.lastCrash?.message).toBe('panic: out of beer')
    await outcome(machine.clock, machine.tree.shutdown(), 1000)
    expect([machine.pages.allocatedPages, machine.pages.heldPages, machine.partition.overlayPages]).toEqual([0, 0, 0])
  })

  it.each([
    ['with its message', {}, 'panic: secret', 'panic: secret'],
    ['without text when there is none', {}, '', undefined],
    ['without text from an isolated guest', { isolation: {} }, 'panic: secret', undefined],
  ] as const)('[IC-08] [GH-02] is reported once, %s', async (_, options, text, reported) => {
    const reports: unknown[] = []
    const machine = await createHosted({
      release: '2025',
      partition: { onCrash: ({ message }) => void reports.push(message) },
      ...options,
    })
    const bus = machine.driver.attached
    const crashes = Promise.all([bus?.crash(text), bus?.crash('panic: while it crashes')])
    machine.partition.injectNmi()
    await outcome(machine.clock, crashes, 1000)
    await outcome(machine.clock, machine.tree.shutdown(), 1000)
    expect(reports).toEqual([reported])
    expect(machine.server.lastCrash?.message).toBe(reported)
    const memory = machine.partition.memory.regions.map(({ bytes }) => Buffer.from(bytes).includes('secret'))
    if (reported === undefined) expect(memory).not.toContain(true)
  })

  it('[GM-08] reports what the host did not let go of', async () => {
    const machine = await createMachine({ drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })] })
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    machine.root.mute.add('UNLOAD')
    const crashing = machine.driver.attached?.crash('panic: test') ?? Promise.resolve()
    await outcome(machine.clock, crashing, 101_000)
    // Interrupt page, two monitor pages, two rings.
    expect(await leftovers(machine)).toMatchObject({ allocatedPages: 0, heldPages: 7 })
  })

  it.each(['2012r2', '2016'] as const)('[VC-04] follows an NMI once on %s, whoever gets it', async (release) => {
    const machine = await createHosted({ release, partition: { processorCount: 4 } })
    machine.partition.injectNmi()
    await machine.clock.advance(1000)
    expect(machine.dmesg().filter((line) => line.includes('NMI'))).toEqual(['vmbus0: NMI on cpu 0'])
    expect(machine.server.lastCrash?.message).toBe('panic: NMI on cpu 0')
  })

  it('does not follow an NMI when the machine is told to live with it', async () => {
    const machine = await createMachine({ tunables: { 'machdep.panic_on_nmi': '0' } })
    await machine.boot()
    machine.partition.injectNmi()
    await machine.clock.run()
    expect(machine.root.count('UNLOAD')).toBe(0)
    expect(machine.dmesg()).toContain('vmbus0: NMI on cpu 0')
  })
})

describe('a PAE kernel', () => {
  it("[GM-07] has its rings, buffers and the hypervisor's pages above 4 GiB", async () => {
    const { createBacking, GuestMemory } = await import('@bis/hyperv-types')
    const memory = new GuestMemory([
      { gpa: 0, backing: createBacking('shared', 16 * 4096) },
      { gpa: 2 ** 32, backing: createBacking('shared', 512 * 4096) },
    ])
    const received: number[] = []
    const machine = await createHosted({
      partition: { memory },
      devices: [new EchoDevice()],
      drivers: [
        testDriver({
          attach: (channel) => channel.open({ ...RINGS, onPacket: (packet) => received.push(packet.transactionIdLow) }),
        }),
      ],
      ringConstraint: { from: 2 ** 32 },
    })
    const low = machine.pages.allocate(1, { below: 2 ** 32 })
    const [channel] = machine.channels
    const run = machine.pages.allocate(40, { from: 2 ** 32 })
    const gpadl = await outcome(machine.clock, channel?.establishGpadl(run) ?? Promise.reject(new Error('no channel')))
    expect(gpadl).toMatchObject({ handle: expect.any(Number) })
    channel?.send(6, 1, 77, 0, undefined, 0, new Uint8Array(8), 0, 8)
    await machine.clock.run()
    expect(received).toEqual([77])
    machine.pages.free(low)
  })
})
