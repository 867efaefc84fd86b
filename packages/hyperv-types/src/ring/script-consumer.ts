import type { RingMemory } from './access.ts'
import type { RingConsumer, RingHandler } from './consumer.ts'
import { DrainResult, ReadResult, SIGNAL_PRODUCER } from './consumer.ts'
import { badIndex, badLengths, isIndex, tooFewBytes } from './corruption.ts'
import { drainRing } from './drain.ts'
import { DESCRIPTOR_BYTES, TRAILER_BYTES } from './layout.ts'
import { Packet } from './packet.ts'
import { producerNeedsSignal } from './signal.ts'

/** The consumer in plain script, over any memory. */
export class ScriptConsumer implements RingConsumer {
  readonly dataBytes: number
  readonly longestPacket: number
  readonly packet: Packet
  corruption: string | undefined = undefined
  packets = 0
  oversized = 0
  signals = 0
  masked = false

  readonly #access: RingMemory
  readonly #scratch: Uint8Array
  /** The next packet; runs ahead of the shared index until `commit`. */
  #read: number
  #published: number
  /** The producer's index as last seen: there can only be more since. */
  #write: number
  #draining = false

  constructor(access: RingMemory, scratch: Uint8Array) {
    this.#access = access
    this.#scratch = scratch
    this.dataBytes = access.dataBytes
    this.longestPacket = scratch.byteLength
    this.packet = new Packet(scratch)
    this.#read = this.#published = this.#write = access.loadReadIndex()
    if (!isIndex(this.#read, this.dataBytes)) this.#die(badIndex('read', this.#read, this.dataBytes))
  }

  next(): ReadResult {
    if (this.corruption !== undefined) return ReadResult.CORRUPT
    if (this.#read === this.#write) {
      if (!this.#refreshWrite()) return ReadResult.CORRUPT
      if (this.#read === this.#write) return ReadResult.EMPTY
    }
    const readable = this.#distance(this.#read, this.#write)
    if (readable < DESCRIPTOR_BYTES + TRAILER_BYTES) return this.#die(tooFewBytes(readable, this.#read, this.dataBytes))
    const scratch = this.#scratch
    const { packet } = this
    this.#access.copyOut(this.#read, scratch, 0, DESCRIPTOR_BYTES)
    const { dataOffset: headerLength, length } = packet
    if (headerLength < DESCRIPTOR_BYTES || headerLength > length || length + TRAILER_BYTES > readable) {
      return this.#die(badLengths(packet, readable, this.#read, this.dataBytes))
    }
    const start = this.#read
    this.#read = this.#after(start, length + TRAILER_BYTES)
    if (length > scratch.length) {
      // Of a packet too long only its length may be told.
      packet.bytes.fill(0, 0, DESCRIPTOR_BYTES)
      packet.view.setUint16(2, length / 8, true)
      packet.view.setUint16(4, length / 8, true)
      this.oversized++
      return ReadResult.OVERSIZED
    }
    if (length > DESCRIPTOR_BYTES) {
      this.#access.copyOut(this.#after(start, DESCRIPTOR_BYTES), scratch, DESCRIPTOR_BYTES, length - DESCRIPTOR_BYTES)
    }
    this.packets++
    return ReadResult.PACKET
  }

  read(): number {
    const found = this.next()
    if (found !== ReadResult.PACKET && found !== ReadResult.OVERSIZED) return found
    return this.commit() ? found | SIGNAL_PRODUCER : found
  }

  commit(): boolean {
    const read = this.#read
    if (read === this.#published || this.corruption !== undefined) return false
    const access = this.#access
    const bytesRead = this.#distance(this.#published, read)
    this.#published = read
    access.storeReadIndex(read)
    const pending = access.loadPendingSendSize()
    if (pending !== 0 && access.loadPendingSendSizeFeature() && this.#refreshWrite()) {
      const freeNow = this.dataBytes - this.#distance(read, this.#write)
      if (producerNeedsSignal(pending, freeNow, bytesRead)) {
        this.signals++
        return true
      }
    }
    return false
  }

  mask(): void {
    this.masked = true
    this.#access.storeInterruptMask(1)
  }

  unmask(): boolean {
    this.masked = false
    this.#access.storeInterruptMask(0)
    return this.readable() !== 0
  }

  close(): void {
    this.corruption ??= 'closed'
  }

  readable(): number {
    if (this.corruption !== undefined || !this.#refreshWrite()) return 0
    return this.#distance(this.#read, this.#write)
  }

  drain(handler: RingHandler, budget: number): DrainResult {
    if (this.#draining) return DrainResult.MORE
    this.#draining = true
    try {
      return drainRing(this, handler, budget)
    } finally {
      this.#draining = false
    }
  }

  #distance(from: number, to: number): number {
    const bytes = to - from
    return bytes < 0 ? bytes + this.dataBytes : bytes
  }

  #after(index: number, bytes: number): number {
    const sum = index + bytes
    return sum < this.dataBytes ? sum : sum - this.dataBytes
  }

  #refreshWrite(): boolean {
    const write = this.#access.loadWriteIndex()
    if (!isIndex(write, this.dataBytes)) {
      this.#die(badIndex('write', write, this.dataBytes))
      return false
    }
    this.#write = write
    return true
  }

  #die(what: string): ReadResult {
    this.corruption = what
    return ReadResult.CORRUPT
  }
}
