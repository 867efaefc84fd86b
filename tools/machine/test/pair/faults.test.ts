import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import type { FaultPlan } from '@bis/host'
import { Host } from '@bis/host'
import type { Channel } from '@bis/hyperv-types'
import { SeededRandom, SendStatus } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { EchoDevice, instance } from './echo-device.ts'
import { RealGuest } from './real-guest.ts'
import { SteppedClock } from './stepped-clock.ts'

const REQUESTS = 300
const DATA = Uint8Array.from({ length: 256 }, (_, n) => n)

/** Sends requests one after the other for as long as the channel lives, and notes what comes back. */
class Talker {
  readonly got: number[] = []
  sent = 0
  ended: string | undefined
  readonly #channel: Channel

  constructor(channel: Channel) {
    this.#channel = channel
  }

  async run(): Promise<void> {
    try {
      await this.#channel.open({
        txRingBytes: 8192,
        rxRingBytes: 8192,
        onPacket: (packet) => {
          this.got.push(packet.transactionIdLow)
          this.talk(1)
        },
        onWritable: () => this.talk(4),
        onFailure: (error) => {
          this.ended = error.code
        },
      })
      this.talk(8)
    } catch (error) {
      this.ended = (error as { code?: string }).code ?? String(error)
    }
  }

  talk(count: number): void {
    for (let n = 0; n < count && this.sent < REQUESTS; n++) {
      const status = this.#channel.send(6, 1, this.sent + 1, 0, undefined, 0, DATA, 0, 40 + ((this.sent * 24) % 200))
      if (status !== SendStatus.sent) return
      this.sent++
    }
  }
}

interface Course {
  readonly transcript: string[]
  readonly talkers: Talker[]
  readonly rejections: unknown[]
}

/** Two guests on one host; the host misbehaves to the first. @returns what happened */
async function course(plan: FaultPlan): Promise<Course> {
  const clock = new SteppedClock(new SeededRandom(plan.seed))
  const host = new Host({ release: '2025', clock })
  const transcript: string[] = []
  const victim = new RealGuest(host, clock, {
    server: { faults: plan, log: { log: (_level, text) => transcript.push(text) } },
  })
  const other = new RealGuest(host, clock)
  for (const n of [1, 2]) victim.server.offer(new EchoDevice(n))
  other.server.offer(new EchoDevice(3))
  const rejections: unknown[] = []
  const note = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', note)
  try {
    victim.boot()
    other.boot()
    await clock.advance(1500)
    const talkers: Talker[] = []
    for (let round = 0; round < 3; round++) {
      for (const channel of victim.channels.values()) {
        if (channel.state !== 'offered') continue
        const talker = new Talker(channel)
        talkers.push(talker)
        void talker.run()
      }
      await clock.advance(400)
      expect(victim.server.brokenInvariants()).toEqual([])
    }
    for (const talker of talkers) transcript.push(`sent ${talker.sent}, got ${talker.got.length}, ${talker.ended}`)
    await otherStillWorks(other, clock)
    const stopped = host[Symbol.asyncDispose]()
    await clock.advance(10_000)
    await stopped
    return { transcript, talkers, rejections }
  } finally {
    process.off('unhandledRejection', note)
  }
}

async function otherStillWorks(guest: RealGuest, clock: SteppedClock): Promise<void> {
  const channel = guest.channels.get(instance(3))
  if (channel === undefined) throw new Error('the other guest has lost its device')
  const talker = new Talker(channel)
  const running = talker.run()
  await clock.advance(10)
  await running
  const closed = channel.close()
  await clock.advance(10)
  await closed
  expect(talker.got.length).toBe(REQUESTS)
  expect(guest.server.counters.violations).toEqual({})
  expect(guest.server.brokenInvariants()).toEqual([])
}

const PLANS: Record<string, Omit<FaultPlan, 'seed'>> = {
  'a slow host': {
    messages: { delayed: 0.5 },
    signals: { delayed: 0.3 },
    devices: { slowToClose: 1, stalled: 0.05 },
    delayMs: 20,
  },
  'full rings': { devices: { full: 0.2, stalled: 0.1 }, delayMs: 5 },
  'lost and needless signals': { signals: { lost: 0.1, spurious: 0.3 } },
  'devices torn out in the middle of their work': {
    devices: { rescinded: 0.02, returnAfterMs: 30, refused: 0.1, slowToClose: 0.5 },
  },
  'lengths that lie': { ringsDamaged: 0.05 },
  'messages that lie': { messages: { lost: 0.02, duplicated: 0.1, damaged: 0.05, unsolicited: 0.1 } },
  'everything at once': {
    messages: { lost: 0.01, duplicated: 0.05, damaged: 0.02, unsolicited: 0.05, delayed: 0.1 },
    signals: { lost: 0.05, delayed: 0.1, spurious: 0.1 },
    ringsDamaged: 0.01,
    devices: { refused: 0.05, full: 0.05, stalled: 0.05, slowToClose: 0.2, rescinded: 0.01, returnAfterMs: 20 },
  },
}

/** Here every request has its answer in the end, in order. */
const LOSSLESS = ['a slow host', 'full rings']

describe('faults on demand', () => {
  it.each(Object.entries(PLANS))(
    '[HH-06] [PF-08] %s: the host keeps its order and its other guest',
    async (name, plan) => {
      let traffic = 0
      for (let run = 0; run < fuzzRuns(6); run++) {
        const { talkers, rejections } = await course({ ...plan, seed: fuzzSeed + run })
        expect(rejections, `seed ${fuzzSeed + run}`).toEqual([])
        if (LOSSLESS.includes(name)) {
          for (const { sent, got } of talkers) expect(got).toEqual(Array.from({ length: sent }, (_, n) => n + 1))
        }
        traffic += talkers.reduce((sum, { got }) => sum + got.length, 0)
      }
      expect(traffic).toBeGreaterThan(0)
    },
    fuzzTimeout(60_000),
  )

  it('are the same for the same seed, and others for another', async () => {
    const plan = PLANS['everything at once'] ?? {}
    const once = await course({ ...plan, seed: 7 })
    const again = await course({ ...plan, seed: 7 })
    const other = await course({ ...plan, seed: 8 })
    expect(again.transcript).toEqual(once.transcript)
    expect(other.transcript).not.toEqual(once.transcript)
  })
})
