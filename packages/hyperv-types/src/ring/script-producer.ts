import type { RingMemory } from './access.ts'
import { badIndex, isIndex } from './corruption.ts'
import { DESCRIPTOR_BYTES, TRAILER_BYTES } from './layout.ts'
import type { RingProducer } from './producer.ts'
import { checkedLength, WriteResult } from './producer.ts'
import { consumerNeedsSignal } from './signal.ts'
import { longestPacket } from './size.ts'

/** The producer in plain script, over any memory. */
export class ScriptProducer implements RingProducer {
  readonly dataBytes: number
  readonly longestPacket: number
  readonly flowControl: boolean
  corruption: string | undefined = undefined
  packets = 0
  signals = 0
  suppressedSignals = 0
  ringFull = 0

  readonly #access: RingMemory
  /** Where the next packet goes; runs ahead of the shared index within a batch. */
  #write: number
  #published: number
  /** The consumer's index as last seen: room can only have grown since. */
  #read: number
  /** What the shared pending size says. */
  #pending = 0
  /** A signal found due when a full ring made the batch public early. */
  #signalDue = false

  constructor(access: RingMemory) {
    this.#access = access
    this.dataBytes = access.dataBytes
    this.longestPacket = longestPacket(access.dataBytes)
    this.flowControl = access.loadPendingSendSizeFeature()
    this.#write = this.#published = access.loadWriteIndex()
    this.#read = access.loadReadIndex()
    if (!isIndex(this.#write, this.dataBytes)) this.#die('write', this.#write)
    else if (!isIndex(this.#read, this.dataBytes)) this.#die('read', this.#read)
  }

  write(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array,
    headerLength: number,
    payload: Uint8Array,
    payloadOffset: number,
    payloadLength: number,
  ): WriteResult {
    const result = this.put(
      type,
      flags,
      transactionIdLow,
      transactionIdHigh,
      header,
      headerLength,
      payload,
      payloadOffset,
      payloadLength,
    )
    return result === WriteResult.WRITTEN ? this.publish() : result
  }

  put(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array,
    headerLength: number,
    payload: Uint8Array,
    payloadOffset: number,
    payloadLength: number,
  ): WriteResult {
    const length = checkedLength(this.longestPacket, header, headerLength, payload, payloadOffset, payloadLength)
    if (this.corruption !== undefined) return WriteResult.RING_CORRUPT
    const need = length + TRAILER_BYTES
    if (this.#free() <= need) {
      const result = this.#awaitRoom(need)
      if (result !== WriteResult.WRITTEN) return result
    }
    const access = this.#access
    const start = this.#write
    access.storePair(start, type | (((DESCRIPTOR_BYTES + headerLength) / 8) << 16), (length / 8) | (flags << 16))
    access.storePair(this.#after(start, 8), transactionIdLow, transactionIdHigh)
    const body = this.#after(start, DESCRIPTOR_BYTES)
    if (headerLength !== 0) access.copyIn(body, header, 0, headerLength)
    // The last 8 bytes first, so that padding is 0 and never an old packet's bytes.
    if (payloadLength % 8 !== 0) access.storePair(this.#after(start, length - 8), 0, 0)
    if (payloadLength !== 0) access.copyIn(this.#after(body, headerLength), payload, payloadOffset, payloadLength)
    access.storePair(this.#after(start, length), 0, start)
    this.#write = this.#after(start, need)
    this.packets++
    if (this.#pending !== 0 && this.#pending <= need) this.cancelPending()
    return WriteResult.WRITTEN
  }

  publish(): WriteResult {
    if (this.corruption !== undefined) return WriteResult.RING_CORRUPT
    if (this.#write !== this.#published) this.#makePublic()
    if (this.corruption !== undefined) return WriteResult.RING_CORRUPT
    if (!this.#signalDue) return WriteResult.WRITTEN
    this.#signalDue = false
    return WriteResult.WRITTEN_SIGNAL
  }

  freeBytes(): number {
    return this.corruption === undefined && this.#refreshRead() ? this.#free() : 0
  }

  cancelPending(): void {
    if (this.#pending === 0) return
    this.#pending = 0
    this.#access.storePendingSendSize(0)
  }

  close(): void {
    this.corruption ??= 'closed'
  }

  #makePublic(): void {
    const access = this.#access
    const old = this.#published
    this.#published = this.#write
    access.storeWriteIndex(this.#write)
    const mask = access.loadInterruptMask()
    if (mask === 0) {
      if (!this.#refreshRead()) return
      if (consumerNeedsSignal(mask, this.#read, old)) {
        this.signals++
        this.#signalDue = true
        return
      }
    }
    this.suppressedSignals++
  }

  /** The ring looked full: look again, then say how much is needed, and look once more before giving up. */
  #awaitRoom(need: number): WriteResult {
    const access = this.#access
    if (!this.#refreshRead()) return WriteResult.RING_CORRUPT
    if (this.#free() > need) return WriteResult.WRITTEN
    // The consumer reckons with the published index: packets it can't see yet would make it misjudge the step to enough.
    if (this.#write !== this.#published) {
      this.#makePublic()
      if (this.corruption !== undefined) return WriteResult.RING_CORRUPT
    }
    if (this.flowControl) {
      const waitsForLess = this.#pending !== 0 && this.#pending < need && this.#pending >= this.#free()
      if (!waitsForLess) {
        this.#pending = need
        access.storePendingSendSize(need)
      }
      if (!this.#refreshRead()) return WriteResult.RING_CORRUPT
      if (this.#free() > need) return WriteResult.WRITTEN
    }
    this.ringFull++
    return WriteResult.RING_FULL
  }

  #free(): number {
    const used = this.#write - this.#read
    return used < 0 ? -used : this.dataBytes - used
  }

  #after(index: number, bytes: number): number {
    const sum = index + bytes
    return sum < this.dataBytes ? sum : sum - this.dataBytes
  }

  #refreshRead(): boolean {
    const read = this.#access.loadReadIndex()
    if (!isIndex(read, this.dataBytes)) return this.#die('read', read)
    this.#read = read
    return true
  }

  #die(which: string, index: number): false {
    this.corruption = badIndex(which, index, this.dataBytes)
    return false
  }
}
