import type { SharedBuffer } from '../nvsp/shared-buffer.ts'

/** Where the frame begins in a sub-allocation, or up to 7 bytes before: in front of it header and per-packet information. */
export const FRAME_AT = 256
/** Windows' own guests do badly when the last bytes of a sub-allocation are used. */
const TAIL_BYTES = 36
/** No sub-allocation. */
export const NONE = -1

/** Sub-allocations kept back for control messages. */
export const CONTROL_IDS = 16

/** Bytes of a sub-allocation for frames of this length. */
export function sectionBytesFor(frameBytes: number): number {
  return Math.ceil((FRAME_AT + frameBytes + TAIL_BYTES) / 8) * 8
}

/** The guest's receive buffer in sub-allocations, shared by all channels of an adapter. */
export class ReceivePool {
  readonly buffer: SharedBuffer
  /** What the guest calls the buffer. */
  readonly setId: number
  readonly sectionBytes: number
  /** Longest frame that a sub-allocation takes. */
  readonly frameBytes: number
  readonly count: number
  freeCount = 0
  /** By sub-allocation: the next one of the same packet. */
  readonly next: Int32Array
  /** By sub-allocation: queue number and 1 when it is the first of a packet that the guest holds. */
  readonly heads: Uint8Array
  readonly #free: Int32Array

  constructor(buffer: SharedBuffer, setId: number, sectionBytes: number) {
    this.buffer = buffer
    this.setId = setId
    this.sectionBytes = sectionBytes
    this.frameBytes = sectionBytes - FRAME_AT - TAIL_BYTES
    this.count = Math.floor(buffer.byteLength / sectionBytes)
    this.next = new Int32Array(this.count).fill(NONE)
    this.heads = new Uint8Array(this.count)
    this.#free = new Int32Array(this.count)
    for (let id = this.count - 1; id >= CONTROL_IDS; id--) this.#free[this.freeCount++] = id
  }

  take(): number {
    return this.#free[--this.freeCount] ?? 0
  }

  give(id: number): void {
    this.next[id] = NONE
    this.#free[this.freeCount++] = id
  }
}
