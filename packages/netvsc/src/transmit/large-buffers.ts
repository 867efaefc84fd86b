import type { FrameOffload, PageAllocator, PageRun } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { RepeatedCopies } from '@bis/hyperv-types/ethernet'
import { writeFrameHeader } from './frame-encoder.ts'
import { isIpv6 } from './frame-rules.ts'
import { NONE } from './message-book.ts'

/** One page for the header, which must lie in one range, and 64 KiB and a little for the frame. */
export const LARGE_PAGES = 18
export const MOST_FRAME_BYTES = (LARGE_PAGES - 1) * PAGE_SIZE

/** Pages for frames that are too long for a section: allocated when first needed, and kept. */
export class LargeBuffers {
  readonly #most: number
  readonly #pages: PageAllocator
  readonly #runs: PageRun[] = []
  readonly #free: number[] = []
  readonly #copies = new RepeatedCopies()

  /** @param most buffers */
  constructor(most: number, pages: PageAllocator) {
    this.#most = most
    this.#pages = pages
  }

  /** Whether one would be given; true as well when there are none at all to wait for. */
  get hasFree(): boolean {
    return this.#most === 0 || this.#free.length > 0 || this.#runs.length < this.#most
  }

  /** @returns a buffer's index, or NONE */
  take(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#runs.length >= this.#most) return NONE
    this.#runs.push(this.#pages.allocate(LARGE_PAGES))
    return this.#runs.length - 1
  }

  give(buffer: number): void {
    this.#free.push(buffer)
  }

  /** The pages of a buffer: the header in the first, the frame from the second on. */
  run(buffer: number): PageRun | undefined {
    return this.#runs[buffer]
  }

  /** Copies a frame and writes its header. @returns bytes of the header */
  write(
    { bytes: to, view }: PageRun,
    bytes: Uint8Array,
    offset: number,
    length: number,
    offload: FrameOffload | undefined,
    hash: number,
  ): number {
    const ipv6 = offload !== undefined && isIpv6(bytes, offset)
    this.#copies.copy(to, view, PAGE_SIZE, bytes, offset, length)
    return writeFrameHeader(view, 0, length, 0, offload, hash, ipv6)
  }

  /** Gives all memory back; only when the host has nothing of it any more. */
  close(): void {
    for (const run of this.#runs.splice(0)) this.#pages.free(run)
    this.#free.length = 0
  }
}
