import { Corpus } from '@bis/build/corpus'
import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { SeededRandom } from '@bis/hyperv-types'
import type { ControlMessage } from '@bis/hyperv-types/vmbus'
import { encodeControlMessage, encodeGpaRanges, parseControlMessage } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import type { ChannelRecord } from '../../src/control/channel-record.ts'
import { ControlPlane } from '../../src/control/control-plane.ts'
import type { ControlEffects } from '../../src/control/effects.ts'
import { brokenInvariants } from '../../src/control/invariants.ts'
import { randomMessage } from '../support/random-messages.ts'
import { instance, openMessage, SCSI } from '../support/test-guest.ts'

const SEQUENCES = fuzzRuns(5_000)
const STEPS = 24
const REQUEST_OFFERS = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0)
const CONTACT = new Uint8Array(40)
CONTACT.set([14, 0, 0, 0, 0, 0, 0, 0, 3, 0, 5, 0, 0, 0, 0, 0, 2])
const CONTACT_WITH_FEATURES = new Uint8Array(56)
CONTACT_WITH_FEATURES.set([14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x2e])

/** The control plane with devices that answer at once, later, or with a refusal, and a watch on what the guest is told. */
class Run {
  readonly control: ControlPlane
  readonly sent: Map<string, number>
  /** What this run has shown of the host. */
  readonly features = new Set<string>()
  readonly #random: SeededRandom
  readonly #late: (() => void)[] = []
  /** Ids that the guest knows: told by an offer, and not released or reset since. */
  readonly #known = new Map<number, { primary: boolean; instance: string; rescinded: boolean }>()
  #mayOffer = false

  constructor(seed: number, sent: Map<string, number>) {
    this.sent = sent
    this.#random = new SeededRandom(seed)
    this.control = new ControlPlane(
      {
        maxVersion: 0x6_0000,
        features: 0x2f,
        refuseVersions: [],
        messageConnectionId: 1,
        gpadlPages: 256,
        gpadls: 12,
        incompleteGpadls: 3,
        pausedMessages: 8,
        chooseChannelId: undefined,
        isProcessor: (vp) => vp < 4,
        isMemory: (gpa, length) => gpa >= 0 && gpa + length <= 4 * 2 ** 20,
      },
      this.#effects(),
    )
    for (let n = 0; n < 3; n++) this.#offer(n)
    if (this.#random.happens(0.25)) return
    // Deep states are reached more often from here.
    this.#receive(this.#random.happens(0.3) ? CONTACT_WITH_FEATURES : CONTACT)
    this.#receive(REQUEST_OFFERS)
  }

  step(): void {
    const random = this.#random
    const what = random.below(100)
    if (what < 55) this.#receive(randomMessage(random))
    else if (what < 70) this.#actLegally()
    else if (what < 88) this.#late.splice(random.below(this.#late.length + 1), 1)[0]?.()
    else if (what < 92) this.control.offerSubchannels(this.#anyRecord(), random.below(4))
    else if (what < 96) this.#revoke(this.#anyRecord())
    else if (what < 99) this.#offer(random.below(6))
    else this.#reset()
    this.#check()
  }

  /** Everything that was put off happens; then the guest can start afresh. */
  finish(): void {
    while (this.#late.length > 0) this.#late.shift()?.()
    this.#reset()
    while (this.#late.length > 0) this.#late.shift()?.()
    expect(this.control.state.at).toBe('disconnected')
    expect(this.control.gpadls.pages).toBe(0)
    expect([...this.control.channels].filter((record) => record.withdrawn)).toEqual([])
    this.#check()
  }

  #check(): void {
    const broken = brokenInvariants(this.control)
    if (broken.length > 0) throw new Error(broken.join('; '))
    if ([...this.control.channels].length === 0) this.#offer(0)
  }

  /** What a well-behaved guest would do next with some channel; the wild messages come in between. */
  #actLegally(): void {
    const random = this.#random
    const id = random.pick([...this.#known.keys(), 1])
    const record = this.control.channelById(id)
    const handle = random.below(8)
    const ring = encodeGpaRanges([{ byteCount: 4 * 4096, byteOffset: 0, pfns: [256, 257, 258, 259] }])
    const header = { child_relid: id, gpadl: handle, range_buflen: ring.length, rangecount: 1, range: ring }
    if (this.#known.get(id)?.rescinded === true) {
      this.#receive(encodeControlMessage('RELID_RELEASED', { child_relid: id }, 0x5_0003))
    } else if (record?.device.at === 'open') {
      this.#receive(encodeControlMessage('CLOSE_CHANNEL', { child_relid: id }, 0x5_0003))
    } else if (random.happens(0.2) && record?.gpadls.size === 1) {
      const [made] = record.gpadls.keys()
      this.#receive(encodeControlMessage('GPADL_TEARDOWN', { child_relid: id, gpadl: made ?? 0 }, 0x5_0003))
    } else if (record?.gpadls.size === 0) {
      this.#receive(encodeControlMessage('GPADL_HEADER', header, 0x5_0003))
    } else {
      const ready = random.pick([...(record?.gpadls.keys() ?? []), handle])
      this.#receive(encodeControlMessage('OPEN_CHANNEL', openMessage(id, ready, 2), 0x5_0003))
    }
  }

  #receive(payload: Uint8Array): void {
    const message = parseControlMessage(payload)
    if (message.kind === 'message') this.#watchGuest(message)
    this.control.receive(payload)
  }

  #reset(): void {
    this.#known.clear()
    this.#mayOffer = false
    this.control.partitionReset()
  }

  #offer(n: number): void {
    const taken = [...this.control.channels].some(
      (record) => !record.withdrawn && record.group.spec.instanceId === instance(n),
    )
    if (taken) return
    const monitorLatency = n % 2 === 0 ? 1000 : undefined
    const spec = {
      interfaceId: SCSI,
      instanceId: instance(n),
      flags: 0,
      mmioMegabytes: 0,
      userDefined: new Uint8Array(),
      monitorLatency,
    }
    this.control.offer(spec)
  }

  #anyRecord(): ChannelRecord {
    return this.#random.pick([...this.control.channels])
  }

