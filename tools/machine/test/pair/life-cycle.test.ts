import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { HOST_RELEASES, Host } from '@bis/host'
import type { Channel, Gpadl, VspPort } from '@bis/hyperv-types'
import { SeededRandom, SendStatus } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { EchoDevice, instance } from './echo-device.ts'
import { RealGuest } from './real-guest.ts'
import { SteppedClock } from './stepped-clock.ts'

const DEVICES = 4
const OPERATIONS = 40
const DATA = new Uint8Array(200)

/** What a channel's user keeps of it: requests sent, answers got, memory shown to the host. */
class User {
  readonly channel: Channel
  readonly gpadls: Gpadl[] = []
  sent = 0
  got = 0
  /** The guest's own calls that are under way. */
  busy = 0

  constructor(channel: Channel) {
    this.channel = channel
  }

  /** Runs a call; being told that the channel is gone, or in another state by now, is no failure. */
  call(run: () => Promise<unknown>): void {
    this.busy++
    run()
      .catch((error: unknown) => {
        const code = (error as { code?: string }).code
        if (code === undefined || !['rescinded', 'closed', 'invalid-state', 'aborted', 'refused'].includes(code))
          throw error
      })
      .finally(() => {
        this.busy--
      })
  }

  open(): void {
    const sent = this.sent
    this.call(() =>
      this.channel.open({
        txRingBytes: 8192,
        rxRingBytes: 8192,
        onPacket: ({ transactionIdLow }) => {
          this.got++
          // Answers come in the order of the requests of this time that the channel is open.
          if (transactionIdLow <= sent || transactionIdLow > this.sent) throw new Error(`answer ${transactionIdLow}`)
        },
      }),
    )
  }

  talk(): void {
    for (let n = 0; n < 5; n++) {
      if (this.channel.send(6, 1, this.sent + 1, 0, undefined, 0, DATA, 0, 8 * (n + 1)) !== SendStatus.sent) return
      this.sent++
    }
  }
}

