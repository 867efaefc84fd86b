import type { PageAllocator, PageRun } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'

/** Guest pages that stand in for a buffer that the host cannot reach. */
export interface BounceBuffer {
  readonly run: PageRun
  readonly sizeClass: number
}

/**
 * Guest pages for data that does not lie in guest memory, or not in the shape that the protocol wants. Kept by powers of
 * two; `undefined` means that a buffer has to be given back first, never that something failed.
 */
export class BouncePool {
  readonly #pages: PageAllocator
  readonly #limit: number
  readonly #free: BounceBuffer[][] = []
  #pagesHeld = 0
  #pagesInUse = 0

  /** @param limit pages at most */
  constructor(pages: PageAllocator, limit: number) {
    this.#pages = pages
    this.#limit = limit
  }

  /** Pages handed out now. */
  get pagesInUse(): number {
    return this.#pagesInUse
  }

  /** Pages taken from the guest's allocator. */
  get pagesHeld(): number {
    return this.#pagesHeld
  }

  take(byteLength: number): BounceBuffer | undefined {
    const sizeClass = Math.max(0, Math.ceil(Math.log2(byteLength / PAGE_SIZE)))
    const buffer = this.#free[sizeClass]?.pop() ?? this.#grow(sizeClass)
    if (buffer !== undefined) this.#pagesInUse += buffer.run.pageCount
    return buffer
  }

  give(buffer: BounceBuffer): void {
    this.#pagesInUse -= buffer.run.pageCount
    const free = this.#free[buffer.sizeClass]
    if (free === undefined) this.#free[buffer.sizeClass] = [buffer]
    else free.push(buffer)
  }

  /** Frees what is not in use. */
  drain(): void {
    for (const free of this.#free) {
      for (const { run } of free?.splice(0) ?? []) {
        this.#pages.free(run)
        this.#pagesHeld -= run.pageCount
      }
    }
  }

  /** The host may still write to it: its pages are never used again. */
  leak(buffer: BounceBuffer): void {
    this.#pagesInUse -= buffer.run.pageCount
    this.#pagesHeld -= buffer.run.pageCount
    this.#pages.leak(buffer.run)
  }

  #grow(sizeClass: number): BounceBuffer | undefined {
    const pageCount = 2 ** sizeClass
    // Buffers of other sizes that lie idle make room for this one.
    if (this.#pagesHeld + pageCount > this.#limit) this.drain()
    if (this.#pagesHeld > 0 && this.#pagesHeld + pageCount > this.#limit) return undefined
    try {
      const run = this.#pages.allocate(pageCount)
      this.#pagesHeld += pageCount
      return { run, sizeClass }
    } catch (error) {
      if (this.#pagesInUse > 0) return undefined
      throw error
    }
  }
}
