import type { RingConsumer, RingProducer } from '@bis/hyperv-types/ring'
import { DrainResult, NO_BYTES, PacketType, ReadResult, SIGNAL_PRODUCER, WriteResult } from '@bis/hyperv-types/ring'
import { describe, expect, it } from 'vitest'
import { ScriptConsumer } from '../../src/ring/script-consumer.ts'
import { ScriptProducer } from '../../src/ring/script-producer.ts'
import { WasmProducer } from '../../src/ring/wasm/wasm-producer.ts'
import type { Port, Report } from './interleave.ts'
import { explore } from './interleave.ts'
import type { ModelEnds } from './model.ts'
import { DATA_BYTES, PortAccess, scriptEnds, wasmEnds } from './model.ts'

/** The doorbells. */
const CONSUMER = 0
const PRODUCER = 1

const PAYLOAD = new Uint8Array(DATA_BYTES)

type Reader = (consumer: RingConsumer, ends: ModelEnds) => number

/** A writer with one packet after the other, waiting when it is refused. */
function write(producer: RingProducer, ends: ModelEnds, packets: number, length: number): void {
  for (let i = 0; i < packets; i++) {
    for (;;) {
      const result = producer.write(PacketType.dataInBand, 0, 1, 0, NO_BYTES, 0, PAYLOAD, 0, length - 16)
      if (result === WriteResult.WRITTEN_SIGNAL) ends.toProducer.ring(CONSUMER)
      if (result <= WriteResult.WRITTEN_SIGNAL) break
      if (result !== WriteResult.RING_FULL) expect.unreachable(`write said ${result}`)
      ends.toProducer.wait(PRODUCER)
    }
  }
}

/** A writer that puts all packets as one batch. */
function writeBatch(producer: RingProducer, ends: ModelEnds, packets: number, length: number): void {
  let sent = 0
  while (sent < packets) {
    let result: WriteResult = WriteResult.WRITTEN
    while (sent < packets && result === WriteResult.WRITTEN) {
      result = producer.put(PacketType.dataInBand, 0, 1, 0, NO_BYTES, 0, PAYLOAD, 0, length - 16)
      if (result === WriteResult.WRITTEN) sent++
    }
    if (producer.publish() === WriteResult.WRITTEN_SIGNAL) ends.toProducer.ring(CONSUMER)
    if (result === WriteResult.RING_FULL) ends.toProducer.wait(PRODUCER)
  }
}

/** One wake-up of a reader that drains. */
function drain(budget: number): Reader {
  return (consumer, ends) => {
    let taken = 0
    const handler = {
      onPacket: () => void taken++,
      onOversized: () => expect.unreachable(),
      signalProducer: () => ends.toConsumer.ring(PRODUCER),
    }
    while (consumer.drain(handler, budget) === DrainResult.MORE);
    if (consumer.corruption !== undefined) expect.unreachable(consumer.corruption)
    return taken
  }
}

/** One wake-up of a reader that gives room back after each packet and never masks. */
const packetByPacket: Reader = (consumer, ends) => {
  let taken = 0
  do {
    while (consumer.next() === ReadResult.PACKET) {
      taken++
      if (consumer.commit()) ends.toConsumer.ring(PRODUCER)
    }
    if (consumer.corruption !== undefined) expect.unreachable(consumer.corruption)
  } while (consumer.readable() !== 0)
  return taken
}

/** The same by `read`. */
const readOne: Reader = (consumer, ends) => {
  let taken = 0
  do {
    for (;;) {
      const found = consumer.read()
      if (found === ReadResult.EMPTY) break
      if ((found & ~SIGNAL_PRODUCER) !== ReadResult.PACKET) expect.unreachable(`read said ${found}`)
      taken++
      if ((found & SIGNAL_PRODUCER) !== 0) ends.toConsumer.ring(PRODUCER)
    }
  } while (consumer.readable() !== 0)
  return taken
}

interface Scene {
  /** Packet without trailer. */
  readonly length: number
  /** Packets in the ring at the beginning, whose signal is on its way. */
  readonly before: number
  /** Packets that the writer has. */
  readonly packets: number
  readonly start?: number
  readonly read: Reader
  readonly batch?: boolean
}

function play(ends: ModelEnds, scene: Scene): Report {
  const { length, before, packets, read } = scene
  const start = scene.start ?? 0
  ends.expectPackets(length)
  const words: number[] = []
  words[0] = (start + before * (length + 8)) % DATA_BYTES
  words[4] = start
  words[64] = 1
  const writer = {
    port: ends.toProducer,
    run: () => (scene.batch ? writeBatch : write)(ends.producer(), ends, packets, length),
  }
  const reader = {
    port: ends.toConsumer,
    run() {
      const consumer = ends.consumer()
      for (let taken = 0; taken < before + packets; ) {
        ends.toConsumer.wait(CONSUMER)
        taken += read(consumer, ends)
      }
    },
  }
  return explore([writer, reader], words, [before > 0, false])
}

const capacity = (length: number) => Math.floor((DATA_BYTES - 8) / (length + 8))

