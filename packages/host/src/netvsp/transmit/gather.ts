import type { GuestMemory, MemoryRegion, Packet } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import { GpaRanges, PrivateBuffer, RangeFault, scriptEngine } from '@bis/hyperv-types/ring'
import type { SharedBuffer } from '../nvsp/shared-buffer.ts'

/** Longest message taken: a 64 KiB frame with its headers, and then some. */
export const MAX_MESSAGE_BYTES = 0x2_0000

/**
 * Copies a guest's message out of its send section and pages, once, into private memory. Reused: what it gathered is in
 * `bytes` until the next time.
 */
export class Gatherer {
  readonly bytes: Uint8Array
  readonly view: DataView
  length = 0
  /** Bytes of the first range or section: an RNDIS header must lie in it whole. */
  firstRange = 0
  readonly #ranges = new GpaRanges()
  readonly #memory: GuestMemory
  readonly #private: PrivateBuffer
  #region: MemoryRegion | undefined

  constructor(memory: GuestMemory, engine: RingEngine = scriptEngine) {
    this.#memory = memory
    this.#private = new PrivateBuffer(engine, MAX_MESSAGE_BYTES)
    this.bytes = this.#private.bytes
    this.view = this.#private.view
  }

  /** @param at where in the send buffer; the caller has checked that it lies inside */
  begin(buffer: SharedBuffer | undefined, at: number, length: number): void {
    this.length = 0
    this.firstRange = 0
    if (buffer === undefined || length === 0) return
    buffer.copyOut(at, this.#private, 0, length)
    this.length = length
    this.firstRange = length
  }

  /** Appends a GPA-direct packet's ranges. @returns false when they are not all guest memory, or too much */
  addPages(packet: Packet): boolean {
    const ranges = this.#ranges
    if (ranges.read(packet) !== RangeFault.NONE || this.length + ranges.byteLength > MAX_MESSAGE_BYTES) return false
    // Pages that follow each other are copied in one go.
    let from = 0
    let bytes = 0
    for (let range = 0; range < ranges.count; range++) {
      const length = ranges.length(range)
      if (this.firstRange === 0) this.firstRange = length
      let offset = ranges.offset(range)
      let left = length
      for (let page = 0; left > 0; page++) {
        const gpa = ranges.pfn(range, page) * PAGE_SIZE + offset
        const part = Math.min(PAGE_SIZE - offset, left)
        if (gpa !== from + bytes) {
          if (!this.#add(from, bytes)) return false
          from = gpa
          bytes = 0
        }
        bytes += part
        left -= part
        offset = 0
      }
    }
    return this.#add(from, bytes)
  }

  /** Lets go of private memory. */
  close(): void {
    this.#private.close()
  }

  #add(gpa: number, length: number): boolean {
    for (let done = 0; done < length; ) {
      const region = this.#regionAt(gpa + done)
      if (region === undefined) return false
      const at = gpa + done - region.gpa
      const part = Math.min(length - done, region.byteLength - at)
      this.#private.copyIn(this.length, region.bytes, at, part)
      this.length += part
      done += part
    }
    return true
  }

  #regionAt(gpa: number): MemoryRegion | undefined {
    const last = this.#region
    if (last !== undefined && gpa >= last.gpa && gpa < last.gpa + last.byteLength) return last
    this.#region = this.#memory.regionAt(gpa, 0)
    return this.#region
  }
}
