import type { Packet } from '../interfaces/packet.ts'
import { DESCRIPTOR_BYTES, PacketType, RING_PAGE_BYTES } from './layout.ts'

/**
 * Range lists in the extra header of transfer-page and GPA-direct packets: reading them with every count and offset
 * checked, and building them. Source: FreeBSD vmbus_reg.h (`vmbus_chanpkt_rxbuf`, `vmbus_chanpkt_prplist`), Linux hyperv.h.
 * The reserved words of both headers may hold anything and are not looked at.
 */

/** What is wrong with a range list; `NONE` when it may be used. */
export const RangeFault = {
  NONE: 0,
  /** Not of the type that carries such a list. */
  WRONG_TYPE: 1,
  /** The header ends before the list does, or goes on behind it. */
  BAD_COUNT: 2,
  /** A byte offset of 4096 or more, or a range of 4 GiB or more. */
  BAD_OFFSET: 3,
  /** A page frame number whose address is beyond 2^52. */
  BAD_PFN: 4,
  /** A range outside the buffer it refers to. */
  OUT_OF_BUFFER: 5,
} as const
export type RangeFault = (typeof RangeFault)[keyof typeof RangeFault]

const COUNT_AT = DESCRIPTOR_BYTES + 4
const RANGES_AT = DESCRIPTOR_BYTES + 8
/** PFNs below 2^40 give addresses below 2^52. */
const PFN_HIGH_LIMIT = 2 ** 8

/** Pages that a range of guest memory touches. */
export function pageCountOf(byteOffset: number, byteLength: number): number {
  return Math.ceil((byteOffset + byteLength) / RING_PAGE_BYTES)
}

/** The ranges of a GPA-direct packet (type 9). Reused: `read` takes over a packet, which must stay as it is meanwhile. */
export class GpaRanges {
  /** Ranges in the packet. */
  count = 0
  /** Bytes of all ranges together. */
  byteLength = 0
  #view: DataView | undefined = undefined
  /** Where each range begins in the packet. */
  #starts = new Int32Array(32)

  /** @returns `NONE`, or why there are no ranges to use */
  read(packet: Packet): RangeFault {
    this.count = 0
    this.byteLength = 0
    const { view, dataOffset: end } = packet
    this.#view = view
    if (packet.type !== PacketType.dataUsingGpaDirect) return RangeFault.WRONG_TYPE
    if (end < RANGES_AT) return RangeFault.BAD_COUNT
    const count = view.getUint32(COUNT_AT, true)
    if (count > (end - RANGES_AT) / 8) return RangeFault.BAD_COUNT
    if (count > this.#starts.length) this.#starts = new Int32Array(count)
    let at = RANGES_AT
    let total = 0
    for (let i = 0; i < count; i++) {
      if (at + 8 > end) return RangeFault.BAD_COUNT
      const length = view.getUint32(at, true)
      const offset = view.getUint32(at + 4, true)
      if (offset >= RING_PAGE_BYTES) return RangeFault.BAD_OFFSET
      this.#starts[i] = at
      const next = at + 8 + pageCountOf(offset, length) * 8
      if (next > end) return RangeFault.BAD_COUNT
      for (at += 12; at < next; at += 8) {
        if (view.getUint32(at, true) >= PFN_HIGH_LIMIT) return RangeFault.BAD_PFN
      }
      at = next
      total += length
    }
    if (at !== end) return RangeFault.BAD_COUNT
    this.count = count
    this.byteLength = total
    return RangeFault.NONE
  }

  /** Bytes of range `i`. */
  length(i: number): number {
    return this.#word(i, 0)
  }

  /** Where range `i` begins in its first page: 0 to 4095. */
  offset(i: number): number {
    return this.#word(i, 4)
  }

  pageCount(i: number): number {
    return pageCountOf(this.offset(i), this.length(i))
  }

  /** Page frame number `page` of range `i`, below 2^40. */
  pfn(i: number, page: number): number {
    return this.#word(i, 8 + page * 8) + this.#word(i, 12 + page * 8) * 2 ** 32
  }

  #word(i: number, at: number): number {
    const start = i < this.count ? this.#starts[i] : undefined
    if (start === undefined || this.#view === undefined) throw new RangeError(`range ${i} of ${this.count}`)
    return this.#view.getUint32(start + at, true)
  }
}

/** The ranges of a transfer-page packet (type 7), which lie in a buffer shared beforehand. Reused like `GpaRanges`. */
export class XferPageRanges {
  count = 0
  /** Names the buffer. */
  setId = 0
  #view: DataView | undefined = undefined

  /**
   * @param bufferBytes size of the buffer that the ranges must lie in
   * @returns `NONE`, or why there are no ranges to use
   */
  read(packet: Packet, bufferBytes: number): RangeFault {
    this.count = 0
    const { view, dataOffset: end } = packet
    this.#view = view
    if (packet.type !== PacketType.dataUsingXferPages) return RangeFault.WRONG_TYPE
    if (end < RANGES_AT) return RangeFault.BAD_COUNT
    const count = view.getUint32(COUNT_AT, true)
    if (RANGES_AT + count * 8 !== end) return RangeFault.BAD_COUNT
    for (let at = RANGES_AT; at < end; at += 8) {
      if (view.getUint32(at, true) + view.getUint32(at + 4, true) > bufferBytes) return RangeFault.OUT_OF_BUFFER
    }
    this.setId = view.getUint16(DESCRIPTOR_BYTES, true)
    this.count = count
    return RangeFault.NONE
  }

  /** Bytes of range `i`. */
  length(i: number): number {
    return this.#word(i, 0)
  }

  /** Where range `i` begins in the buffer. */
  offset(i: number): number {
    return this.#word(i, 4)
  }

  #word(i: number, at: number): number {
    if (!(i >= 0 && i < this.count) || this.#view === undefined) throw new RangeError(`range ${i} of ${this.count}`)
    return this.#view.getUint32(RANGES_AT + i * 8 + at, true)
  }
}

/** Builds a range list: hand `bytes` and `length` to a producer as the extra header. Reused after `clear`. */
export class RangeList {
  readonly bytes: Uint8Array
  /** Bytes of header so far: 8 before the first range. */
  length = 8
  #count = 0
  readonly #view: DataView

  /** @param bytes room for the header: 8, and for each range 8 and 8 for each page frame number; an offset of 0 mod 8 helps speed */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.clear()
  }

  /** @param setId of a transfer-page packet; 0 for GPA-direct */
  clear(setId = 0): void {
    this.length = 8
    this.#count = 0
    this.#view.setUint32(0, setId, true)
    this.#view.setUint32(4, 0, true)
  }

  /** Adds a range. In a GPA-direct list its page frame numbers follow by `addPfn`, `pageCountOf(offset, length)` of them. */
  addRange(byteLength: number, byteOffset: number): void {
    this.#view.setUint32(this.length, byteLength, true)
    this.#view.setUint32(this.length + 4, byteOffset, true)
    this.length += 8
    this.#view.setUint32(4, ++this.#count, true)
  }

  addPfn(pfn: number): void {
    this.#view.setUint32(this.length, pfn % 2 ** 32, true)
    this.#view.setUint32(this.length + 4, Math.floor(pfn / 2 ** 32), true)
    this.length += 8
  }
}