const kinds: readonly (() => ModelEnds | Promise<ModelEnds>)[] = [scriptEnds, wasmEnds]

describe.each(kinds)('every interleaving of a writer and a reader (%#)', (make) => {
  it('[RB-01] of a full ring of any packet size lets the writer go on', async () => {
    const ends = await make()
    let states = 0
    for (let length = 16; length <= DATA_BYTES - 16; length += 8) {
      const report = play(ends, { length, before: capacity(length), packets: 1, read: drain(1000), start: 8 })
      expect(report.stuck, `length ${length}`).toBeUndefined()
      states += report.states
    }
    expect(states).toBeGreaterThan(50_000)
  }, 60_000)

  it('[RB-01] of a ring with few packets, given back one by one, lets the writer go on', async () => {
    const ends = await make()
    for (const length of [672, 1000, 2032, 2040, 4080]) {
      for (const read of [packetByPacket, readOne]) {
        const report = play(ends, {
          length,
          before: capacity(length),
          packets: length < 2000 ? 1 : 2,
          read,
          start: 4088,
        })
        expect(report.stuck, `length ${length}`).toBeUndefined()
      }
    }
  }, 60_000)

  it('[RB-01] of a batch that does not fit loses no wake-up', async () => {
    const ends = await make()
    for (const length of [1344, 2032, 4080]) {
      for (const read of [drain(1000), drain(1)]) {
        const report = play(ends, { length, before: capacity(length) - 1, packets: 3, read, batch: true })
        expect(report.stuck, `length ${length}`).toBeUndefined()
      }
    }
  }, 60_000)

  it('[RB-02] of an empty ring lets the reader go on', async () => {
    const ends = await make()
    for (const read of [drain(1000), drain(1), packetByPacket, readOne]) {
      for (const batch of [false, true]) {
        const report = play(ends, { length: 64, before: 0, packets: 3, read, batch })
        expect(report.stuck).toBeUndefined()
      }
    }
  }, 60_000)

  it('[RB-02] [RB-03] the interrupt mask is written by the consumer only', async () => {
    const ends = await make()
    const { store } = ends.toProducer
    ends.toProducer.store = function (word, value) {
      expect(word).not.toBe(8)
      store.call(this, word, value)
    }
    expect(play(ends, { length: 1000, before: 3, packets: 2, read: drain(10) }).stuck).toBeUndefined()
    expect('mask' in ScriptProducer.prototype || 'mask' in WasmProducer.prototype).toBe(false)
  })
})

describe('the search for lost wake-ups finds', () => {
  const fullRing = { length: 1000, before: capacity(1000), packets: 2, read: drain(1000) }

  it('a reader that does not look again after unmasking', () => {
    class Careless extends ScriptConsumer {
      override unmask(): boolean {
        super.unmask()
        return false
      }
    }
    const ends = endsWith((ring, port) => new Careless(new PortAccess(ring, port), new Uint8Array(4096)))
    const report = play(ends, { length: 64, before: 0, packets: 2, read: drain(1000) })
    expect(report.stuck).toBeDefined()
  })

  it('a reader that looks at the pending size before it gives the room back', () => {
    class Hasty extends PortAccess {
      #pending = 0
      override storeReadIndex = (index: number) => {
        this.#pending = this.port.load(12)
        this.port.store(4, index)
      }
      override loadPendingSendSize = () => this.#pending
    }
    const ends = endsWith((ring, port) => new ScriptConsumer(new Hasty(ring, port), new Uint8Array(4096)))
    expect(play(ends, fullRing).stuck).toBeDefined()
  })

  it('a writer that does not look again after asking for room', () => {
    class Trusting extends PortAccess {
      #asked = false
      #last = 0
      override storePendingSendSize = (bytes: number) => {
        this.#asked = true
        this.port.store(12, bytes)
      }
      override loadReadIndex = () => {
        if (!this.#asked) this.#last = this.port.load(4)
        this.#asked = false
        return this.#last
      }
    }
    const ends = scriptEnds()
    const producer = () => new ScriptProducer(new Trusting(new Uint8Array(8192), ends.toProducer))
    expect(play({ ...ends, producer }, fullRing).stuck).toBeDefined()
  })

  it('a writer that looks at the mask before it publishes', () => {
    class Early extends PortAccess {
      #mask = 0
      override storeWriteIndex = (index: number) => {
        this.#mask = this.port.load(8)
        this.port.store(0, index)
      }
      override loadInterruptMask = () => this.#mask
    }
    const ends = scriptEnds()
    const producer = () => new ScriptProducer(new Early(new Uint8Array(8192), ends.toProducer))
    const report = play({ ...ends, producer }, { length: 64, before: 0, packets: 3, read: drain(1000) })
    expect(report.stuck).toBeDefined()
  })

  function endsWith(consumer: (ring: Uint8Array, port: Port) => RingConsumer): ModelEnds {
    const ends = scriptEnds()
    return { ...ends, consumer: () => consumer(ends.consumerRing, ends.toConsumer) }
  }
})
