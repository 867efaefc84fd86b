import type { Packet, RingConsumer, RingEngine, RingProducer } from '@bis/hyperv-types/ring'
import { DrainResult, NO_BYTES, PacketType, ReadResult, WriteResult } from '@bis/hyperv-types/ring'
import { ring, wait } from './doorbell.ts'

/** The loops whose time is taken. Nothing in them allocates. */

/** Writes and reads a packet, `rounds` times, and looks at each as a driver would. */
export function writeAndRead(
  rounds: number,
  producer: RingProducer,
  consumer: RingConsumer,
  payload: Uint8Array,
): number {
  const { packet } = consumer
  const length = payload.length
  let sum = 0
  for (let id = 1; id <= rounds; id++) {
    if (producer.write(PacketType.dataInBand, 0, id, 0, NO_BYTES, 0, payload, 0, length) > WriteResult.WRITTEN_SIGNAL) {
      throw new Error('a packet was refused')
    }
    if (consumer.read() !== ReadResult.PACKET) throw new Error('a packet was lost')
    sum = (sum + packet.transactionIdLow + (packet.bytes[packet.dataOffset] ?? 0)) | 0
  }
  return sum
}

/** Sends packets as fast as the ring takes them. */
export function produce(rounds: number, producer: RingProducer, payload: Uint8Array, bells: Int32Array): void {
  const length = payload.length
  for (let id = 1; id <= rounds; id++) {
    for (;;) {
      const result = producer.write(PacketType.dataInBand, 0, id, 0, NO_BYTES, 0, payload, 0, length)
      if (result === WriteResult.WRITTEN) break
      if (result === WriteResult.WRITTEN_SIGNAL) {
        ring(bells, 0)
        break
      }
      if (result === WriteResult.RING_CORRUPT) throw new Error(producer.corruption)
      wait(bells, 1)
    }
  }
}

/** Takes packets until there were `rounds` of them, sleeping whenever the ring is empty. */
export function consume(rounds: number, consumer: RingConsumer, bells: Int32Array): number {
  let seen = 0
  let sum = 0
  const handler = {
    onPacket(packet: Packet) {
      if (packet.transactionIdLow !== ++seen) throw new Error(`packet ${packet.transactionIdLow} in place of ${seen}`)
      sum = (sum + (packet.bytes[packet.dataOffset] ?? 0)) | 0
    },
    onOversized() {
      throw new Error('a packet too long')
    },
    signalProducer: () => ring(bells, 1),
  }
  while (seen < rounds) {
    wait(bells, 0)
    while (consumer.drain(handler, 1_000_000) === DrainResult.MORE);
    if (consumer.corruption !== undefined) throw new Error(consumer.corruption)
  }
  return sum
}

/** Copies `length` bytes, `rounds` times, through a window as large as a ring, as packets would lie in it. */
export function copyWithin(rounds: number, memory: Uint8Array, window: number, from: number, length: number): void {
  let at = 0
  for (let i = 0; i < rounds; i++) {
    memory.copyWithin(at, from, from + length)
    at += (length + 31) & ~7
    if (at + length > window) at = 0
  }
}

/** The same with WebAssembly's memory.copy. */
export function copyInWasm(
  rounds: number,
  copy: (to: number, from: number, length: number) => void,
  window: number,
  from: number,
  length: number,
): void {
  let at = 0
  for (let i = 0; i < rounds; i++) {
    copy(at, from, length)
    at += (length + 31) & ~7
    if (at + length > window) at = 0
  }
}

/** One end of a ping-pong: takes a packet, sends one back. */
export class PingPong {
  readonly #producer: RingProducer
  readonly #consumer: RingConsumer
  readonly #payload: Uint8Array
  readonly #bells: Int32Array
  readonly #mine: number
  readonly #theirs: number

  constructor(
    engine: RingEngine,
    out: Uint8Array,
    back: Uint8Array,
    payload: Uint8Array,
    bells: Int32Array,
    side: 0 | 1,
  ) {
    this.#producer = engine.producer(out)
    this.#consumer = engine.consumer(back, payload.length + 64)
    this.#payload = payload
    this.#bells = bells
    this.#mine = side
    this.#theirs = 1 - side
  }

  send(): void {
    const result = this.#producer.write(
      PacketType.dataInBand,
      0,
      1,
      0,
      NO_BYTES,
      0,
      this.#payload,
      0,
      this.#payload.length,
    )
    if (result === WriteResult.WRITTEN_SIGNAL) ring(this.#bells, this.#theirs)
    else if (result !== WriteResult.WRITTEN) throw new Error('a packet was refused')
  }

  receive(): void {
    const consumer = this.#consumer
    while (consumer.read() !== ReadResult.PACKET) wait(this.#bells, this.#mine)
  }
}
