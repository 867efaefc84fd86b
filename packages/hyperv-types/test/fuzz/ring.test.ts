import { Corpus } from '@bis/build/corpus'
import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { SeededRandom } from '@bis/hyperv-types'
import type { Packet, RingConsumer, RingProducer } from '@bis/hyperv-types/ring'
import {
  ControlOffset,
  DrainResult,
  GpaRanges,
  initRing,
  NO_BYTES,
  PacketType,
  RangeFault,
  ReadResult,
  SIGNAL_PRODUCER,
  WriteResult,
  XferPageRanges,
} from '@bis/hyperv-types/ring'
import { describe, expect, it } from 'vitest'
import type { RingBed } from '../ring/bed.ts'
import { scriptBeds, wasmBeds } from '../ring/bed.ts'

/** Rings for each bed; BIS_FUZZ=100 makes ten million. */
const CASES = fuzzRuns(100_000)

const RING_BYTES = 8192
const DATA_BYTES = 4096
const GUARD_BYTES = 4096
/** Never written by the fuzzer, so that it tells of a read or write outside the ring. */
const GUARD = 0xa5

const LONGEST = 1024

/** A ring between guards, and everything that touches it. */
class Victim {
  readonly window: Uint8Array
  readonly ring: Uint8Array
  readonly control: Uint32Array
  readonly data: DataView
  readonly gpa = new GpaRanges()
  readonly xfer = new XferPageRanges()
  reports = 0
  packets = 0
  /** What the case at hand has shown. */
  readonly features = new Set<string>()

  constructor(bed: RingBed) {
    this.window = bed.ring(RING_BYTES + 2 * GUARD_BYTES)
    this.window.fill(GUARD)
    this.ring = this.window.subarray(GUARD_BYTES, GUARD_BYTES + RING_BYTES)
    this.control = new Uint32Array(this.ring.buffer, this.ring.byteOffset, 1024)
    this.data = new DataView(this.ring.buffer, this.ring.byteOffset + 4096, DATA_BYTES)
  }

  expectGuards(): void {
    for (const at of [0, GUARD_BYTES - 64, GUARD_BYTES + RING_BYTES, this.window.length - 64]) {
      for (let i = at; i < at + 64; i++) if (this.window[i] !== GUARD) expect.unreachable(`byte ${i} was written`)
    }
  }

  onPacket(packet: Packet): void {
    this.packets++
    const { length, dataOffset, dataLength } = packet
    if (!(length <= LONGEST && dataOffset >= 16 && dataOffset <= length && dataOffset + dataLength === length)) {
      expect.unreachable(`a packet of ${length} with data at ${dataOffset}, ${dataLength} long`)
    }
    if (packet.bytes.length >= 1 && packet.bytes[length - 1] === GUARD)
      expect.unreachable('a byte from outside the ring')
    const gpa = this.gpa.read(packet)
    this.features.add(`packet ${packet.type}`)
    this.features.add(`gpa ${gpa}`)
    if (gpa === RangeFault.NONE) {
      for (let i = 0; i < this.gpa.count; i++) {
        for (let page = 0; page < this.gpa.pageCount(i); page++) {
          if (this.gpa.pfn(i, page) >= 2 ** 40) expect.unreachable('a page beyond 2^52')
        }
      }
    }
    const xfer = this.xfer.read(packet, 65_536)
    this.features.add(`xfer ${xfer}`)
    if (xfer === RangeFault.NONE) {
      for (let i = 0; i < this.xfer.count; i++) {
        if (this.xfer.offset(i) + this.xfer.length(i) > 65_536) expect.unreachable('a range outside the buffer')
      }
    }
  }

  onOversized(packet: Packet): void {
    if (packet.length <= LONGEST || packet.dataLength !== 0) expect.unreachable('a packet not too long')
  }

  signalProducer(): void {}
}

/** Fills the ring with packets that could be, of all kinds. */
function fill(victim: Victim, random: SeededRandom): void {
  const { control, data } = victim
  initRing(victim.ring, { pendingSendSize: random.below(4) !== 0 })
  let at = random.below(DATA_BYTES / 8) * 8
  control[ControlOffset.readIndex / 4] = at
  let left = DATA_BYTES - 8
  for (let count = random.below(6); count > 0; count--) {
    const length = 16 + random.below(random.pick([4, 40, 260])) * 8
    if (length + 8 > left) break
    const header = Math.min(length / 8, 2 + random.below(6))
    const type = random.pick([PacketType.dataInBand, PacketType.dataUsingGpaDirect, PacketType.dataUsingXferPages, 11])
    const words = [
      type | (header << 16),
      (length / 8) | (random.below(2) << 16),
      0x1020304,
      0,
      0,
      random.below(3),
      100,
      9,
    ]
    words.forEach((word, i) => {
      data.setUint32((at + i * 4) % DATA_BYTES, word, true)
    })
    at = (at + length + 8) % DATA_BYTES
    left -= length + 8
  }
  control[ControlOffset.writeIndex / 4] = at
}

const CONTROL_WORDS = [0, 1, 2, 3, 16]

