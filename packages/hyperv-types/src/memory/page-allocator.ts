import { MemoryError } from '../errors.ts'
import type { GuestMemory } from './guest-memory.ts'
import { PAGE_SIZE } from './page.ts'

/** Contiguous pages that the guest has allocated. */
export interface PageRun {
  readonly gpa: number
  /** Page frame number of the first page. */
  readonly pfn: number
  readonly pageCount: number
  readonly byteLength: number
  readonly bytes: Uint8Array
  readonly view: DataView
}

export interface PageConstraint {
  /** Lowest address allowed; default 0. */
  readonly from?: number
  /** First address no longer allowed; default none. */
  readonly below?: number
}

interface FreeExtent {
  gpa: number
  pages: number
}

/** Pages kept back at address 0, so that no allocation has the address that the wire uses for "none". */
const RESERVED_LOW_BYTES = 1024 * 1024
const FOUR_GIB = 2 ** 32

/**
 * The guest's allocator of physical pages: first fit, lowest address first. Every run is zeroed when it is
 * handed out. Pages that a host may still write are never handed out again: a run freed while it is
 * {@link share | shared} is held until the host has let go of it.
 */
export class PageAllocator {
  readonly memory: GuestMemory
  #free: FreeExtent[] = []
  readonly #runs = new Map<number, PageRun>()
  /** How often each run is shared with the host. */
  readonly #shares = new Map<PageRun, number>()
  /** Freed by their owners, still shared with the host. */
  readonly #held = new Set<PageRun>()
  #leakedPages = 0

  constructor(memory: GuestMemory, reservedLowBytes = RESERVED_LOW_BYTES) {
    this.memory = memory
    for (const region of memory.regions) {
      const start = Math.max(region.gpa, Math.min(reservedLowBytes, region.byteLength / 2))
      const gpa = Math.ceil(start / PAGE_SIZE) * PAGE_SIZE
      this.#free.push({ gpa, pages: (region.gpa + region.byteLength - gpa) / PAGE_SIZE })
    }
  }

  /** Pages handed out and not yet freed or leaked: zero when nothing was forgotten. */
  get allocatedPages(): number {
    let pages = 0
    for (const run of this.#runs.values()) pages += run.pageCount
    return pages
  }

  get leakedPages(): number {
    return this.#leakedPages
  }

  /** Pages freed by their owners that the host may still write to. */
  get heldPages(): number {
    let pages = 0
    for (const run of this.#held) pages += run.pageCount
    return pages
  }

  get freePages(): number {
    return this.#free.reduce((sum, { pages }) => sum + pages, 0)
  }

  /**
   * Allocates contiguous zeroed pages: above 4 GiB where there are some, as FreeBSD does, because what lies below is
   * kept for those who can reach nothing else.
   * @throws MemoryError `exhausted` when no free extent is long enough.
   */
  allocate(pageCount: number, constraint: PageConstraint = {}): PageRun {
    if (!Number.isInteger(pageCount) || pageCount <= 0) {
      throw new MemoryError('bad-region', `cannot allocate ${pageCount} pages`)
    }
    const { from = 0, below = Number.MAX_SAFE_INTEGER } = constraint
    const gpa = this.#find(pageCount, Math.max(from, FOUR_GIB), below) ?? this.#find(pageCount, from, below)
    if (gpa !== undefined) return this.#handOut(gpa, pageCount)
    throw new MemoryError('exhausted', `no ${pageCount} contiguous guest pages are free; give the machine more memory`)
  }

  /** @throws MemoryError `not-allocated` for a run that is not allocated now (freed twice, or leaked). */
  free(run: PageRun): void {
    this.#forget(run)
    if (this.#shares.has(run)) this.#held.add(run)
    else this.#insert({ gpa: run.gpa, pages: run.pageCount })
  }

  /** The host can reach these pages from now on. Called by the bus; a run may be shared more than once. */
  share(run: PageRun): void {
    this.#shares.set(run, (this.#shares.get(run) ?? 0) + 1)
  }

  /** The host has let go of what was shared once; the last time makes a run that is held free. */
  unshare(run: PageRun): void {
    const shares = this.#shares.get(run) ?? 0
    if (shares > 1) {
      this.#shares.set(run, shares - 1)
      return
    }
    this.#shares.delete(run)
    if (this.#held.delete(run)) this.#insert({ gpa: run.gpa, pages: run.pageCount })
  }

  /** Gives up pages for good, because the host may still write to them. */
  leak(run: PageRun): void {
    this.#forget(run)
    this.#shares.delete(run)
    this.#leakedPages += run.pageCount
  }

  /** Takes pages from where they fit first. @returns undefined when they fit nowhere */
  #find(pageCount: number, from: number, below: number): number | undefined {
    for (const [index, extent] of this.#free.entries()) {
      const gpa = Math.max(extent.gpa, from)
      const end = Math.min(extent.gpa + extent.pages * PAGE_SIZE, below)
      if (gpa + pageCount * PAGE_SIZE > end) continue
      this.#take(index, extent, gpa, pageCount)
      return gpa
    }
    return undefined
  }

  #handOut(gpa: number, pageCount: number): PageRun {
    const byteLength = pageCount * PAGE_SIZE
    const bytes = this.memory.bytesAt(gpa, byteLength)
    bytes.fill(0)
    const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength)
    const run: PageRun = { gpa, pfn: gpa / PAGE_SIZE, pageCount, byteLength, bytes, view }
    this.#runs.set(gpa, run)
    return run
  }

  #take(index: number, extent: FreeExtent, gpa: number, pageCount: number): void {
    const before = (gpa - extent.gpa) / PAGE_SIZE
    const after = extent.pages - before - pageCount
    const parts: FreeExtent[] = []
    if (before > 0) parts.push({ gpa: extent.gpa, pages: before })
    if (after > 0) parts.push({ gpa: gpa + pageCount * PAGE_SIZE, pages: after })
    this.#free.splice(index, 1, ...parts)
  }

  #forget(run: PageRun): void {
    if (this.#runs.get(run.gpa) !== run) {
      throw new MemoryError('not-allocated', `pages at 0x${run.gpa.toString(16)} are not allocated`)
    }
    this.#runs.delete(run.gpa)
  }

  #insert(extent: FreeExtent): void {
    const index = this.#free.findIndex((other) => other.gpa > extent.gpa)
    this.#free.splice(index < 0 ? this.#free.length : index, 0, extent)
    const merged: FreeExtent[] = []
    for (const next of this.#free) {
      const last = merged.at(-1)
      if (last !== undefined && last.gpa + last.pages * PAGE_SIZE === next.gpa && this.#sameRegion(last, next)) {
        last.pages += next.pages
      } else {
        merged.push(next)
      }
    }
    this.#free = merged
  }

  #sameRegion(a: FreeExtent, b: FreeExtent): boolean {
    return this.memory.regionAt(a.gpa, 0) === this.memory.regionAt(b.gpa, 0)
  }
}
