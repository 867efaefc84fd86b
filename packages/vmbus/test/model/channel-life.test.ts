import type { Channel, Gpadl } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { Random } from '../fuzz/random.ts'
import type { Machine } from '../machine.ts'
import { createMachine, leftovers, NOTHING_LEFT, outcome, RINGS, testDriver } from '../machine.ts'

type Step = 'open' | 'share' | 'move' | 'unshare' | 'close'

/** A channel's whole life, every request of the protocol in it. */
const LIFE: readonly Step[] = ['open', 'share', 'move', 'unshare', 'close', 'open', 'share', 'close']

/** Calls one after the other; after each, the host's messages one at a time, with `point` before everything. */
async function live(machine: Machine, channel: Channel, point: () => void): Promise<string[]> {
  const results: string[] = []
  const gpadls: Gpadl[] = []
  machine.root.delaying = true
  const calls: Record<Step, () => Promise<unknown>> = {
    open: () => channel.open(RINGS),
    close: () => channel.close(),
    move: () => channel.setCpu(1 - channel.cpu),
    share: async () => {
      const run = machine.pages.allocate(30)
      const gpadl = await channel.establishGpadl(run).finally(() => machine.pages.free(run))
      gpadls.push(gpadl)
    },
    unshare: async () => {
      const gpadl = gpadls.pop()
      if (gpadl !== undefined) await channel.teardownGpadl(gpadl)
    },
  }
  for (const step of LIFE) {
    point()
    let result = 'pending'
    calls[step]().then(
      () => {
        result = 'ok'
      },
      (error: { code: string }) => {
        result = error.code
      },
    )
    await machine.clock.run()
    while (result === 'pending' && machine.root.waiting > 0) {
      point()
      machine.root.deliver()
      await machine.clock.run()
    }
    if (result === 'pending') await machine.clock.advance(100_000)
    results.push(`${step} ${result}`)
  }
  machine.root.delaying = false
  while (machine.root.waiting > 0) machine.root.deliver()
  await machine.clock.advance(100_000)
  return results
}

async function machineWithOne(): Promise<Machine> {
  const machine = await createMachine({ partition: { processorCount: 2 }, drivers: [testDriver()] })
  machine.root.offers.push({ channelId: 1 })
  await machine.boot()
  return machine
}

