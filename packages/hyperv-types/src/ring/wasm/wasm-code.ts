import type { WasmMemory } from '../../memory/backing.ts'
import { MemoryCode } from './compile.ts'
import { RING_CODE } from './ring-code.ts'

/** What ring.wat exports; its comments say what parameters and results mean. */
export interface RingCode {
  write(
    producer: number,
    kind: number,
    idLow: number,
    idHigh: number,
    header: number,
    headerLength: number,
    payload: number,
    payloadLength: number,
    isPublic: number,
  ): number
  publish(producer: number): number
  cancel_pending(producer: number): void
  next(consumer: number, giveBack: 0 | 1): number
  commit(consumer: number): number
  mask(consumer: number): void
  unmask(consumer: number): number
  readable(consumer: number): number
}

/** Where words lie in a state; the table at the top of ring.wat. */
export const StateOffset = {
  ring: 0,
  size: 4,
  own: 8,
  published: 12,
  seen: 16,
  pending: 20,
  longest: 20,
  flowControl: 24,
  fault: 32,
  faultNumber: 36,
  packets: 40,
  signals: 48,
  /** Packets less the times an index was published: 0 without batches. */
  joint: 56,
  refused: 64,
} as const

/** Bytes of a state; a consumer's scratch follows it. */
export const STATE_BYTES = 128

/** Why a ring is dead, as ring.wat notes it. */
export const Fault = { NONE: 0, PEER_INDEX: 1, OWN_INDEX: 2, TOO_FEW: 3, LENGTHS: 4 } as const

const code = new MemoryCode(RING_CODE)

/** The ring's code, at work on this memory. */
export function ringCode(memory: WasmMemory): RingCode {
  // Copied, as an exports object is slow to look things up in.
  return { ...new WebAssembly.Instance(code.moduleFor(memory), { env: { memory } }).exports } as unknown as RingCode
}

/** A 64-bit counter of a state. */
export function counter(state: DataView, at: number): number {
  return state.getUint32(at, true) + state.getUint32(at + 4, true) * 2 ** 32
}
