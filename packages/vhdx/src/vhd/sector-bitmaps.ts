import type { Backend } from '../backend.ts'
import type { SectorRun } from '../shared/block-store.ts'
import type { MetadataPages, Page } from '../shared/metadata-pages.ts'
import { sectorRunsIn, setSectorBits } from '../shared/sector-bits.ts'
import { bitmapBytes, VHD_SECTOR } from './image.ts'

/** The sector bitmaps of a VHD, each right before its block's data, which `data` tells the offset of. */
export class SectorBitmaps {
  /** Bytes that a bitmap takes. */
  readonly byteLength: number
  readonly #backend: Backend
  readonly #pages: MetadataPages
  /** One bit for each block whose bitmap is known to be all ones. */
  #full: Uint8Array

  constructor(backend: Backend, pages: MetadataPages, blockSize: number, blockCount: number) {
    this.byteLength = bitmapBytes(blockSize)
    this.#backend = backend
    this.#pages = pages
    this.#full = new Uint8Array(Math.ceil(blockCount / 8))
  }

  /** Whether all of the block's sectors are known to be here. */
  isFull(block: number): boolean {
    return ((this.#full[block >>> 3] as number) & (1 << (block & 7))) !== 0
  }

  noteFull(block: number): void {
    this.#full[block >>> 3] = (this.#full[block >>> 3] as number) | (1 << (block & 7))
  }

  /** The block has no bitmap any more. */
  forget(block: number): void {
    this.#full[block >>> 3] = (this.#full[block >>> 3] as number) & ~(1 << (block & 7))
  }

  makeRoomFor(blockCount: number): void {
    const full = new Uint8Array(Math.max(this.#full.length, Math.ceil(blockCount / 8)))
    full.set(this.#full)
    this.#full = full
  }

  /** Writes a new block's bitmap: all ones, or all zeros. */
  async create(data: number, ones: boolean): Promise<void> {
    await this.#write(data, new Uint8Array(this.byteLength).fill(ones ? 0xff : 0))
  }

  /** Copies a bitmap along with its block: the bits in memory, which may be newer than those in the file. */
  async copy(from: number, to: number): Promise<void> {
    const bits = new Uint8Array(this.byteLength)
    for (let done = 0; done < bits.length; done += VHD_SECTOR) {
      const place = from - this.byteLength + done
      const page = this.#pages.peek(place) ?? (await this.#pages.get(place))
      bits.set(page.bytes.subarray(place - page.offset, place - page.offset + VHD_SECTOR), done)
    }
    await this.#write(to, bits)
  }

  async runs(data: number, from: number, to: number): Promise<SectorRun[]> {
    const runs: SectorRun[] = []
    await this.#eachPage(data, from, to, (page, start, base, first, end) => {
      for (const run of sectorRunsIn(page.bytes.subarray(start), 'high-first', first - base, end - base)) {
        const last = runs.at(-1)
        if (last !== undefined && last.here === run.here) last.to = base + run.to
        else runs.push({ from: base + run.from, to: base + run.to, here: run.here })
      }
    })
    return runs
  }

  async mark(data: number, from: number, to: number): Promise<void> {
    await this.#eachPage(data, from, to, (page, start, base, first, end) => {
      if (!setSectorBits(page.bytes.subarray(start), 'high-first', first - base, end - base)) return
      const last = start + Math.ceil((end - base) / 8)
      for (let byte = start - (start % VHD_SECTOR); byte < last; byte += VHD_SECTOR)
        this.#pages.changed(page, page.offset + byte)
    })
  }

  async #write(data: number, bits: Uint8Array): Promise<void> {
    await this.#backend.write(data - this.byteLength, bits)
    await this.#pages.overwrite(data - this.byteLength, bits)
  }

  /**
   * Visits the pages that hold the bits of sectors `from` to `to`; a bitmap may lie across two. `start` is the
   * page's byte whose first bit is sector `base`, and sectors `first` to `end` are to be looked at there.
   */
  async #eachPage(
    data: number,
    from: number,
    to: number,
    visit: (page: Page, start: number, base: number, first: number, end: number) => void,
  ): Promise<void> {
    const bitmap = data - this.byteLength
    for (let first = from; first < to; ) {
      const byte = bitmap + Math.floor(first / 8)
      const page = this.#pages.peek(byte) ?? (await this.#pages.get(byte))
      const start = byte - page.offset
      const base = first - (first % 8)
      const end = Math.min(to, base + (page.bytes.length - start) * 8)
      visit(page, start, base, first, end)
      first = end
    }
  }
}
