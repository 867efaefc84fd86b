import type { Clock, Timer } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import type { RingProducer } from '@bis/hyperv-types/ring'
import { NO_BYTES, packetBytes, WriteResult } from '@bis/hyperv-types/ring'

/** A full ring of a guest without flow control is tried again after these milliseconds at first, and at most. */
const FIRST_RETRY_MS = 1
const LAST_RETRY_MS = 32

export interface OutgoingParts {
  readonly ring: RingProducer
  readonly clock: Clock
  /** The guest is to be told that there is something to read. */
  signal(): void
  /** There may be room in a ring that was full. */
  retry(): void
  corrupt(reason: string): void
}

/** What a channel's end in the host does with its host-to-guest ring: packets singly or in batches, and waiting for room. */
export class OutgoingPath {
  readonly #parts: OutgoingParts
  readonly #ring: RingProducer
  /** `refusing`: takes nothing more, publishes what was put; `stopped`: touches the ring no more. */
  #state: 'open' | 'refusing' | 'stopped' = 'open'
  #batching = false
  /** `send` answered `full`, and {@link takeBlocked} has not been asked since. */
  #blocked = false
  #retry: Timer | undefined = undefined
  #retryMs = FIRST_RETRY_MS

  constructor(parts: OutgoingParts) {
    this.#parts = parts
    this.#ring = parts.ring
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
    if (this.#state !== 'open') return SendStatus.gone
    const ring = this.#ring
    if (packetBytes(headerLength, dataLength) > ring.longestPacket) return SendStatus.tooLarge
    const extra = header ?? NO_BYTES
    const result = this.#batching
      ? ring.put(type, flags, transactionIdLow, transactionIdHigh, extra, headerLength, data, dataOffset, dataLength)
      : ring.write(type, flags, transactionIdLow, transactionIdHigh, extra, headerLength, data, dataOffset, dataLength)
    switch (result) {
      case WriteResult.WRITTEN:
        this.#retryMs = FIRST_RETRY_MS
        return SendStatus.sent
      case WriteResult.WRITTEN_SIGNAL:
        this.#retryMs = FIRST_RETRY_MS
        this.#parts.signal()
        return SendStatus.sent
      case WriteResult.RING_FULL:
        this.#block()
        return SendStatus.full
      case WriteResult.RING_CORRUPT:
        this.#corrupt()
        return SendStatus.gone
    }
  }

  /** What is sent until {@link publish} is shown to the guest at once then. */
  beginBatch(): void {
    this.#batching = true
  }

  publish(): void {
    this.#batching = false
    if (this.#state === 'stopped') return
    const result = this.#ring.publish()
    if (result === WriteResult.WRITTEN_SIGNAL) this.#parts.signal()
    else if (result === WriteResult.RING_CORRUPT) this.#corrupt()
  }

  /** @returns whether the ring was full since this was asked last */
  takeBlocked(): boolean {
    const blocked = this.#blocked
    this.#blocked = false
    return blocked
  }

  /** Room is not waited for any more. */
  stopRetrying(): void {
    this.#retry?.cancel()
    this.#retry = undefined
  }

  /** Takes no packet any more; what was put is still published. */
  refuse(): void {
    this.stopRetrying()
    this.#state = 'refusing'
  }

  /** Touches the ring no more. */
  stop(): void {
    this.stopRetrying()
    this.#state = 'stopped'
  }

  #block(): void {
    this.#blocked = true
    if (this.#ring.flowControl || this.#retry !== undefined) return
    this.#retry = this.#parts.clock.after(this.#retryMs, () => {
      this.#retry = undefined
      this.#parts.retry()
    })
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
  }

  #corrupt(): void {
    this.#parts.corrupt(`host-to-guest ring: ${this.#ring.corruption}`)
  }
}
