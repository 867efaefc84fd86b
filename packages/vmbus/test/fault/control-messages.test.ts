import type { MessageName } from '@bis/hyperv-types/vmbus'
import { CONTROL_MESSAGES, encodeControlMessage, MessageType, VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import type { Machine } from '../machine.ts'
import { createMachine, leftovers, NOTHING_LEFT, outcome, RINGS, testDriver } from '../machine.ts'

function counters(machine: Machine) {
  const { attached } = machine.driver
  if (attached === undefined) throw new Error('not attached')
  return attached.counters
}

async function connected(): Promise<Machine> {
  const machine = await createMachine()
  machine.root.offers.push({ channelId: 1 })
  await machine.boot()
  return machine
}

describe('control messages', () => {
  it('[VC-01] drops unknown types and goes on', async () => {
    const machine = await connected()
    const before = counters(machine).messages
    const types = [...Array(41).keys(), 0x7fffffff, 0xffffffff]
    for (const type of types) {
      const message = new Uint8Array(240)
      new DataView(message.buffer).setUint32(0, type, true)
      if (type === MessageType.OFFER_CHANNEL || type === MessageType.RESCIND_OFFER) continue
      machine.root.sendBytes(message)
      await machine.clock.run()
    }
    const { messages, unknownMessages, misdirectedMessages, unsolicited } = counters(machine)
    expect(messages - before).toBe(types.length - 2)
    expect(unknownMessages).toBe(1 + (41 - 30) + 2)
    expect(misdirectedMessages + unsolicited).toBe(messages - before - unknownMessages)
    machine.root.offer({ channelId: 9 })
    await machine.clock.run()
    expect(machine.channel(9).state).toBe('offered')
  })

  it('[VC-01] drops every type in every other state too', async () => {
    for (const mute of ['INITIATE_CONTACT', 'REQUEST_OFFERS', 'UNLOAD'] as const) {
      const machine = await createMachine({ timing: { unloadMs: 1000 } })
      machine.root.mute.add(mute)
      await machine.boot()
      const down = mute === 'UNLOAD' ? machine.tree.shutdown() : undefined
      await machine.clock.run()
      for (let type = 0; type <= 40; type++) {
        if (mute === 'INITIATE_CONTACT' && type === MessageType.VERSION_RESPONSE) continue
        const message = new Uint8Array(240)
        message[0] = type
        machine.root.sendBytes(message)
        await machine.clock.run()
      }
      machine.root.mute.clear()
      await machine.clock.advance(5000)
      await down
      expect(await leftovers(machine), mute).toMatchObject({ allocatedPages: 0, overlayPages: 0, timers: 0 })
    }
  })

  it('[VC-01] drops messages of other kinds in the slot', async () => {
    const machine = await connected()
    machine.root.sendBytes(new Uint8Array(24), 0, 0x80000010)
    await machine.clock.run()
    expect(counters(machine).unknownMessages).toBe(1)
  })

  it('[DS-05] drops messages shorter than their kind, of every length, after longer ones', async () => {
    const machine = await connected()
    let sent = 0
    for (const { type, direction, minLength } of Object.values(CONTROL_MESSAGES)) {
      if (direction !== 'host-to-guest') continue
      for (let length = 0; length < minLength; length++) {
        const whole = new Uint8Array(240).fill(0xaa)
        new DataView(whole.buffer).setUint32(0, 0xffff, true)
        machine.root.sendBytes(whole)
        const short = new Uint8Array(Math.max(length, 0))
        if (length > 0) short[0] = type
        machine.root.sendBytes(short)
        sent++
        await machine.clock.run()
      }
    }
    expect(counters(machine).malformedMessages).toBe(sent)
    expect(machine.driver.attached?.channels).toHaveLength(1)
    expect(counters(machine).strayRescinds).toBe(0)
  })

  it('[DS-05] accepts messages longer than their kind', async () => {
    const machine = await connected()
    const bytes = new Uint8Array(240).fill(0xee)
    bytes.set(encodeControlMessage('RESCIND_OFFER', { child_relid: 1 }, VmbusVersion.V5_3))
    machine.root.sendBytes(bytes)
    await machine.clock.run()
    expect(machine.root.count('RELID_RELEASED')).toBe(1)
  })

  it('[VC-02] counts answers that nobody asked for, and takes only the right one', async () => {
    const machine = await connected()
    const channel = machine.channel(1)
    machine.root.mute.add('GPADL_HEADER').add('OPEN_CHANNEL')
    const opening = channel.open(RINGS)
    const created = (gpadl: number, child_relid = 1): void =>
      machine.root.send('GPADL_CREATED', { child_relid, gpadl, creation_status: 0 })
    const result = (openid: number, child_relid = 1): void =>
      machine.root.send('OPEN_RESULT', { child_relid, openid, status: 0 })
    result(1)
    created(5)
    created(0xe1e10, 2)
    machine.root.send('GPADL_TORNDOWN', { gpadl: 0xe1e10 })
    machine.root.send('MODIFY_CHANNEL_RESPONSE', { child_relid: 1, status: 0 })
    machine.root.send('UNLOAD_RESPONSE', {})
    machine.root.send('ALL_OFFERS_DELIVERED', {})
    expect(await outcome(machine.clock, opening)).toBe('pending')
    expect(counters(machine).unsolicited).toBe(7)
    created(0xe1e10)
    created(0xe1e10)
    await machine.clock.run()
    expect(channel.state).toBe('opening')
    expect(counters(machine).unsolicited).toBe(8)
    result(2)
    result(1, 2)
    await machine.clock.run()
    expect(channel.state).toBe('opening')
    result(1)
    result(1)
    expect(await outcome(machine.clock, opening)).toBeUndefined()
    expect(channel.state).toBe('open')
    expect(counters(machine).unsolicited).toBe(11)
    machine.root.mute.clear()
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[VC-09] [GH-02] sends no byte of old memory: reserved fields are zero and lengths are exact', async () => {
    const machine = await createMachine({ partition: { processorCount: 2 } })
    // Whatever the guest's memory held before is a secret.
    for (const { bytes } of machine.partition.memory.regions) bytes.fill(0xa5)
    const posted: Uint8Array[] = []
    const { root } = machine
    const post = root.messagePosted.bind(root)
    root.messagePosted = (connectionId, type, payload) => {
      posted.push(payload.slice())
      return post(connectionId, type, payload)
    }
    root.offers.push({ channelId: 1 })
    await machine.boot()
    const channel = machine.channel(1)
    const gpadl = machine.pages.allocate(60)
    const work = (async () => {
      await channel.open(RINGS)
      await channel.setCpu(1)
      const shared = await channel.establishGpadl(gpadl)
      await channel.teardownGpadl(shared)
      machine.pages.free(gpadl)
    })()
    await outcome(machine.clock, work)
    await work
    root.rescind(1)
    await leftovers(machine)
    const seen = new Set<MessageName>()
    for (const [name, spec] of Object.entries(CONTROL_MESSAGES)) {
      for (const payload of posted.filter((bytes) => bytes[0] === spec.type)) {
        seen.add(name as MessageName)
        expect([...payload.subarray(4, 8)], name).toEqual([0, 0, 0, 0])
        expect(payload.includes(0xa5), name).toBe(false)
        if (!name.startsWith('GPADL_HEADER') && !name.startsWith('GPADL_BODY')) {
          expect(payload.length, name).toBe(spec.lengthAt(VmbusVersion.V5_3, 0))
        }
      }
    }
    expect([...seen].sort()).toEqual([
      'CLOSE_CHANNEL',
      'GPADL_BODY',
      'GPADL_HEADER',
      'GPADL_TEARDOWN',
      'INITIATE_CONTACT',
      'MODIFY_CHANNEL',
      'OPEN_CHANNEL',
      'RELID_RELEASED',
      'REQUEST_OFFERS',
      'UNLOAD',
    ])
  })

  it('[DS-14] posts from within the completion of a post arrive whole', async () => {
    const machine = await createMachine({
      drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })],
    })
    for (let channelId = 1; channelId <= 20; channelId++) machine.root.offers.push({ channelId })
    await machine.boot()
    const opened = machine.root.received.filter(({ name }) => name === 'OPEN_CHANNEL')
    expect(
      new Set(opened.map((message) => (message.name === 'OPEN_CHANNEL' ? message.body.child_relid : 0))).size,
    ).toBe(20)
    for (const message of opened) {
      if (message.name !== 'OPEN_CHANNEL') continue
      expect(message.body).toMatchObject({ openid: message.body.child_relid, downstream_ringbuffer_pageoffset: 2 })
    }
  })
})
