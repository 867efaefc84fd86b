import type { Backend } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import type { BlockStore, Place, SectorRun } from '../shared/block-store.ts'
import { ABSENT } from '../shared/block-store.ts'
import { roundUp } from '../shared/bytes.ts'
import { copyWithin } from '../shared/copy-within.ts'
import type { Page, SealedGranule } from '../shared/metadata-pages.ts'
import { MetadataPages, runsOf } from '../shared/metadata-pages.ts'
import { sectorRunsIn, setSectorBits } from '../shared/sector-bits.ts'
import { settleAll } from '../shared/settle.ts'
import type { Allocation } from '../shared/space.ts'
import { Space } from '../shared/space.ts'
import { writeZeros, ZEROS } from '../shared/zeros.ts'
import { checkVhdSize } from './create.ts'
import type { DynamicHeader } from './dynamic-header.ts'
import { DYNAMIC_HEADER_BYTES, encodeDynamicHeader } from './dynamic-header.ts'
import { encodeFooter, FOOTER_BYTES, VHD_TYPE } from './footer.ts'
import type { Chs } from './geometry.ts'
import { chsGeometry } from './geometry.ts'
import type { FoundFooter } from './image.ts'
import { bitmapBytes, tableBytes, VHD_SECTOR } from './image.ts'
import { DATA_ALIGNMENT, scanVhdSpace, UNUSED, usedSectors } from './space-scan.ts'

const PAGE = 4096
const MAX_PAGES = 2048
const COMMIT_AT = 1024
/** Blocks the file is grown by at a time. */
const GROW_BLOCKS = 8

/**
 * The map of a dynamic or differencing VHD. There is no log: what the map will point at is made stable first,
 * then map sectors are written in place. A sector is written whole or not at all, and each change is inside one.
 */
export class VhdStore implements BlockStore {
  readonly blockSize: number
  readonly hasZeroState = false
  readonly tracksSectors: boolean
  readonly keepsBlocks = false
  readonly #backend: Backend
  #found: FoundFooter
  #header: DynamicHeader
  readonly #pages: MetadataPages
  readonly #headroom: number
  readonly #isChild: boolean
  /** One bit for each block whose bitmap is known to be all ones. */
  #full: Uint8Array
  #space: Space | undefined

  constructor(backend: Backend, found: FoundFooter, header: DynamicHeader) {
    this.#backend = backend
    this.#found = found
    this.#header = header
    this.blockSize = header.blockSize
    this.#headroom = bitmapBytes(header.blockSize)
    this.#isChild = found.footer.type === VHD_TYPE.differencing
    this.tracksSectors = !this.#isChild
    this.#full = new Uint8Array(Math.ceil(this.blockCount / 8))
    this.#pages = new MetadataPages(backend, { pageSize: PAGE, granule: VHD_SECTOR, maxPages: MAX_PAGES })
  }

  /** Cylinders, heads and sectors as the footer has them. */
  get geometry(): Chs {
    const { cylinders, heads, sectorsPerTrack } = this.#found.footer
    return { cylinders, heads, sectorsPerTrack }
  }

