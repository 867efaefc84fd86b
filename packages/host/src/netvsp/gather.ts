import type { GuestMemory, MemoryRegion, Packet } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { copyBytes } from '@bis/hyperv-types/ethernet'
import { GpaRanges, RangeFault } from '@bis/hyperv-types/ring'
import type { SharedBuffer } from './shared-buffer.ts'

/** Longest message taken: a 64 KiB frame with its headers, and then some. */
export const MAX_MESSAGE_BYTES = 0x2_0000

/**
 * Copies a guest's message out of its send section and pages, once, into private memory. Reused: what it gathered is in
 * `bytes` until the next time.
 */
export class Gatherer {
  readonly bytes = new Uint8Array(MAX_MESSAGE_BYTES)
  readonly view = new DataView(this.bytes.buffer)
  length = 0
  /** Bytes of the first range or section: an RNDIS header must lie in it whole. */
  firstRange = 0
  readonly #ranges = new GpaRanges()
  readonly #memory: GuestMemory
  #region: MemoryRegion | undefined

  constructor(memory: GuestMemory) {
    this.#memory = memory
  }

  /** @param at where in the send buffer; the caller has checked that it lies inside */
  begin(buffer: SharedBuffer | undefined, at: number, length: number): void {
    this.length = 0
    this.firstRange = 0
    if (buffer === undefined || length === 0) return
    buffer.copyOut(at, this.bytes, 0, length)
    this.length = length
    this.firstRange = length
  }

  /** Appends a GPA-direct packet's ranges. @returns false when they are not all guest memory, or too much */
  addPages(packet: Packet): boolean {
    const ranges = this.#ranges
    if (ranges.read(packet) !== RangeFault.NONE || this.length + ranges.byteLength > MAX_MESSAGE_BYTES) return false
    for (let range = 0; range < ranges.count; range++) {
      const length = ranges.length(range)
      if (this.firstRange === 0) this.firstRange = length
      let offset = ranges.offset(range)
      let left = length
      for (let page = 0; left > 0; page++) {
        const gpa = ranges.pfn(range, page) * PAGE_SIZE
        const region = this.#regionAt(gpa)
        if (region === undefined) return false
        const part = Math.min(PAGE_SIZE - offset, left)
        copyBytes(this.bytes, this.length, region.bytes, gpa - region.gpa + offset, part)
        this.length += part
        left -= part
        offset = 0
      }
    }
    return true
  }

  #regionAt(gpa: number): MemoryRegion | undefined {
    const last = this.#region
    if (last !== undefined && gpa >= last.gpa && gpa < last.gpa + last.byteLength) return last
    this.#region = this.#memory.regionAt(gpa, PAGE_SIZE)
    return this.#region
  }
}