describe('the life of a channel', () => {
  it('goes through every request', async () => {
    const machine = await machineWithOne()
    let points = 0
    const results = await live(machine, machine.channel(1), () => points++)
    expect(results).toEqual(LIFE.map((step) => `${step} ok`))
    expect(points).toBe(18)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  // A host answers nothing more but teardowns once it has rescinded; one that does must be survived as well.
  for (const silent of [true, false]) {
    for (const ahead of [true, false]) {
      const how = `${silent ? 'silent' : 'talkative'} host, rescind ${ahead ? 'ahead of' : 'behind'} what waits`
      it(`[CL-01] [CL-03] [CL-06] ends well when it is rescinded at any point: ${how}`, async () => {
        for (let when = 0; when < 18; when++) {
          const machine = await machineWithOne()
          const channel = machine.channel(1)
          let points = 0
          const results = await live(machine, channel, () => {
            if (points++ !== when) return
            if (silent)
              machine.root.mute.add('OPEN_CHANNEL').add('GPADL_HEADER').add('GPADL_BODY').add('MODIFY_CHANNEL')
            if (ahead) machine.root.delaying = false
            machine.root.rescind(1)
            machine.root.delaying = true
          })
          const place = `${how}, point ${when}: ${results.join(', ')}`
          expect(channel.state, place).toBe('rescinded')
          expect(
            results.every((result) => /(ok|rescinded|timeout)$/.test(result)),
            place,
          ).toBe(true)
          expect(machine.root.count('RELID_RELEASED'), place).toBe(1)
          expect(machine.tree.find('vmbus0')?.children, place).toEqual([])
          expect(await leftovers(machine), place).toEqual(NOTHING_LEFT)
        }
      })
    }
  }

  it('[GH-05] agrees with a simple model under random calls, rescinds, offers and delays', async () => {
    for (let seed = 1; seed <= 40; seed++) await followModel(seed)
  })

  it('[GH-05] comes to rest although answers are lost, doubled and out of order', async () => {
    for (let seed = 1; seed <= 40; seed++) await disturb(seed)
  })
})

interface Model {
  offered: boolean
  /** The id is with the guest until it releases it. */
  releases: number
  open: boolean
  shared: number
}

async function followModel(seed: number): Promise<void> {
  const random = new Random(seed)
  const machine = await createMachine({ partition: { processorCount: 2 }, drivers: [testDriver()] })
  await machine.boot()
  const { root } = machine
  const model: Model = { offered: false, releases: 0, open: false, shared: 0 }
  let gpadls: Gpadl[] = []
  const settle = async (): Promise<void> => {
    await machine.clock.run()
    while (root.waiting > 0) {
      root.deliver()
      await machine.clock.run()
    }
  }
  for (let step = 0; step < 50; step++) {
    root.delaying = true
    const channel = model.offered ? machine.channel(1) : undefined
    let call: Promise<unknown> = Promise.resolve()
    switch (random.below(6)) {
      case 0:
        if (!model.offered) root.offer({ channelId: 1 })
        model.offered = true
        break
      case 1:
        if (model.offered) {
          root.rescind(1)
          Object.assign(model, { offered: false, open: false, shared: 0, releases: model.releases + 1 })
          gpadls = []
        }
        break
      case 2:
        if (channel !== undefined && !model.open) {
          call = channel.open(RINGS)
          model.open = true
        }
        break
      case 3:
        if (channel !== undefined) call = channel.close()
        model.open = false
        break
      case 4:
        if (channel !== undefined) {
          const run = machine.pages.allocate(3)
          call = channel.establishGpadl(run).then((gpadl) => gpadls.push(gpadl))
          model.shared++
        }
        break
      default: {
        const gpadl = gpadls.pop()
        if (channel === undefined || gpadl === undefined) break
        call = channel.teardownGpadl(gpadl).then(() => machine.pages.free(gpadl.run))
        model.shared--
      }
    }
    const called = outcome(machine.clock, call)
    await settle()
    expect(await called, `seed ${seed} step ${step}`).not.toBeInstanceOf(Error)
    expect(await outcome(machine.clock, call), `seed ${seed} step ${step}`).not.toBe('pending')
    const now = machine.driver.attached?.channels ?? []
    expect(
      {
        offered: now.length === 1,
        open: now[0]?.state === 'open',
        shared: gpadls.length,
        releases: root.count('RELID_RELEASED'),
      },
      `seed ${seed} step ${step}`,
    ).toEqual(model)
    const opens = root.received.filter(({ name }) => name === 'OPEN_CHANNEL' || name === 'CLOSE_CHANNEL')
    if (model.offered && opens.length > 0) expect(opens.at(-1)?.name === 'OPEN_CHANNEL' || !model.open).toBe(true)
  }
}

async function disturb(seed: number): Promise<void> {
  const random = new Random(seed)
  const machine = await createMachine({
    partition: { processorCount: 2 },
    drivers: [testDriver({ attach: (channel) => channel.open(RINGS).catch(() => {}) })],
  })
  const { root } = machine
  for (let channelId = 1; channelId <= 4; channelId++) root.offers.push({ channelId })
  await machine.boot()
  root.delaying = true
  const calls: Promise<unknown>[] = []
  let ended = 0
  for (let step = 0; step < 80; step++) {
    for (const channel of machine.driver.attached?.channels ?? []) {
      if (!random.chance(4)) continue
      calls.push(random.chance(2) ? channel.open(RINGS) : channel.close())
    }
    if (random.chance(6)) root.rescind(1 + random.below(5))
    if (random.chance(6)) root.offer({ channelId: 1 + random.below(5) })
    const index = random.below(Math.max(1, root.waiting))
    const act = random.below(6)
    if (act === 0) root.drop(index)
    else if (act === 1) root.repeat(index)
    else root.deliver(random.chance(2) ? index : 0)
    await machine.clock.advance(random.below(20) * 50)
  }
  root.delaying = false
  while (root.waiting > 0) root.deliver()
  for (const call of calls) {
    call.then(
      () => ended++,
      () => ended++,
    )
  }
  await machine.clock.advance(200_000)
  expect(ended, `seed ${seed}`).toBe(calls.length)
  expect(await leftovers(machine), `seed ${seed}`).toMatchObject({ allocatedPages: 0, overlayPages: 0, timers: 0 })
}