  #revoke(record: ChannelRecord): void {
    this.control.revoke(record)
  }

  #watchGuest(message: ControlMessage): void {
    if (message.name === 'REQUEST_OFFERS' && this.control.state.at === 'connected') this.#mayOffer = true
    if (message.name === 'RELID_RELEASED') {
      const known = this.#known.get(message.body.child_relid)
      if (known?.rescinded === true) this.#known.delete(message.body.child_relid)
    }
    const ends =
      message.name === 'INITIATE_CONTACT' || (message.name === 'UNLOAD' && this.control.state.at === 'connected')
    if (ends) {
      this.#known.clear()
      this.#mayOffer = false
    }
  }

  #watchHost(payload: Uint8Array): void {
    const message = parseControlMessage(payload)
    if (message.kind !== 'message') throw new Error(`the host sent a message that is ${message.kind}`)
    const ok = !('status' in message.body) || message.body.status === 0
    const what = ok ? message.name : `${message.name} failed`
    this.sent.set(what, (this.sent.get(what) ?? 0) + 1)
    this.features.add(`${this.control.state.at}: ${what}`)
    if (message.name === 'OFFER_CHANNEL') {
      const { child_relid: id, offer } = message.body
      if (!this.#mayOffer) throw new Error('offer before REQUEST_OFFERS')
      if (this.#known.has(id)) throw new Error(`channel id ${id} issued again before it was released`)
      this.#known.set(id, { primary: offer.sub_channel_index === 0, instance: offer.if_instance, rescinded: false })
    }
    if (message.name === 'RESCIND_OFFER') this.#watchRescind(message.body.child_relid)
  }

  #watchRescind(id: number): void {
    const known = this.#known.get(id)
    if (known === undefined || known.rescinded)
      throw new Error(`rescind of channel ${id}, which the guest does not have`)
    known.rescinded = true
    if (!known.primary) return
    for (const other of this.#known.values()) {
      if (other.instance === known.instance && !other.primary && !other.rescinded)
        throw new Error('primary rescinded before a sub-channel')
    }
  }

  #effects(): ControlEffects {
    const soonOrLate = (run: () => void) => {
      if (this.#random.happens(0.6)) run()
      else this.#late.push(run)
    }
    return {
      post: (_target, message) => this.#watchHost(message),
      connected: () => {},
      disconnected: () => {},
      openChannel: (record) => {
        const opened = this.#random.happens(0.8)
        soonOrLate(() => this.control.openDone(record, opened))
      },
      closeChannel: (record) => soonOrLate(() => this.control.closeDone(record)),
      retargetChannel: () => {},
      releaseGpadl: (record, handle) => soonOrLate(() => this.control.gpadlReleased(record, handle)),
      channelGone: () => {},
      transportConnect: () => false,
      violation: (cause, text) => this.features.add(`${this.control.state.at}: ${cause}: ${shape(text)}`),
    }
  }
}

/** A line of the log without its numbers. */
function shape(text: string): string {
  return text.replaceAll(/0x[0-9a-f]+|[0-9a-f-]{36}|[0-9]+/g, '#')
}

const REACHED = [
  'VERSION_RESPONSE',
  'OFFER_CHANNEL',
  'OPEN_RESULT',
  'OPEN_RESULT failed',
  'GPADL_CREATED',
  'GPADL_TORNDOWN',
  'RESCIND_OFFER',
  'UNLOAD_RESPONSE',
]

describe('control plane', () => {
  it(
    `[GM-10] [HH-05] [HH-08] [HH-10] keeps its invariants over ${SEQUENCES} random sequences`,
    () => {
      const sent = new Map<string, number>()
      const corpus = new Corpus<number>(new URL('corpus/control.jsonl', import.meta.url))
      const kept = [...corpus.inputs]
      for (let i = -kept.length; i < SEQUENCES; i++) {
        const seed = kept[i + kept.length] ?? fuzzSeed + i
        const run = new Run(seed, sent)
        try {
          for (let step = 0; step < STEPS; step++) run.step()
          run.finish()
          corpus.note(seed, run.features)
        } catch (error) {
          throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error })
        }
      }
      fuzzCases(`steps of guests against the host; ${corpus.size} kinds of outcome`, SEQUENCES * STEPS)
      // The sequences are worth nothing when they do not get anywhere.
      for (const what of REACHED) expect(sent.get(what) ?? 0, what).toBeGreaterThan(SEQUENCES / 100)
      if (process.env['BIS_FUZZ_SHOW'] !== undefined) console.log(Object.fromEntries(sent))
    },
    fuzzTimeout(120_000),
  )
})
