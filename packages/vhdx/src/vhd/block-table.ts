import type { Backend } from '../backend.ts'
import type { MetadataPages } from '../shared/metadata-pages.ts'
import type { Space } from '../shared/space.ts'
import type { DynamicHeader } from './dynamic-header.ts'
import { DYNAMIC_HEADER_BYTES, encodeDynamicHeader } from './dynamic-header.ts'
import { FOOTER_BYTES } from './footer.ts'
import { tableBytes, VHD_SECTOR } from './image.ts'
import { UNUSED, usedSectors } from './space-scan.ts'

/** The block table of a dynamic or differencing VHD, and the header that tells where it is. */
export class BlockTable {
  readonly #backend: Backend
  readonly #pages: MetadataPages
  readonly #headerOffset: number
  #header: DynamicHeader

  constructor(backend: Backend, pages: MetadataPages, headerOffset: number, header: DynamicHeader) {
    this.#backend = backend
    this.#pages = pages
    this.#headerOffset = headerOffset
    this.#header = header
  }

  /** Offset of the table in the file. */
  get offset(): number {
    return this.#header.batOffset
  }

  /** What lies in the file beside blocks: none of it moves, and blocks go around it. */
  get fixedRanges(): readonly { offset: number; length: number }[] {
    const { batOffset, maxEntries, locators } = this.#header
    return [
      { offset: 0, length: FOOTER_BYTES },
      { offset: this.#headerOffset, length: DYNAMIC_HEADER_BYTES },
      { offset: batOffset, length: tableBytes(maxEntries) },
      ...locators.map(({ offset, length }) => ({ offset, length })),
    ]
  }

  /** Offset of a block's entry in the file. */
  placeOf(block: number): number {
    return this.#header.batOffset + block * 4
  }

  /** The sector where a block's bitmap begins, or `UNUSED`; undefined while the table's page is not in memory. */
  peek(block: number): number | undefined {
    const place = this.placeOf(block)
    const page = this.#pages.peek(place)
    return page?.view.getUint32(place - page.offset)
  }

  async get(block: number): Promise<number> {
    const place = this.placeOf(block)
    const page = await this.#pages.get(place)
    return page.view.getUint32(place - page.offset)
  }

  async set(block: number, sector: number): Promise<void> {
    const place = this.placeOf(block)
    const page = this.#pages.peek(place) ?? (await this.#pages.get(place))
    page.view.setUint32(place - page.offset, sector)
    this.#pages.changed(page, place)
  }

  /** The first block from `block` on that has space, or `end`. */
  async nextUsed(block: number, end: number): Promise<number> {
    for (let next = block; next < end; ) {
      const entry = this.placeOf(next)
      const page = this.#pages.peek(entry) ?? (await this.#pages.get(entry))
      const inPage = Math.min(end - next, (page.offset + page.bytes.length - entry) / 4)
      for (let i = 0; i < inPage; i++) {
        if (page.view.getUint32(entry - page.offset + 4 * i) !== UNUSED) return next + i
      }
      next += inPage
    }
    return end
  }

  /**
   * Gives the table room for more entries: behind it if nothing is there, else at the end of the file.
   * @param inUse entries that the disk has now
   */
  async grow(entries: number, inUse: number, space: Space): Promise<void> {
    const { batOffset, maxEntries } = this.#header
    let target = batOffset
    if (entries > maxEntries && batOffset + tableBytes(entries) > (await this.#nextBehind(inUse, space.end))) {
      target = space.allocateAtEnd(tableBytes(entries))
      await space.cover()
    }
    const table = new Uint8Array(tableBytes(entries)).fill(0xff)
    await this.#backend.read(batOffset, table.subarray(0, inUse * 4))
    await this.#backend.write(target, table)
    await this.#pages.overwrite(target, table)
    await this.#backend.flush()
    const header = { ...this.#header, batOffset: target, maxEntries: Math.max(entries, maxEntries) }
    if (target !== batOffset) header.maxEntries = entries
    // What changes lies in the header's first sector, so it changes as a whole.
    await this.#backend.write(this.#headerOffset, encodeDynamicHeader(header))
    await this.#backend.flush()
    this.#header = header
  }

  /** Where the next thing in the file after the table begins. */
  async #nextBehind(entries: number, end: number): Promise<number> {
    const { batOffset } = this.#header
    const blocks = await usedSectors(this.#backend, { batOffset, entries })
    const places = [
      ...this.fixedRanges.map(({ offset }) => offset),
      (blocks[0] ?? Number.POSITIVE_INFINITY) * VHD_SECTOR,
      end,
    ]
    return Math.min(...places.filter((place) => place > batOffset))
  }
}
