import type { ChannelHandlers, Clock, Logger, Packet, Timer } from '@bis/hyperv-types'
import { ChannelError, SendStatus } from '@bis/hyperv-types'
import type { RingConsumer, RingHandler, RingProducer } from '@bis/hyperv-types/ring'
import { DrainResult, NO_BYTES, packetBytes, TRAILER_BYTES, WriteResult } from '@bis/hyperv-types/ring'
import type { Runnable } from './channel-bus.ts'
import type { ChannelCounters } from './counters.ts'
import type { Signal } from './signal.ts'
import { ViolationLimit } from './violations.ts'

/** Packets handled before other channels get a turn. */
export const DEFAULT_BUDGET = 256
/** Protocol violations within a second that disable a channel. */
const VIOLATIONS_PER_SECOND = 100

export interface DataPathParts {
  readonly producer: RingProducer
  readonly consumer: RingConsumer
  readonly handlers: ChannelHandlers
  readonly signal: Signal
  readonly counters: ChannelCounters
  readonly clock: Clock
  readonly log: Logger
  /** For log lines: `channel 5`. */
  readonly name: string
  readonly budget: number
  /** Between tries of a blocked sender when the host knows no pending send sizes. */
  readonly fullRingPollMs: number
  schedule(path: Runnable): void
  scheduleLater(path: Runnable): void
}

/**
 * What an open channel does with its rings: sends, drains with a budget, signals when the rules ask for it, and tells a
 * blocked sender when there is room. It knows nothing of the control protocol. Nothing allocates per packet.
 */
export class DataPath implements Runnable, RingHandler {
  readonly #parts: DataPathParts
  readonly #producer: RingProducer
  readonly #consumer: RingConsumer
  readonly #handlers: ChannelHandlers
  readonly #signal: Signal
  readonly #violations: ViolationLimit
  /** Handlers may be called. */
  #alive = true
  #queued = false
  /** A handler runs further up the stack. */
  #running = false
  #batchDepth = 0
  /** `send` answered `full`, and `onWritable` was not called since. */
  #blocked = false
  /** What the smallest packet refused takes in the ring. */
  #neededBytes = 0
  #poll: Timer | undefined

  constructor(parts: DataPathParts) {
    this.#parts = parts
    this.#producer = parts.producer
    this.#consumer = parts.consumer
    this.#handlers = parts.handlers
    this.#signal = parts.signal
    this.#violations = new ViolationLimit(parts.clock, VIOLATIONS_PER_SECOND)
  }

  /** @see PacketSender.send */
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
    if (!this.#alive) return SendStatus.gone
    const producer = this.#producer
    const packetLength = packetBytes(headerLength, dataLength)
    if (packetLength > producer.longestPacket) return SendStatus.tooLarge
    const extra = header ?? NO_BYTES
    const result =
      this.#batchDepth === 0
        ? producer.write(
            type,
            flags,
            transactionIdLow,
            transactionIdHigh,
            extra,
            headerLength,
            data,
            dataOffset,
            dataLength,
          )
        : producer.put(
            type,
            flags,
            transactionIdLow,
            transactionIdHigh,
            extra,
            headerLength,
            data,
            dataOffset,
            dataLength,
          )
    switch (result) {
      case WriteResult.WRITTEN:
        return SendStatus.sent
      case WriteResult.WRITTEN_SIGNAL:
        this.#signal()
        return SendStatus.sent
      case WriteResult.RING_FULL:
        this.#block(packetLength)
        return SendStatus.full
      case WriteResult.RING_CORRUPT:
        this.#queue()
        return SendStatus.gone
    }
  }

  beginBatch(): void {
    this.#batchDepth++
  }