/** Changes something that the peer could change. */
function mutate(victim: Victim, random: SeededRandom): void {
  const { control, data } = victim
  const odd = random.pick([
    0,
    1,
    4,
    7,
    8,
    24,
    DATA_BYTES - 8,
    DATA_BYTES - 1,
    DATA_BYTES,
    0x7ffffff8,
    0x80000000,
    0xffffffff,
  ])
  switch (random.below(5)) {
    case 0:
      control[random.pick(CONTROL_WORDS)] = odd
      return
    case 1:
      control[random.below(2)] = random.below(DATA_BYTES / 8) * 8
      return
    case 2: {
      // a field of a descriptor or of the range list behind it, at the place where one is likely
      const read = control[ControlOffset.readIndex / 4] ?? 0
      data.setUint16(
        ((read + random.below(16) * 2) % DATA_BYTES) & ~1,
        random.pick([0, 1, 2, 3, 0xffff, odd & 0xffff]),
        true,
      )
      return
    }
    case 3:
      data.setUint32(random.below(DATA_BYTES / 4) * 4, random.pick([0, 1, odd, 0x10002, 0xffffffff]), true)
      return
    default:
      data.setUint8(random.below(DATA_BYTES), random.below(0xa5))
  }
}

function useConsumer(victim: Victim, consumer: RingConsumer, random: SeededRandom): void {
  switch (random.below(5)) {
    case 0: {
      const found = (random.below(2) === 0 ? consumer.next() : consumer.read()) & ~SIGNAL_PRODUCER
      victim.features.add(`found ${found}`)
      if (found === ReadResult.PACKET) victim.onPacket(consumer.packet)
      else if (found === ReadResult.OVERSIZED) victim.onOversized(consumer.packet)
      else if ((found === ReadResult.CORRUPT) !== (consumer.corruption !== undefined))
        expect.unreachable(`found ${found}`)
      return
    }
    case 1:
      consumer.commit()
      return
    case 2:
      consumer.mask()
      return
    case 3:
      consumer.unmask()
      return
    default: {
      const result = consumer.drain(victim, 1 + random.below(300))
      victim.features.add(`drain ${result}`)
      if (consumer.corruption !== undefined && result !== DrainResult.CORRUPT)
        expect.unreachable(`drain said ${result}`)
    }
  }
}

const PAYLOAD = new Uint8Array(2048).fill(0x11)

function useProducer(victim: Victim, producer: RingProducer, random: SeededRandom): void {
  const length = random.below(2048)
  const result =
    random.below(3) === 0
      ? producer.put(6, 0, 1, 0, NO_BYTES, 0, PAYLOAD, 0, length)
      : producer.write(6, 0, 1, 0, NO_BYTES, 0, PAYLOAD, 0, length)
  victim.features.add(`write ${result}`)
  if (random.below(4) === 0) victim.features.add(`publish ${producer.publish()}`)
  if (result === WriteResult.RING_CORRUPT && producer.corruption === undefined)
    expect.unreachable('dead without a reason')
}

function play(victim: Victim, bed: RingBed, seed: number): void {
  victim.features.clear()
  const random = new SeededRandom(seed)
  fill(victim, random)
  for (let i = random.below(3); i > 0; i--) mutate(victim, random)
  const write = random.below(4) === 0
  const producer = write ? bed.engine.producer(victim.ring) : undefined
  const consumer = write ? undefined : bed.engine.consumer(victim.ring, LONGEST)
  let dead: string | undefined
  for (let step = 0; step < 6; step++) {
    if (consumer !== undefined) useConsumer(victim, consumer, random)
    if (producer !== undefined) useProducer(victim, producer, random)
    const end = consumer ?? producer
    // Terminal, with one report: what killed the ring stays what killed it.
    if (dead !== undefined && end?.corruption !== dead) expect.unreachable(`${dead}, then ${end?.corruption}`)
    dead = end?.corruption
    if (dead !== undefined && step < 4 && random.below(2) === 0) initRing(victim.ring)
    else mutate(victim, random)
  }
  if (dead !== undefined) {
    victim.reports++
    victim.features.add(`${write ? 'producer' : 'consumer'} dead: ${dead.replaceAll(/[0-9]+/g, '#')}`)
  }
  consumer?.close()
  producer?.close()
}

const beds = [...scriptBeds.slice(0, 1), ...wasmBeds().slice(0, 1)]

describe.each(beds)('$name under a hostile peer', (bed) => {
  it(
    '[RB-08] [RB-07] never throws, never leaves the ring, and dies once',
    async () => {
      const victim = new Victim(bed)
      const corpus = new Corpus<number>(new URL('corpus/ring.jsonl', import.meta.url))
      const kept = [...corpus.inputs]
      for (let i = -kept.length; i < CASES; i++) {
        const seed = kept[i + kept.length] ?? fuzzSeed + i
        try {
          play(victim, bed, seed)
          corpus.note(seed, victim.features)
          if (i % 64 === 0) victim.expectGuards()
          // The test runner wants to hear from a long run.
          if (i % 10_000 === 0) await new Promise((resolve) => setImmediate(resolve))
        } catch (cause) {
          throw new Error(`seed ${seed}; again with BIS_FUZZ_SEED=${seed} BIS_FUZZ=0.00001`, { cause })
        }
      }
      victim.expectGuards()
      fuzzCases(`rings, ${bed.name}; ${corpus.size} kinds of outcome`, CASES)
      if (CASES >= 1000) {
        expect(victim.reports).toBeGreaterThan(CASES / 10)
        expect(victim.packets).toBeGreaterThan(CASES / 10)
      }
    },
    fuzzTimeout(120_000),
  )
})
