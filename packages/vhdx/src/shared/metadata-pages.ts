import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { viewOf } from './bytes.ts'

/** A window of the file held in memory because it is map data: block tables and sector bitmaps. */
export interface Page {
  /** Offset of the first byte in the file. */
  readonly offset: number
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Read since the last sweep; such pages survive one more. */
  used: boolean
  /** Granules changed, or sealed and not yet in their place in the file: while there are any, the page stays in memory. */
  pins: number
}

/** A copy of one changed granule, taken for a commit. */
export interface SealedGranule {
  readonly offset: number
  readonly bytes: Uint8Array
  readonly page: Page
}

export interface MetadataPagesOptions {
  /** Bytes read at a time. */
  pageSize: number
  /** Bytes written at a time; divides the page size. */
  granule: number
  /** Clean pages kept. Changed pages are kept besides, until they are committed. */
  maxPages: number
}

/**
 * A cache of map pages with a bounded number of clean ones, so that a table of any size can be worked on
 * in flat memory. Changes stay here until a commit seals them and puts them in the file.
 */
export class MetadataPages {
  readonly #backend: Backend
  readonly #options: MetadataPagesOptions
  readonly #pages = new Map<number, Page>()
  readonly #loading = new Map<number, Promise<Page>>()
  /** Offsets of changed granules. */
  readonly #dirty = new Map<number, Page>()

  constructor(backend: Backend, options: MetadataPagesOptions) {
    this.#backend = backend
    this.#options = options
  }

  get dirtyGranules(): number {
    return this.#dirty.size
  }

  /** The page around a file offset if it is in memory. */
  peek(offset: number): Page | undefined {
    const page = this.#pages.get(Math.floor(offset / this.#options.pageSize))
    if (page !== undefined) page.used = true
    return page
  }

  load(offset: number): Promise<Page> {
    const index = Math.floor(offset / this.#options.pageSize)
    const present = this.#pages.get(index)
    if (present !== undefined) {
      present.used = true
      return Promise.resolve(present)
    }
    const loading = this.#loading.get(index)
    if (loading !== undefined) return loading
    const work = this.#read(index).finally(() => this.#loading.delete(index))
    this.#loading.set(index, work)
    return work
  }

  /** The page around a file offset, for use in this turn: after another await it may have been dropped. */
  async get(offset: number): Promise<Page> {
    let page = this.peek(offset)
    while (page === undefined) {
      await this.load(offset)
      page = this.peek(offset)
    }
    return page
  }

  /** Notes that the granule around a file offset was changed. The page must have come from `peek` in this turn. */
  changed(page: Page, offset: number): void {
    const granule = offset - (offset % this.#options.granule)
    if (this.#dirty.has(granule)) return
    page.pins++
    this.#dirty.set(granule, page)
  }

  /**
   * Brings memory up to date with bytes that were written to the file past this cache,
   * such as the zeroed bitmap of a new block.
   */
  async overwrite(offset: number, bytes: Uint8Array): Promise<void> {
    const { pageSize } = this.#options
    for (let done = 0; done < bytes.length; ) {
      const position = offset + done
      const step = Math.min(bytes.length - done, pageSize - (position % pageSize))
      const loading = this.#loading.get(Math.floor(position / pageSize))
      const page = loading === undefined ? this.peek(position) : await loading
      page?.bytes.set(bytes.subarray(done, done + step), position - page.offset)
      done += step
    }
  }

  /** Takes a copy of every changed granule, in file order; they count as unchanged until written to again. */
  seal(): SealedGranule[] {
    const sealed = [...this.#dirty].map(([offset, page]) => {
      const start = offset - page.offset
      return { offset, bytes: page.bytes.slice(start, start + this.#options.granule), page }
    })
    this.#dirty.clear()
    return sealed.sort((a, b) => a.offset - b.offset)
  }

  /** The granules are in their place in the file (not necessarily stable); their pages may be dropped again. */
  settled(granules: readonly SealedGranule[]): void {
    for (const { page } of granules) page.pins--
  }

  /** The granules could not be written: the next commit takes them again. */
  unseal(granules: readonly SealedGranule[]): void {
    for (const { page, offset } of granules) {
      if (this.#dirty.has(offset)) page.pins--
      else this.#dirty.set(offset, page)
    }
  }

  async #read(index: number): Promise<Page> {
    const { pageSize } = this.#options
    const bytes = new Uint8Array(pageSize)
    const page: Page = { offset: index * pageSize, bytes, view: viewOf(bytes), used: true, pins: 0 }
    await readZeroPadded(this.#backend, page.offset, bytes)
    this.#sweep()
    this.#pages.set(index, page)
    return page
  }

  /** Second chance: walks in age order, passes over pages used since the last walk, drops the first that was not. */
  #sweep(): void {
    let steps = this.#pages.size
    for (const [index, page] of this.#pages) {
      if (this.#pages.size < this.#options.maxPages || steps-- === 0) return
      if (page.pins > 0) continue
      this.#pages.delete(index)
      if (page.used) {
        page.used = false
        this.#pages.set(index, page)
      }
    }
  }
}

/** Joins neighbouring granules so that they are written in as few calls as possible. */
export function* runsOf(granules: readonly SealedGranule[]): Generator<{ offset: number; bytes: Uint8Array }> {
  for (let i = 0; i < granules.length; ) {
    const first = granules[i] as SealedGranule
    let end = i + 1
    let next = first.offset + first.bytes.length
    while (end < granules.length && granules[end]?.offset === next)
      next += (granules[end++] as SealedGranule).bytes.length
    if (end === i + 1) {
      yield first
    } else {
      const bytes = new Uint8Array(next - first.offset)
      for (let j = i; j < end; j++) {
        const granule = granules[j] as SealedGranule
        bytes.set(granule.bytes, granule.offset - first.offset)
      }
      yield { offset: first.offset, bytes }
    }
    i = end
  }
}
