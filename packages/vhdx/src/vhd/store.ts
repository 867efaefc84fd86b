import type { Backend } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import type { BlockStore, Place, SectorRun } from '../shared/block-store.ts'
import { ABSENT, dataOffset } from '../shared/block-store.ts'
import { roundUp } from '../shared/bytes.ts'
import { copyWithin } from '../shared/copy-within.ts'
import type { SealedGranule } from '../shared/metadata-pages.ts'
import { MetadataPages, runsOf } from '../shared/metadata-pages.ts'
import { settleAll } from '../shared/settle.ts'
import type { Allocation } from '../shared/space.ts'
import { Space } from '../shared/space.ts'
import { writeZeros } from '../shared/zeros.ts'
import { BlockTable } from './block-table.ts'
import { checkVhdSize } from './create.ts'
import type { DynamicHeader } from './dynamic-header.ts'
import { FOOTER_BYTES, VHD_TYPE } from './footer.ts'
import { Footers } from './footers.ts'
import type { Chs } from './geometry.ts'
import type { FoundFooter } from './image.ts'
import { VHD_SECTOR } from './image.ts'
import { SectorBitmaps } from './sector-bitmaps.ts'
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
  readonly #footers: Footers
  readonly #pages: MetadataPages
  readonly #table: BlockTable
  readonly #bitmaps: SectorBitmaps
  readonly #isChild: boolean
  #space: Space | undefined

  constructor(backend: Backend, found: FoundFooter, header: DynamicHeader) {
    this.#backend = backend
    this.#footers = new Footers(backend, found)
    this.blockSize = header.blockSize
    this.#isChild = found.footer.type === VHD_TYPE.differencing
    this.tracksSectors = !this.#isChild
    this.#pages = new MetadataPages(backend, { pageSize: PAGE, granule: VHD_SECTOR, maxPages: MAX_PAGES })
    this.#table = new BlockTable(backend, this.#pages, found.footer.dataOffset ?? 0, header)
    this.#bitmaps = new SectorBitmaps(backend, this.#pages, this.blockSize, this.blockCount)
  }

  /** Cylinders, heads and sectors as the footer has them. */
  get geometry(): Chs {
    return this.#footers.geometry
  }

  get blockCount(): number {
    return Math.ceil(this.#footers.footer.currentSize / this.blockSize)
  }

  peek(block: number): Place | undefined {
    const sector = this.#table.peek(block)
    return sector === undefined ? undefined : this.#place(sector, block)
  }

  async get(block: number): Promise<Place> {
    return this.#place(await this.#table.get(block), block)
  }

  nextMapped(block: number, end: number): Promise<number> {
    return this.#table.nextUsed(block, end)
  }

  async sectorRuns(block: number, from: number, to: number): Promise<SectorRun[]> {
    return this.#bitmaps.runs(dataOffset(await this.get(block)), from, to)
  }

  async begin(): Promise<void> {
    const { end, slots } = await this.#scan()
    await this.#footers.settle(end)
    this.#space = new Space(this.#backend, {
      blockSize: this.blockSize,
      alignment: DATA_ALIGNMENT,
      headroom: this.#bitmaps.byteLength,
      tail: FOOTER_BYTES,
      growStep: GROW_BLOCKS * this.blockSize,
      end,
      slots,
      resized: (now, before) => this.#footers.move(now, before),
    })
  }

  allocate(): Allocation {
    return this.#open().allocateBlock()
  }

  async prepare(allocations: readonly Allocation[]): Promise<void> {
    await this.#open().cover()
    // Bits first: the block table must never lead to a bitmap of something else.
    await settleAll(allocations.map(({ offset }) => this.#bitmaps.create(offset, !this.#isChild)))
  }

  cancel(offset: number): void {
    this.#open().cancel(offset)
  }

  async setPresent(block: number, offset: number): Promise<void> {
    await this.#point(block, offset)
    if (this.#isChild) await this.markSectors(block, 0, this.blockSize / VHD_SECTOR)
    else this.#bitmaps.noteFull(block)
  }

  async setPartial(block: number, offset: number, from: number, to: number): Promise<void> {
    await this.#point(block, offset)
    await this.markSectors(block, from, to)
  }

  async markSectors(block: number, from: number, to: number): Promise<void> {
    if (this.#bitmaps.isFull(block)) return
    await this.#bitmaps.mark(dataOffset(await this.get(block)), from, to)
  }

  async clear(block: number): Promise<void> {
    const place = await this.get(block)
    if (place === ABSENT) return
    await this.#table.set(block, UNUSED)
    this.#bitmaps.forget(block)
    this.#open().free(dataOffset(place))
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
    const unit = roundUp(this.#bitmaps.byteLength + this.blockSize, DATA_ALIGNMENT)
    const blocks = await usedSectors(this.#backend, { batOffset: this.#table.offset, entries: this.blockCount })
    const fixedEnd = Math.max(...this.#table.fixedRanges.map(({ offset, length }) => offset + length))
    const end = roundUp(fixedEnd, DATA_ALIGNMENT) + unit * blocks.length
    const toMove: number[] = []
    for (
      let block = await this.nextMapped(0, this.blockCount);
      block < this.blockCount;
      block = await this.nextMapped(block + 1, this.blockCount)
    ) {
      if (dataOffset(await this.get(block)) + this.blockSize > end) toMove.push(block)
    }
    return toMove
  }

  takeSlotBefore(offset: number): number | undefined {
    return this.#open().takeSlotBefore(offset)
  }

  async relocate(block: number, to: number): Promise<void> {
    const from = dataOffset(await this.get(block))
    await this.#bitmaps.copy(from, to)
    await copyWithin(this.#backend, from, to, this.blockSize)
    await this.#point(block, to)
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
    const { currentSize } = this.#footers.footer
    if (sizeBytes > currentSize) {
      await this.#zeroTail(currentSize)
      await this.#table.grow(blocks, before, this.#open())
    }
    return async () => {
      await this.#footers.setDiskSize(sizeBytes, this.#open().fileSize)
      if (blocks >= before) {
        this.#bitmaps.makeRoomFor(blocks)
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
      batOffset: this.#table.offset,
      entries: this.blockCount,
      headroom: this.#bitmaps.byteLength,
      blockSize: this.blockSize,
      fixedRanges: this.#table.fixedRanges,
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

  async #write(sealed: readonly SealedGranule[]): Promise<void> {
    await settleAll([...runsOf(sealed)].map(({ offset, bytes }) => this.#backend.write(offset, bytes)))
  }

  /** Points the map at a block's data. */
  async #point(block: number, data: number): Promise<void> {
    await this.#table.set(block, (data - this.#bitmaps.byteLength) / VHD_SECTOR)
  }

  #place(sector: number, block: number): Place {
    if (sector === UNUSED) return ABSENT
    const data = sector * VHD_SECTOR + this.#bitmaps.byteLength
    if (sector === 0)
      throw new DiskImageError(
        'corrupt',
        `VHD block table entry ${block} at ${at(this.#table.placeOf(block))}: block at 0x0, inside the footer copy; check the image`,
      )
    return this.#isChild && !this.#bitmaps.isFull(block) ? -data : data
  }

  #open(): Space {
    if (this.#space === undefined) throw new DiskImageError('read-only', 'no change of the VHD was begun')
    return this.#space
  }
}
