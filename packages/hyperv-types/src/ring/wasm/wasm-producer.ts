import type { RingAccess } from '../access.ts'
import { badIndex, isIndex } from '../corruption.ts'
import { DESCRIPTOR_BYTES } from '../layout.ts'
import type { RingProducer } from '../producer.ts'
import { checkedLength, WriteResult } from '../producer.ts'
import { longestPacket } from '../size.ts'
import type { PrivateMemory } from './private-memory.ts'
import type { RingCode } from './wasm-code.ts'
import { counter, Fault, StateOffset } from './wasm-code.ts'

/** What the code takes for a part of a packet that script fills in. */
const ELSEWHERE = -1

/** What a producer does after `close`: nothing, as its state may be another's by now. */
const CLOSED: Pick<RingCode, 'write' | 'publish' | 'cancel_pending'> = {
  write: () => WriteResult.RING_CORRUPT,
  publish: () => WriteResult.RING_CORRUPT,
  cancel_pending: () => {},
}

/**
 * The producer in WebAssembly. Packets whose header and payload lie in the ring's memory are written in one go;
 * parts from elsewhere are copied by script before the packet is published.
 */
export class WasmProducer implements RingProducer {
  readonly dataBytes: number
  readonly longestPacket: number
  readonly flowControl: boolean

  #code: typeof CLOSED
  readonly #access: RingAccess
  readonly #buffer: ArrayBufferLike
  readonly #stateAt: number
  readonly #memory: Uint8Array
  readonly #state: DataView
  readonly #owner: PrivateMemory
  /** The buffers last used, as callers keep to a few, and where they lie in the memory. */
  #payload: Uint8Array
  #payloadAt: number
  #header: Uint8Array
  #headerAt: number

  constructor(access: RingAccess, ring: Uint8Array, state: Uint8Array, code: RingCode, owner: PrivateMemory) {
    this.dataBytes = access.dataBytes
    this.longestPacket = longestPacket(access.dataBytes)
    this.flowControl = access.loadPendingSendSizeFeature()
    this.#code = code
    this.#access = access
    this.#buffer = ring.buffer
    this.#payload = this.#header = ring
    this.#payloadAt = this.#headerAt = ring.byteOffset
    this.#memory = state
    this.#owner = owner
    this.#stateAt = state.byteOffset
    this.#state = new DataView(state.buffer, state.byteOffset, state.byteLength)
    const write = access.loadWriteIndex()
    const read = access.loadReadIndex()
    this.#set(StateOffset.ring, ring.byteOffset)
    this.#set(StateOffset.size, access.dataBytes)
    this.#set(StateOffset.own, write)
    this.#set(StateOffset.published, write)
    this.#set(StateOffset.seen, read)
    this.#set(StateOffset.flowControl, this.flowControl ? 1 : 0)
    if (!isIndex(write, access.dataBytes)) this.#fail(Fault.OWN_INDEX, write)
    else if (!isIndex(read, access.dataBytes)) this.#fail(Fault.PEER_INDEX, read)
  }

