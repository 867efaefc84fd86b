import type { FrameOffload, PageRun } from '@bis/hyperv-types'
import { RepeatedCopies } from '@bis/hyperv-types/ethernet'
import type { RndisLimits } from '../rndis/rndis-exchange.ts'
import { writeFrameHeader } from './frame-encoder.ts'
import { isIpv6 } from './frame-rules.ts'
import { NONE } from './message-book.ts'
import type { SendSections } from './send-sections.ts'

/** Fills one section of the send buffer at a time with frames, each behind the other at the host's alignment. */
export class SectionWriter {
  /** Section that is being filled, or NONE, and what is in it. */
  section = NONE
  bytes = 0
  frames = 0
  /** Longest frame that one section takes, its header included. */
  readonly mostBytes: number
  readonly #buffer: PageRun
  readonly #sectionBytes: number
  readonly #alignment: number
  readonly #copies = new RepeatedCopies()
  /** Where the message before the next one begins. */
  #last = 0

  constructor(buffer: PageRun, { sectionBytes }: SendSections, { alignment, maxTransfer }: RndisLimits) {
    this.#buffer = buffer
    this.#sectionBytes = sectionBytes
    this.#alignment = alignment
    this.mostBytes = Math.min(sectionBytes, maxTransfer)
  }

  begin(section: number): void {
    this.section = section
    this.bytes = 0
    this.frames = 0
    this.#last = 0
  }

  end(): void {
    this.section = NONE
  }

  /**
   * @param total bytes of the frame with its header
   * @returns false when it does not fit behind the others
   */
  append(
    bytes: Uint8Array,
    offset: number,
    length: number,
    offload: FrameOffload | undefined,
    hash: number,
    total: number,
  ): boolean {
    const { view } = this.#buffer
    // The alignment is a power of two.
    const start = (this.bytes + this.#alignment - 1) & -this.#alignment
    if (start + total > this.mostBytes) return false
    const base = this.section * this.#sectionBytes
    if (start > this.bytes) {
      // The gap belongs to the message before it.
      view.setUint32(base + this.#last + 4, start - this.#last, true)
      for (let i = this.bytes; i < start; i++) view.setUint8(base + i, 0)
    }
    const ipv6 = offload !== undefined && isIpv6(bytes, offset)
    const headerBytes = writeFrameHeader(view, base + start, length, 0, offload, hash, ipv6)
    this.#copies.copy(this.#buffer.bytes, view, base + start + headerBytes, bytes, offset, length)
    this.#last = start
    this.bytes = start + total
    this.frames++
    return true
  }
}