/** Random operations on both sides, with any number of tasks between them, and what both sides must agree on after. */
class Play {
  readonly clock: SteppedClock
  readonly host: Host
  readonly guest: RealGuest
  readonly #random: SeededRandom
  readonly #ports = new Map<number, VspPort>()
  readonly #users = new Map<Channel, User>()
  readonly errors: unknown[] = []

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.clock = new SteppedClock(this.#random)
    const release = HOST_RELEASES[2 + this.#random.below(HOST_RELEASES.length - 2)] ?? '2025'
    this.host = new Host({ release, clock: this.clock })
    this.guest = new RealGuest(this.host, this.clock, { server: { faults: { seed, shuffledChannelIds: true } } })
  }

  async run(): Promise<void> {
    const note = (error: unknown) => this.errors.push(error)
    process.on('unhandledRejection', note)
    try {
      for (let n = 1; n <= DEVICES; n++) this.#offer(n)
      this.guest.boot()
      await this.clock.advance(100)
      for (let n = 0; n < OPERATIONS; n++) {
        this.#operate()
        await this.clock.step(this.#random.below(12))
        expect(this.guest.server.brokenInvariants()).toEqual([])
      }
      await this.clock.advance(2_000)
      this.#agree()
      await this.#sleep()
      // A guest that keeps the protocol is never told that it broke it.
      expect(this.guest.server.counters.violations).toEqual({})
      await this.#shutDown()
      expect(this.errors).toEqual([])
    } finally {
      process.off('unhandledRejection', note)
    }
  }

  #operate(): void {
    const n = 1 + this.#random.below(DEVICES)
    const users = this.#usersOf(n)
    const user = users[this.#random.below(users.length || 1)]
    switch (this.#random.below(12)) {
      case 0:
        if (!this.#ports.has(n)) this.#offer(n)
        return
      case 1:
        void this.#ports.get(n)?.revoke()
        this.#ports.delete(n)
        return
      case 2:
        this.#ports.get(n)?.offerSubchannels(1 + this.#random.below(3))
        return
      case 3:
      case 4:
      case 5:
        user?.open()
        return
      case 6:
        user?.call(() => user.channel.close())
        return
      case 7:
        if (user !== undefined) this.#makeGpadl(user)
        return
      case 8:
        if (user !== undefined) this.#dropGpadl(user)
        return
      case 9:
        user?.call(() => user.channel.setCpu(this.#random.below(2)))
        return
      default:
        for (const each of users) each.talk()
    }
  }

  #offer(n: number): void {
    this.#ports.set(n, this.guest.server.offer(new EchoDevice(n, n === 1 ? { monitorLatency: 0xffff } : {})))
  }

  /** The channels of a device that the guest has now, the primary first. */
  #usersOf(n: number): User[] {
    const primary = this.guest.channels.get(instance(n))
    if (primary === undefined) return []
    return [primary, ...primary.subchannels].map((channel) => this.#user(channel))
  }

  #user(channel: Channel): User {
    const known = this.#users.get(channel)
    if (known !== undefined) return known
    const user = new User(channel)
    this.#users.set(channel, user)
    return user
  }

  #makeGpadl(user: User): void {
    user.call(async () => {
      const run = this.guest.pages.allocate(1 + this.#random.below(40))
      try {
        user.gpadls.push(await user.channel.establishGpadl(run))
      } catch (error) {
        this.guest.pages.free(run)
        throw error
      }
    })
  }

  #dropGpadl(user: User): void {
    const gpadl = user.gpadls.pop()
    if (gpadl === undefined) return
    user.call(async () => {
      await user.channel.teardownGpadl(gpadl)
      this.guest.pages.free(gpadl.run)
    })
  }

  /** When nothing moves any more, both sides see the same. */
  #agree(): void {
    const host = this.guest.server.channels()
    const seen: string[] = []
    for (let n = 1; n <= DEVICES; n++) {
      for (const { channel, busy, sent, got } of this.#usersOf(n)) {
        expect(busy, 'a call of the guest that never ends').toBe(0)
        seen.push(`${channel.offer.instanceId}.${channel.offer.subIndex} ${channel.offer.channelId} ${channel.state}`)
        if (channel.state === 'open') expect(got).toBeLessThanOrEqual(sent)
      }
    }
    const expected = host
      .filter(({ client }) => client === 'offered')
      .map(({ instanceId, subIndex, channelId, device }) => {
        return `${instanceId}.${subIndex} ${channelId} ${device === 'open' ? 'open' : 'offered'}`
      })
    expect(seen.sort()).toEqual(expected.sort())
    expect(host.filter(({ client }) => client === 'revoked')).toEqual([])
    expect(host.filter(({ subIndex }) => subIndex === 0).length).toBe(this.#ports.size)
    for (const { statistics } of host) expect(statistics?.protocolErrors ?? 0).toBe(0)
  }

  async #ends(what: string, promise: Promise<void>): Promise<void> {
    let ended = false
    promise.then(
      () => {
        ended = true
      },
      (error: unknown) => this.errors.push(error),
    )
    await this.clock.advance(30_000)
    if (!ended) throw new Error(`${what} does not end`)
  }

  /** Suspends and resumes the guest while the host takes a device away and brings another. */
  async #sleep(): Promise<void> {
    await this.#ends('suspend', this.guest.tree.suspend())
    expect(this.guest.server.connection).toBeUndefined()
    const [gone] = this.#ports.keys()
    if (gone !== undefined && this.#random.below(2) === 0) {
      void this.#ports.get(gone)?.revoke()
      this.#ports.delete(gone)
    }
    const missing = [1, 2, 3, 4].find((n) => !this.#ports.has(n) && n !== gone)
    if (missing !== undefined) this.#offer(missing)
    await this.#ends('resume', this.guest.tree.resume())
    this.#agree()
  }

  async #shutDown(): Promise<void> {
    await this.#ends('shutdown', this.guest.tree.shutdown())
    expect(this.guest.server.connection).toBeUndefined()
    for (const { channel, gpadls } of this.#users.values()) {
      for (const gpadl of gpadls) this.guest.pages.free(gpadl.run)
      expect(channel.state === 'open' || channel.state === 'opening').toBe(false)
    }
    expect(this.guest.pages.allocatedPages).toBe(0)
    expect(this.guest.server.brokenInvariants()).toEqual([])
    await this.#ends('stop', this.host[Symbol.asyncDispose]())
    expect(this.clock.pendingTimers).toBe(0)
  }
}

describe('both ends of the bus', () => {
  it(
    '[CL-01] [CL-03] [CL-05] [CL-06] [CL-09] [SR-01] [SR-02] agree after any course of offers, opens, closes, rescinds, traffic and sleep',
    async () => {
      for (let run = 0; run < fuzzRuns(20); run++) {
        try {
          await new Play(fuzzSeed + run).run()
        } catch (error) {
          throw new Error(`seed ${fuzzSeed + run}: ${error instanceof Error ? error.message : error}`, { cause: error })
        }
      }
    },
    fuzzTimeout(60_000),
  )
})
