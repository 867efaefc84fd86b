import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { Host } from '@bis/host'
import type { HostChannelHandlers, VspDevice } from '@bis/hyperv-types'
import { SeededRandom, SendStatus } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { EchoDevice, instance } from './echo-device.ts'
import { RealGuest } from './real-guest.ts'
import { SteppedClock } from './stepped-clock.ts'

const REQUESTS = 400
const PULSES = 12

/** Answers late and in order, and can be saved with answers still to come. */
class LateDevice extends EchoDevice {
  readonly #clock: SteppedClock

  constructor(clock: SteppedClock, n: number) {
    super(n)
    this.#clock = clock
  }

  override openChannel: VspDevice['openChannel'] = (channel): HostChannelHandlers => {
    const waiting: number[] = Array.isArray(channel.restored) ? [...channel.restored] : []
    let saved = false
    const answer = () => {
      const [id] = waiting
      if (saved || id === undefined) return
      if (channel.send(11, 0, id, 0, undefined, 0, new Uint8Array(40), 0, 40) !== SendStatus.sent) return
      waiting.shift()
      this.#clock.later(answer)
    }
    this.#clock.later(answer)
    return {
      onPacket: ({ transactionIdLow }) => {
        waiting.push(transactionIdLow)
        if (waiting.length === 1) this.#clock.later(answer)
      },
      onWritable: answer,
      onClose() {},
      onSave() {
        saved = true
        return waiting
      },
    }
  }
}

/** A guest that talks while its host is saved and restored again and again, at any moment. */
async function pulse(seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  const clock = new SteppedClock(random)
  const host = new Host({ release: '2022', clock })
  const guest = new RealGuest(host, clock)
  let { server } = guest
  server.offer(new LateDevice(clock, 1))
  guest.boot()
  await clock.advance(100)
  const channel = guest.channels.get(instance(1))
  if (channel === undefined) throw new Error('no channel')
  const got: number[] = []
  let sent = 0
  const talk = () => {
    while (sent < REQUESTS && sent - got.length < 30) {
      if (channel.send(6, 1, sent + 1, 0, undefined, 0, new Uint8Array(64), 0, 64) !== SendStatus.sent) return
      sent++
    }
  }
  const opened = channel.open({
    txRingBytes: 8192,
    rxRingBytes: 8192,
    onPacket: ({ transactionIdLow }) => {
      got.push(transactionIdLow)
      talk()
    },
    onWritable: talk,
  })
  for (let n = 0; n < PULSES; n++) {
    await clock.step(random.below(40))
    if (channel.state === 'open') talk()
    const saving = server.save()
    let saved: Awaited<typeof saving> | undefined
    saving.then((state) => {
      saved = state
    })
    while (saved === undefined) await clock.step(1)
    const next = host.addGuest(guest.partition.ports)
    next.offer(new LateDevice(clock, 1))
    next.restore(JSON.parse(JSON.stringify(saved)))
    expect(next.brokenInvariants()).toEqual([])
    await host.removeGuest(server)
    server = next
  }
  await clock.advance(1000)
  await opened
  talk()
  await clock.advance(1000)
  expect(got).toEqual(Array.from({ length: REQUESTS }, (_, n) => n + 1))
  expect(channel.state).toBe('open')
  expect(guest.dmesg.filter((line) => /detach|rescind|fail/.test(line))).toEqual([])
  expect(server.counters.violations).toEqual({})
}

describe('a host that is saved and restored under a running guest', () => {
  it(
    '[SR-05] [DS-12] is not noticed, whatever was in flight',
    async () => {
      for (let run = 0; run < fuzzRuns(20); run++) {
        try {
          await pulse(fuzzSeed + run)
        } catch (error) {
          throw new Error(`seed ${fuzzSeed + run}: ${error instanceof Error ? error.message : error}`, { cause: error })
        }
      }
    },
    fuzzTimeout(60_000),
  )
})
