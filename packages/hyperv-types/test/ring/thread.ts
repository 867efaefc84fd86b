/** One end of a ring in a thread of its own; bundled and started by threads.test.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import type { WasmMemory } from '@bis/hyperv-types'
import { SeededRandom } from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import {
  DrainResult,
  NO_BYTES,
  PacketType,
  ReadResult,
  ringEngineFor,
  scriptEngine,
  WriteResult,
} from '@bis/hyperv-types/ring'

export interface ThreadTask {
  readonly role: 'producer' | 'consumer' | 'vandal'
  readonly engine: RingEngine['kind']
  /** Bytes of the guest; the ring begins at 0. */
  readonly guestBytes: number
  readonly ringBytes: number
  readonly wasm?: WasmMemory
  readonly buffer: SharedArrayBuffer
  readonly packets: number
  readonly maxPayload: number
  readonly seed: number
  /** Two doorbells, the consumer's first; the third word tells the vandal to stop. */
  readonly bells: Int32Array
}

export const CONSUMER_BELL = 0
export const PRODUCER_BELL = 1
export const STOP = 2

/** So long without a wake-up means that one was lost. */
const LOST_MS = 20_000

function ring(bells: Int32Array, bell: number): void {
  Atomics.store(bells, bell, 1)
  Atomics.notify(bells, bell)
}

function wait(bells: Int32Array, bell: number): void {
  while (Atomics.exchange(bells, bell, 0) === 0) {
    if (Atomics.wait(bells, bell, 0, LOST_MS) === 'timed-out') throw new Error(`lost wake-up at doorbell ${bell}`)
  }
}

/** The word at place `i` of a packet. */
function word(id: number, i: number): number {
  return Math.imul(id + i * 7919, 0x9e3779b1)
}

function produce(task: ThreadTask, engine: RingEngine, window: Uint8Array): object {
  const { bells, packets, maxPayload } = task
  const random = new SeededRandom(task.seed)
  const producer = engine.producer(window)
  const payload = engine.allocate(maxPayload + 8)
  const words = new Int32Array(payload.buffer, payload.byteOffset, payload.length / 4)
  let waits = 0
  for (let id = 1; id <= packets; ) {
    // One by one or as a batch.
    const batch = random.below(3) === 0 ? 1 + random.below(20) : 1
    let refused = false
    for (let i = 0; i < batch && id <= packets && !refused; i++) {
      const length = lengthOf(id, task)
      for (let at = 0; at * 4 < length; at++) words[at] = word(id, at)
      const write = batch === 1 ? producer.write : producer.put
      const result = write.call(producer, PacketType.dataInBand, 0, id, ~id, NO_BYTES, 0, payload, 0, length)
      if (result === WriteResult.RING_CORRUPT) throw new Error(producer.corruption)
      if (result === WriteResult.WRITTEN_SIGNAL) ring(bells, CONSUMER_BELL)
      refused = result === WriteResult.RING_FULL
      if (!refused) id++
    }
    if (batch > 1 && producer.publish() === WriteResult.WRITTEN_SIGNAL) ring(bells, CONSUMER_BELL)
    if (refused) {
      waits++
      wait(bells, PRODUCER_BELL)
    }
  }
  const { signals, suppressedSignals, ringFull } = producer
  return { packets: producer.packets, signals, suppressedSignals, ringFull, waits }
}

/** Both ends know the length of each packet. */
function lengthOf(id: number, task: ThreadTask): number {
  const some = Math.imul(id ^ task.seed, 0x85ebca6b) >>> 8
  return some % 8 === 0 ? some % (task.maxPayload + 1) : some % 100
}

function consume(task: ThreadTask, engine: RingEngine, window: Uint8Array): object {
  const { bells, packets } = task
  const random = new SeededRandom(task.seed + 1)
  const consumer = engine.consumer(window, task.maxPayload + 24)
  const { packet } = consumer
  let seen = 0
  let wakeUps = 0
  const handler = {
    onPacket() {
      const id = ++seen
      const length = lengthOf(id, task)
      if (
        packet.transactionIdLow !== id ||
        packet.transactionIdHigh !== ~id >>> 0 ||
        packet.dataLength !== Math.ceil(length / 8) * 8
      ) {
        throw new Error(
          `packet ${id}: found id ${packet.transactionIdLow} with ${packet.dataLength} bytes, not ${length}`,
        )
      }
      for (let at = 0; at * 4 + 4 <= length; at++) {
        const value = packet.view.getInt32(packet.dataOffset + at * 4, true)
        if (value !== word(id, at)) throw new Error(`packet ${id}: word ${at} is ${value}, not ${word(id, at)}`)
      }
    },
    onOversized() {
      throw new Error('a packet too long')
    },
    signalProducer: () => ring(bells, PRODUCER_BELL),
  }
  while (seen < packets) {
    wait(bells, CONSUMER_BELL)
    wakeUps++
    if (random.below(2) === 0) {
      const budget = 1 + random.below(40)
      while (consumer.drain(handler, budget) === DrainResult.MORE);
    } else {
      // One by one, unmasked, giving room back now and then.
      do {
        while (consumer.next() === ReadResult.PACKET) {
          handler.onPacket()
          if (random.below(3) === 0 && consumer.commit()) handler.signalProducer()
        }
        if (consumer.commit()) handler.signalProducer()
      } while (consumer.readable() !== 0)
    }
    if (consumer.corruption !== undefined) throw new Error(consumer.corruption)
  }
  return { packets: consumer.packets, signals: consumer.signals, wakeUps }
}

/** Writes nonsense all over the ring until told to stop. */
function vandalise(task: ThreadTask, window: Uint8Array): object {
  const random = new SeededRandom(task.seed)
  const control = new Uint32Array(window.buffer, window.byteOffset, 32)
  const data = new Uint32Array(window.buffer, window.byteOffset + 4096, (task.ringBytes - 4096) / 4)
  let strokes = 0
  while (Atomics.load(task.bells, STOP) === 0) {
    for (let i = 0; i < 1000; i++, strokes++) {
      const odd = random.pick([0, 8, 64, 4096, 0xffffffff, 0x20006, 0x30003, 0x10002, random.word()])
      if (random.below(8) === 0)
        Atomics.store(control, random.pick([0, 0, 0, 1, 2, 3]), random.below(data.length / 2) * 8)
      else if (random.below(500) === 0) Atomics.store(control, random.below(4), odd)
      else data[random.below(data.length)] = odd
    }
  }
  return { strokes }
}

function run(task: ThreadTask): object {
  const window = new Uint8Array(task.buffer, 0, task.ringBytes)
  const region = { byteLength: task.guestBytes, ...(task.wasm === undefined ? {} : { wasm: task.wasm }) }
  const engine = task.engine === 'wasm' ? ringEngineFor(region) : scriptEngine
  switch (task.role) {
    case 'producer':
      return produce(task, engine, window)
    case 'consumer':
      return consume(task, engine, window)
    case 'vandal':
      return vandalise(task, window)
  }
}

parentPort?.postMessage(run(workerData as ThreadTask))