  get blockCount(): number {
    return Math.ceil(this.#found.footer.currentSize / this.blockSize)
  }

  peek(block: number): Place | undefined {
    const entry = this.#entryPlace(block)
    const page = this.#pages.peek(entry)
    return page === undefined ? undefined : this.#place(page, entry, block)
  }

  async get(block: number): Promise<Place> {
    const entry = this.#entryPlace(block)
    return this.#place(await this.#pages.get(entry), entry, block)
  }

  async nextMapped(block: number, end: number): Promise<number> {
    for (let next = block; next < end; ) {
      const entry = this.#entryPlace(next)
      const page = this.#pages.peek(entry) ?? (await this.#pages.get(entry))
      const inPage = Math.min(end - next, (page.offset + PAGE - entry) / 4)
      for (let i = 0; i < inPage; i++) {
        if (page.view.getUint32(entry - page.offset + 4 * i) !== UNUSED) return next + i
      }
      next += inPage
    }
    return end
  }

  async sectorRuns(block: number, from: number, to: number): Promise<SectorRun[]> {
    const runs: SectorRun[] = []
    await this.#eachBitmapPage(block, from, to, (page, start, base, first, end) => {
      for (const run of sectorRunsIn(page.bytes.subarray(start), 'high-first', first - base, end - base)) {
        const last = runs.at(-1)
        if (last !== undefined && last.here === run.here) last.to = base + run.to
        else runs.push({ from: base + run.from, to: base + run.to, here: run.here })
      }
    })
    return runs
  }

  async begin(): Promise<void> {
    const { footer, startIsGood, source, endBytes } = this.#found
    const { end, slots } = await this.#scan()
    // From here on the copy at the start may be the only good one for a while.
    if (!startIsGood) {
      await this.#backend.write(0, encodeFooter(footer))
      await this.#backend.flush()
    }
    const size = await this.#backend.size()
    if (size !== end + FOOTER_BYTES || source !== 'end' || endBytes !== FOOTER_BYTES) {
      await this.#backend.truncate(end)
      await this.#backend.write(end, encodeFooter(footer))
      await this.#backend.flush()
    }
    this.#space = new Space(this.#backend, {
      blockSize: this.blockSize,
      alignment: DATA_ALIGNMENT,
      headroom: this.#headroom,
      tail: FOOTER_BYTES,
      growStep: GROW_BLOCKS * this.blockSize,
      end,
      slots,
      resized: (now, before) => this.#moveFooter(now, before),
    })
  }

  allocate(): Allocation {
    return this.#open().allocateBlock()
  }

  async prepare(allocations: readonly Allocation[]): Promise<void> {
    await this.#open().cover()
    // Bits first: the block table must never lead to a bitmap of something else.
    const bits = new Uint8Array(this.#headroom)
    if (!this.#isChild) bits.fill(0xff)
    await settleAll(
      allocations.map(async ({ offset }) => {
        await this.#backend.write(offset - this.#headroom, bits)
        await this.#pages.overwrite(offset - this.#headroom, bits)
      }),
    )
  }

  cancel(offset: number): void {
    this.#open().cancel(offset)
  }

  async setPresent(block: number, offset: number): Promise<void> {
    await this.#setEntry(block, (offset - this.#headroom) / VHD_SECTOR)
    if (this.#isChild) await this.markSectors(block, 0, this.blockSize / VHD_SECTOR)
    else this.#noteFull(block)
  }

  async setPartial(block: number, offset: number, from: number, to: number): Promise<void> {
    await this.#setEntry(block, (offset - this.#headroom) / VHD_SECTOR)
    await this.markSectors(block, from, to)
  }

  async markSectors(block: number, from: number, to: number): Promise<void> {
    if (this.#isFull(block)) return
    await this.#eachBitmapPage(block, from, to, (page, start, base, first, end) => {
      if (!setSectorBits(page.bytes.subarray(start), 'high-first', first - base, end - base)) return
      const last = start + Math.ceil((end - base) / 8)
      for (let byte = start - (start % VHD_SECTOR); byte < last; byte += VHD_SECTOR)
        this.#pages.changed(page, page.offset + byte)
    })
  }

  async clear(block: number): Promise<void> {
    const place = await this.get(block)
    if (place === ABSENT) return
    await this.#setEntry(block, UNUSED)
    this.#full[block >>> 3] = (this.#full[block >>> 3] as number) & ~(1 << (block & 7))
    this.#open().free(Math.abs(place))
  }

  get commitDue(): boolean {
    return this.#pages.dirtyGranules >= COMMIT_AT
  }

  async commit(flush: () => Promise<void>): Promise<void> {
    const space = this.#open()
    const freed = space.takeFreed()
    const sealed = this.#pages.seal()
    try {
      await flush()
      if (sealed.length > 0) {
        await this.#write(sealed)
        await flush()
      }
    } catch (error) {
      this.#pages.unseal(sealed)
      space.returnFreed(freed)
      throw error
    }
    this.#pages.settled(sealed)
    space.release(freed)
  }

  /** A VHD keeps its id when its content changes. */
  async expectParent(): Promise<void> {}

  async blocksToMove(): Promise<number[]> {
    const { batOffset, locators } = this.#header
    const unit = roundUp(this.#headroom + this.blockSize, DATA_ALIGNMENT)
    const blocks = await usedSectors(this.#backend, { batOffset, entries: this.blockCount })
    const fixedEnd = Math.max(
      batOffset + tableBytes(this.#header.maxEntries),
      ...locators.map(({ offset, length }) => offset + length),
    )
    const end = roundUp(fixedEnd, DATA_ALIGNMENT) + unit * blocks.length
    const toMove: number[] = []
    for (
      let block = await this.nextMapped(0, this.blockCount);
      block < this.blockCount;
      block = await this.nextMapped(block + 1, this.blockCount)
    ) {
      if (Math.abs(await this.get(block)) + this.blockSize > end) toMove.push(block)
    }
    return toMove
  }

  takeSlotBefore(offset: number): number | undefined {
    return this.#open().takeSlotBefore(offset)
  }

  async relocate(block: number, to: number): Promise<void> {
    const from = Math.abs(await this.get(block))
    // The bits in memory may be newer than those in the file.
    const bits = new Uint8Array(this.#headroom)
    for (let done = 0; done < bits.length; done += VHD_SECTOR) {
      const place = from - this.#headroom + done
      const page = this.#pages.peek(place) ?? (await this.#pages.get(place))
      bits.set(page.bytes.subarray(place - page.offset, place - page.offset + VHD_SECTOR), done)
    }
    await this.#backend.write(to - this.#headroom, bits)
    await this.#pages.overwrite(to - this.#headroom, bits)
    await copyWithin(this.#backend, from, to, this.blockSize)
    await this.#setEntry(block, (to - this.#headroom) / VHD_SECTOR)
    this.#open().free(from)
  }

  async cutFile(flush: () => Promise<void>): Promise<void> {
    await this.#open().cutTail((await this.#scan()).end)
    await flush()
  }

  checkSize(sizeBytes: number): void {
    if (this.#isChild)
      throw new DiskImageError(
        'unsupported',
        "a differencing VHD has its parent's size; merge it or convert it to resize it",
      )
    checkVhdSize(sizeBytes)
  }

  async resize(sizeBytes: number): Promise<() => Promise<void>> {
    const before = this.blockCount
    const blocks = Math.ceil(sizeBytes / this.blockSize)
    const { currentSize } = this.#found.footer
    if (sizeBytes > currentSize) {
      await this.#zeroTail(currentSize)
      await this.#growTable(blocks)
    }
    return async () => {
      await this.#setSize(sizeBytes)
      if (blocks >= before) {
        const full = new Uint8Array(Math.max(this.#full.length, Math.ceil(blocks / 8)))
        full.set(this.#full)
        this.#full = full
        return
      }
      // A cut before this is through leaves entries that nobody looks at.
      for (let block = blocks; block < before; block++) {
        if ((this.peek(block) ?? (await this.get(block))) !== ABSENT) await this.clear(block)
      }
      await this.commit(() => this.#backend.flush())
    }
  }

  async finish(flush: () => Promise<void>): Promise<void> {
    const space = this.#open()
    if (space.gaveBack) await space.cutTail((await this.#scan()).end)
    else await space.cutTail()
    await flush()
  }

  /** What of the file is in use, by the map as it is in the file. */
  #scan(): Promise<{ end: number; slots: number[] }> {
    return scanVhdSpace(this.#backend, {
      batOffset: this.#header.batOffset,
      entries: this.blockCount,
      headroom: this.#headroom,
      blockSize: this.blockSize,
      fixedRanges: [
        { offset: 0, length: FOOTER_BYTES },
        { offset: this.#found.footer.dataOffset ?? 0, length: DYNAMIC_HEADER_BYTES },
        { offset: this.#header.batOffset, length: tableBytes(this.#header.maxEntries) },
        ...this.#header.locators.map(({ offset, length }) => ({ offset, length })),
      ],
    })
  }

  /** What the last block holds past the old end may be anything; it must not come to light. */
  async #zeroTail(diskSize: number): Promise<void> {
    const block = Math.floor(diskSize / this.blockSize)
    const from = diskSize - block * this.blockSize
    if (from === 0) return
    const place = await this.get(block)
    if (place !== ABSENT) await writeZeros(this.#backend, place + from, this.blockSize - from)
  }

  /** Gives the table room for more entries: behind it if nothing is there, else at the end of the file. */
  async #growTable(entries: number): Promise<void> {
    const { batOffset, maxEntries } = this.#header
    const inUse = this.blockCount * 4
    let target = batOffset
    if (entries > maxEntries && batOffset + tableBytes(entries) > (await this.#nextAfterTable())) {
      const space = this.#open()
      target = space.allocateAtEnd(tableBytes(entries))
      await space.cover()
    }
    const table = new Uint8Array(tableBytes(entries)).fill(0xff)
    await this.#backend.read(batOffset, table.subarray(0, inUse))
    await this.#backend.write(target, table)
    await this.#pages.overwrite(target, table)
    await this.#backend.flush()
    const header = { ...this.#header, batOffset: target, maxEntries: Math.max(entries, maxEntries) }
    if (target !== batOffset) header.maxEntries = entries
    // What changes lies in the header's first sector, so it changes as a whole.
    await this.#backend.write(this.#found.footer.dataOffset ?? 0, encodeDynamicHeader(header))
    await this.#backend.flush()
    this.#header = header
  }

  /** Where the next thing in the file after the block table begins. */
  async #nextAfterTable(): Promise<number> {
    const { batOffset, locators } = this.#header
    const blocks = await usedSectors(this.#backend, { batOffset, entries: this.blockCount })
    const places = [
      this.#found.footer.dataOffset ?? 0,
      ...locators.map(({ offset }) => offset),
      (blocks[0] ?? Infinity) * VHD_SECTOR,
      this.#open().end,
    ]
    return Math.min(...places.filter((place) => place > batOffset))
  }

  /** Writes both footers; the one at the end counts, and while it is not whole the one at the start does. */
  async #setSize(sizeBytes: number): Promise<void> {
    const footer = { ...this.#found.footer, ...chsGeometry(sizeBytes), currentSize: sizeBytes }
    await this.#backend.write(0, encodeFooter(footer))
    await this.#backend.flush()
    await this.#backend.write(this.#open().fileSize - FOOTER_BYTES, encodeFooter(footer))
    await this.#backend.flush()
    this.#found = { ...this.#found, footer }
  }

  async #write(sealed: readonly SealedGranule[]): Promise<void> {
    await settleAll([...runsOf(sealed)].map(({ offset, bytes }) => this.#backend.write(offset, bytes)))
  }

  /** Where the footer was, blocks come now: they count on zeros. */
  async #moveFooter(size: number, previousSize: number): Promise<void> {
    await this.#backend.write(size - FOOTER_BYTES, encodeFooter(this.#found.footer))
    if (size > previousSize) await this.#backend.write(previousSize - FOOTER_BYTES, ZEROS.subarray(0, FOOTER_BYTES))
  }

  #entryPlace(block: number): number {
    return this.#header.batOffset + block * 4
  }

  async #setEntry(block: number, sector: number): Promise<void> {
    const place = this.#entryPlace(block)
    const page = this.#pages.peek(place) ?? (await this.#pages.get(place))
    page.view.setUint32(place - page.offset, sector)
    this.#pages.changed(page, place)
  }

  #place(page: Page, entry: number, block: number): Place {
    const sector = page.view.getUint32(entry - page.offset)
    if (sector === UNUSED) return ABSENT
    const data = sector * VHD_SECTOR + this.#headroom
    if (sector === 0)
      throw new DiskImageError(
        'corrupt',
        `VHD block table entry ${block} at ${at(entry)}: block at 0x0, inside the footer copy; check the image`,
      )
    return this.#isChild && !this.#isFull(block) ? -data : data
  }

  /**
   * Visits the pages that hold the bits of sectors `from` to `to`; a bitmap may lie across two. `start` is the
   * page's byte whose first bit is sector `base`, and sectors `first` to `end` are to be looked at there.
   */
  async #eachBitmapPage(
    block: number,
    from: number,
    to: number,
    visit: (page: Page, start: number, base: number, first: number, end: number) => void,
  ): Promise<void> {
    const bitmap = Math.abs(await this.get(block)) - this.#headroom
    for (let first = from; first < to; ) {
      const byte = bitmap + Math.floor(first / 8)
      const page = this.#pages.peek(byte) ?? (await this.#pages.get(byte))
      const start = byte - page.offset
      const base = first - (first % 8)
      const end = Math.min(to, base + (PAGE - start) * 8)
      visit(page, start, base, first, end)
      first = end
    }
  }

  #isFull(block: number): boolean {
    return ((this.#full[block >>> 3] as number) & (1 << (block & 7))) !== 0
  }

  #noteFull(block: number): void {
    this.#full[block >>> 3] = (this.#full[block >>> 3] as number) | (1 << (block & 7))
  }

  #open(): Space {
    if (this.#space === undefined) throw new DiskImageError('read-only', 'no change of the VHD was begun')
    return this.#space
  }
}