  get corruption(): string | undefined {
    if (this.#code === CLOSED) return 'closed'
    const fault = this.#get(StateOffset.fault)
    if (fault === Fault.NONE) return undefined
    return badIndex(fault === Fault.OWN_INDEX ? 'write' : 'read', this.#get(StateOffset.faultNumber), this.dataBytes)
  }

  get packets(): number {
    return counter(this.#state, StateOffset.packets)
  }

  get signals(): number {
    return counter(this.#state, StateOffset.signals)
  }

  get suppressedSignals(): number {
    return this.packets - counter(this.#state, StateOffset.joint) - this.signals
  }

  get ringFull(): number {
    return counter(this.#state, StateOffset.refused)
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
    checkedLength(this.longestPacket, header, headerLength, payload, payloadOffset, payloadLength)
    if (payload !== this.#payload || (headerLength !== 0 && header !== this.#header)) this.#meet(header, payload)
    if (this.#payloadAt === ELSEWHERE || (headerLength !== 0 && this.#headerAt === ELSEWHERE)) {
      const result = this.#fillIn(
        type | (flags << 16),
        transactionIdLow,
        transactionIdHigh,
        headerLength,
        payloadOffset,
        payloadLength,
      )
      return result === WriteResult.WRITTEN ? this.publish() : result
    }
    return this.#code.write(
      this.#stateAt,
      type | (flags << 16),
      transactionIdLow,
      transactionIdHigh,
      this.#headerAt,
      headerLength,
      this.#payloadAt + payloadOffset,
      payloadLength,
      1,
    ) as WriteResult
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
    checkedLength(this.longestPacket, header, headerLength, payload, payloadOffset, payloadLength)
    if (payload !== this.#payload || (headerLength !== 0 && header !== this.#header)) this.#meet(header, payload)
    if (this.#payloadAt === ELSEWHERE || (headerLength !== 0 && this.#headerAt === ELSEWHERE)) {
      return this.#fillIn(
        type | (flags << 16),
        transactionIdLow,
        transactionIdHigh,
        headerLength,
        payloadOffset,
        payloadLength,
      )
    }
    return this.#code.write(
      this.#stateAt,
      type | (flags << 16),
      transactionIdLow,
      transactionIdHigh,
      this.#headerAt,
      headerLength,
      this.#payloadAt + payloadOffset,
      payloadLength,
      0,
    ) as WriteResult
  }

  publish(): WriteResult {
    return this.#code.publish(this.#stateAt) as WriteResult
  }

  freeBytes(): number {
    if (this.corruption !== undefined) return 0
    const read = this.#access.loadReadIndex()
    if (!isIndex(read, this.dataBytes)) {
      this.#fail(Fault.PEER_INDEX, read)
      return 0
    }
    const used = this.#get(StateOffset.own) - read
    return used < 0 ? -used : this.dataBytes - used
  }

  cancelPending(): void {
    this.#code.cancel_pending(this.#stateAt)
  }

  close(): void {
    if (this.#code === CLOSED) return
    this.#code = CLOSED
    this.#owner.free(this.#memory)
  }

  /** Lets the code make the packet, and fills in the parts that it can't reach. */
  #fillIn(
    kind: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    headerLength: number,
    payloadOffset: number,
    payloadLength: number,
  ): WriteResult {
    const start = this.#get(StateOffset.own)
    const header = headerLength === 0 ? ELSEWHERE : this.#headerAt
    const payload = this.#payloadAt === ELSEWHERE ? ELSEWHERE : this.#payloadAt + payloadOffset
    const result = this.#code.write(
      this.#stateAt,
      kind,
      transactionIdLow,
      transactionIdHigh,
      header,
      headerLength,
      payload,
      payloadLength,
      0,
    )
    if (result !== WriteResult.WRITTEN) return result as WriteResult
    const body = start + DESCRIPTOR_BYTES
    if (headerLength !== 0 && header === ELSEWHERE) {
      this.#access.copyIn(body % this.dataBytes, this.#header, 0, headerLength)
    }
    if (payload === ELSEWHERE) {
      this.#access.copyIn((body + headerLength) % this.dataBytes, this.#payload, payloadOffset, payloadLength)
    }
    return WriteResult.WRITTEN
  }

  #meet(header: Uint8Array, payload: Uint8Array): void {
    this.#payload = payload
    this.#payloadAt = payload.buffer === this.#buffer ? payload.byteOffset : ELSEWHERE
    this.#header = header
    this.#headerAt = header.buffer === this.#buffer ? header.byteOffset : ELSEWHERE
  }

  #fail(fault: number, value: number): void {
    this.#set(StateOffset.fault, fault)
    this.#set(StateOffset.faultNumber, value)
  }

  #get(at: number): number {
    return this.#state.getUint32(at, true)
  }

  #set(at: number, value: number): void {
    this.#state.setUint32(at, value, true)
  }
}
