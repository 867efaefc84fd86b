import type { RingAccess } from '../access.ts'
import type { RingConsumer, RingHandler } from '../consumer.ts'
import { DrainResult, ReadResult } from '../consumer.ts'
import { badIndex, badLengths, isIndex, tooFewBytes } from '../corruption.ts'
import { drainRing } from '../drain.ts'
import { Packet } from '../packet.ts'
import type { PrivateMemory } from './private-memory.ts'
import type { RingCode } from './wasm-code.ts'
import { counter, Fault, STATE_BYTES, StateOffset } from './wasm-code.ts'

/** What a consumer does after `close`: nothing, as its state may be another's by now. */
const CLOSED: Pick<RingCode, 'next' | 'commit' | 'mask' | 'unmask' | 'readable'> = {
  next: () => ReadResult.CORRUPT,
  commit: () => 0,
  mask: () => {},
  unmask: () => 0,
  readable: () => 0,
}

/** The consumer in WebAssembly: packets are copied out to private memory behind the guest's. */
export class WasmConsumer implements RingConsumer {
  readonly dataBytes: number
  readonly longestPacket: number
  readonly packet: Packet
  masked = false

  #code: typeof CLOSED
  readonly #stateAt: number
  readonly #memory: Uint8Array
  readonly #state: DataView
  readonly #owner: PrivateMemory
  #draining = false

  /** @param memory private: the state, and behind it the scratch */
  constructor(access: RingAccess, ring: Uint8Array, memory: Uint8Array, code: RingCode, owner: PrivateMemory) {
    this.dataBytes = access.dataBytes
    this.longestPacket = memory.byteLength - STATE_BYTES
    this.packet = new Packet(memory.subarray(STATE_BYTES))
    this.#code = code
    this.#stateAt = memory.byteOffset
    this.#memory = memory
    this.#state = new DataView(memory.buffer, memory.byteOffset, STATE_BYTES)
    this.#owner = owner
    const read = access.loadReadIndex()
    this.#set(StateOffset.ring, ring.byteOffset)
    this.#set(StateOffset.size, access.dataBytes)
    this.#set(StateOffset.own, read)
    this.#set(StateOffset.published, read)
    this.#set(StateOffset.seen, read)
    this.#set(StateOffset.longest, this.longestPacket)
    if (!isIndex(read, access.dataBytes)) {
      this.#set(StateOffset.fault, Fault.OWN_INDEX)
      this.#set(StateOffset.faultNumber, read)
    }
  }

  get corruption(): string | undefined {
    if (this.#code === CLOSED) return 'closed'
    const value = this.#get(StateOffset.faultNumber)
    switch (this.#get(StateOffset.fault)) {
      case Fault.NONE:
        return undefined
      case Fault.OWN_INDEX:
        return badIndex('read', value, this.dataBytes)
      case Fault.TOO_FEW:
        return tooFewBytes(value, this.#get(StateOffset.own), this.dataBytes)
      case Fault.LENGTHS:
        return badLengths(this.packet, value, this.#get(StateOffset.own), this.dataBytes)
      default:
        return badIndex('write', value, this.dataBytes)
    }
  }

  get packets(): number {
    return counter(this.#state, StateOffset.packets)
  }

  get oversized(): number {
    return counter(this.#state, StateOffset.refused)
  }

  get signals(): number {
    return counter(this.#state, StateOffset.signals)
  }

  next(): ReadResult {
    return this.#code.next(this.#stateAt, 0) as ReadResult
  }

  read(): number {
    return this.#code.next(this.#stateAt, 1)
  }

  commit(): boolean {
    return this.#code.commit(this.#stateAt) !== 0
  }

  mask(): void {
    this.masked = true
    this.#code.mask(this.#stateAt)
  }

  unmask(): boolean {
    this.masked = false
    return this.#code.unmask(this.#stateAt) !== 0
  }

  close(): void {
    if (this.#code === CLOSED) return
    this.#code = CLOSED
    this.#owner.free(this.#memory)
  }

  readable(): number {
    return this.#code.readable(this.#stateAt)
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

  #get(at: number): number {
    return this.#state.getUint32(at, true)
  }

  #set(at: number, value: number): void {
    this.#state.setUint32(at, value, true)
  }
}