  endBatch(): void {
    if (this.#batchDepth === 0 || --this.#batchDepth > 0 || !this.#alive) return
    const result = this.#producer.publish()
    if (result === WriteResult.WRITTEN_SIGNAL) this.#signal()
    else if (result === WriteResult.RING_CORRUPT) this.#queue()
  }

  /** The host signalled: masks, so that it need not signal again, and drains in a task. */
  interrupt(): void {
    this.#parts.counters.interrupts++
    if (!this.#alive || this.#queued) return
    this.#consumer.mask()
    this.#queue()
  }

  /** Looks at the rings in a task, whether or not the host signalled. */
  kick(): void {
    this.#queue()
  }

  run(): void {
    this.#queued = false
    // A drain asked for while one runs waits for its turn.
    if (!this.#alive || this.#running) return
    this.#running = true
    this.#batchDepth++
    const more = this.#drain()
    this.#tellWritable()
    this.#running = false
    this.endBatch()
    if (!this.#alive) {
      this.#release()
      return
    }
    const corruption = this.#consumer.corruption ?? this.#producer.corruption
    if (corruption !== undefined) this.#fail(corruption)
    else if (more && !this.#queued) {
      this.#queued = true
      this.#parts.scheduleLater(this)
    }
  }

  /** No handler is called from now on, and nothing is written to the rings any more. */
  stop(): void {
    if (!this.#alive) return
    this.#alive = false
    // A packet that a handler is looking at lies in the consumer's memory.
    if (!this.#running) this.#release()
    this.#poll?.cancel()
    this.#poll = undefined
  }

  onPacket(packet: Packet): void {
    if (this.#alive) this.#handlers.onPacket(packet)
  }

  onOversized(packet: Packet): void {
    this.#parts.counters.protocolErrors++
    const longest = this.#consumer.longestPacket
    const text = `${this.#parts.name}: skipped a packet of ${packet.length} bytes, this channel takes ${longest}`
    this.#parts.log.log('warning', text, 'oversized-packet')
    if (this.#violations.note()) this.#fail(`more than ${VIOLATIONS_PER_SECOND} bad packets in a second`)
  }

  signalProducer(): void {
    if (this.#alive) this.#signal()
  }

  /** Lets go of the rings' private memory. */
  #release(): void {
    this.#consumer.close()
    this.#producer.close()
  }

  #drain(): boolean {
    try {
      const result = this.#consumer.drain(this, this.#parts.budget)
      this.#handlers.onBatchEnd?.()
      return result === DrainResult.MORE
    } catch (error) {
      // A driver's mistake must not take the bus down; the packet counts as taken.
      this.#logThrown(error)
      return true
    }
  }

  #tellWritable(): void {
    if (!this.#blocked || !this.#alive) return
    if (this.#producer.freeBytes() <= this.#neededBytes) {
      this.#awaitRoom()
      return
    }
    this.#blocked = false
    this.#poll?.cancel()
    this.#poll = undefined
    try {
      this.#handlers.onWritable?.()
    } catch (error) {
      this.#logThrown(error)
    }
  }

  #logThrown(error: unknown): void {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    this.#parts.log.log('error', `${this.#parts.name}: the driver's handler threw ${text}`, 'handler-threw')
  }

  #block(packetLength: number): void {
    const needed = packetLength + TRAILER_BYTES
    // The ring's producer waits for the least that was refused, and so does this.
    this.#neededBytes = this.#blocked ? Math.min(this.#neededBytes, needed) : needed
    this.#blocked = true
    this.#awaitRoom()
  }

  /** The host signals when there is room, if it knows how; otherwise this looks again. */
  #awaitRoom(): void {
    if (this.#producer.flowControl || this.#poll !== undefined) return
    this.#poll = this.#parts.clock.after(this.#parts.fullRingPollMs, () => {
      this.#poll = undefined
      this.#queue()
    })
  }

  #queue(): void {
    if (!this.#alive || this.#queued) return
    this.#queued = true
    this.#parts.schedule(this)
  }

  #fail(reason: string): void {
    if (!this.#alive) return
    this.stop()
    this.#parts.counters.protocolErrors++
    const error = new ChannelError('protocol', `${this.#parts.name} is dead: ${reason}`)
    this.#parts.log.log('error', error.message)
    try {
      this.#handlers.onFailure?.(error)
    } catch (thrown) {
      this.#logThrown(thrown)
    }
  }
}
