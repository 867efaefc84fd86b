import { ChannelError } from '../errors.ts'
import type { ChannelHandlers, ChannelStatistics, PacketSender } from '../interfaces/channel.ts'
import { SendStatus } from '../interfaces/channel.ts'
import type { Clock } from '../interfaces/clock.ts'
import type { RingConsumer, RingProducer } from '../ring/index.ts'
import { packetBytes, ReadResult, scriptEngine, WriteResult } from '../ring/index.ts'

const NO_HEADER = new Uint8Array(0)
const DEFAULT_BUDGET = 256

export interface RingEndOptions {
  readonly clock: Clock
  readonly outgoing: Uint8Array
  readonly incoming: Uint8Array
  readonly handlers: ChannelHandlers
  readonly maxPacketBytes?: number
  readonly budget?: number
  readonly statistics: Counters
}

/** {@link ChannelStatistics} as its owner counts it. */
export type Counters = { -readonly [K in keyof ChannelStatistics]: number }

export function newCounters(): Counters {
  return {
    packetsSent: 0,
    packetsReceived: 0,
    signalsSent: 0,
    signalsSuppressed: 0,
    ringFull: 0,
    interrupts: 0,
    protocolErrors: 0,
  }
}

/**
 * One end of a channel over a pair of rings: writes one, drains the other when it is signalled, and keeps to the rules
 * of the seams (no handler inside a call of the other side, batches, budget, back-pressure).
 */
export class RingEnd implements PacketSender {
  /** The other end; signals go there. */
  peer: RingEnd | undefined
  readonly #clock: Clock
  readonly #producer: RingProducer
  readonly #consumer: RingConsumer
  readonly #handlers: ChannelHandlers
  readonly #budget: number
  readonly #statistics: Counters
  readonly #run = (): void => this.#service()
  #scheduled = false
  #batching = false
  #blocked = false
  #paused = false
  #live = true

  constructor(options: RingEndOptions) {
    const { clock, outgoing, incoming, handlers } = options
    this.#clock = clock
    this.#handlers = handlers
    this.#producer = scriptEngine.producer(outgoing)
    this.#consumer = scriptEngine.consumer(incoming, options.maxPacketBytes ?? incoming.length - 4096 - 16)
    this.#budget = options.budget ?? DEFAULT_BUDGET
    this.#statistics = options.statistics
  }

  send(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array | undefined,
    headerLength: number,
    data: Uint8Array,
    dataOffset: number,
    dataLength: number,
  ): SendStatus {
    if (!this.#live) return SendStatus.gone
    const producer = this.#producer
    if (packetBytes(headerLength, dataLength) > producer.longestPacket) return SendStatus.tooLarge
    const result = producer.put(
      type,
      flags,
      transactionIdLow,
      transactionIdHigh,
      header ?? NO_HEADER,
      headerLength,
      data,
      dataOffset,
      dataLength,
    )
    if (result === WriteResult.RING_FULL) {
      this.#blocked = true
      this.#statistics.ringFull++
      if (!this.#batching) this.#publish()
      return SendStatus.full
    }
    if (result !== WriteResult.WRITTEN) {
      this.#break(producer.corruption ?? 'the ring is corrupt')
      return SendStatus.gone
    }
    this.#statistics.packetsSent++
    if (!this.#batching) this.#publish()
    return SendStatus.sent
  }

  beginBatch(): void {
    this.#batching = true
  }

  endBatch(): void {
    this.#batching = false
    this.#publish()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.interrupt()
  }

  /** What the peer's signal does. */
  interrupt(): void {
    if (this.#scheduled || !this.#live) return
    this.#scheduled = true
    this.#clock.soon(this.#run)
  }

  /** No handler runs after this, and nothing is sent. */
  stop(): void {
    this.#live = false
  }

  #service(): void {
    this.#scheduled = false
    if (!this.#live) return
    this.#statistics.interrupts++
    this.#batching = true
    if (this.#blocked) {
      this.#blocked = false
      this.#handlers.onWritable?.()
    }
    const more = this.#drain()
    this.#handlers.onBatchEnd?.()
    this.endBatch()
    if (!more || !this.#live) return
    this.#scheduled = true
    this.#clock.later(this.#run)
  }

  /** @returns whether there is more to do in another turn. */
  #drain(): boolean {
    const consumer = this.#consumer
    consumer.mask()
    for (let handled = 0; handled < this.#budget; handled++) {
      if (this.#paused || !this.#live) {
        this.#commit()
        return false
      }
      const found = consumer.next()
      if (found === ReadResult.PACKET) {
        this.#statistics.packetsReceived++
        this.#handlers.onPacket(consumer.packet)
      } else if (found === ReadResult.OVERSIZED) {
        this.#statistics.protocolErrors++
      } else if (found === ReadResult.CORRUPT) {
        this.#break(consumer.corruption ?? 'the ring is corrupt')
        return false
      } else {
        this.#commit()
        if (!consumer.unmask()) return false
        consumer.mask()
      }
    }
    this.#commit()
    return true
  }

  #commit(): void {
    if (this.#consumer.commit()) this.#signal()
  }

  #publish(): void {
    const result = this.#producer.publish()
    if (result === WriteResult.WRITTEN_SIGNAL) this.#signal()
    else if (result === WriteResult.RING_CORRUPT) this.#break(this.#producer.corruption ?? 'the ring is corrupt')
    else this.#statistics.signalsSuppressed++
  }

  #signal(): void {
    this.#statistics.signalsSent++
    this.peer?.interrupt()
  }

  #break(reason: string): void {
    if (!this.#live) return
    this.#live = false
    this.#statistics.protocolErrors++
    this.#handlers.onFailure?.(new ChannelError('protocol', reason))
  }
}
