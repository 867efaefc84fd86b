import { at, DiskImageError } from '../errors.ts'
import type { BlockStore, Place, SectorRun } from '../shared/block-store.ts'
import { ABSENT, dataOffset, hasData, isPartial, ZERO } from '../shared/block-store.ts'
import { MIB } from '../shared/bytes.ts'
import { copyWithin } from '../shared/copy-within.ts'
import type { Environment } from '../shared/environment.ts'
import { formatGuid, randomGuid } from '../shared/guid.ts'
import { sectorRunsIn, setSectorBits } from '../shared/sector-bits.ts'
import type { Allocation } from '../shared/space.ts'
import { Space } from '../shared/space.ts'
import { offsetOf, stateOf } from './bat.ts'
import { blockFrom, payloadIndex } from './bat-geometry.ts'
import { commit } from './committer.ts'
import { checkVhdxSize } from './create.ts'
import type { VhdxImage } from './image.ts'
import { fixedRanges } from './image.ts'
import { BLOCK } from './layout.ts'
import { LogWriter } from './log-writer.ts'
import { setLinkages } from './relink.ts'
import { grow, shrink } from './resize.ts'
import { SectorBitmaps } from './sector-bitmaps.ts'
import type { TableToScan } from './space-scan.ts'
import { movableBlocks, scanSpace } from './space-scan.ts'

/** Changed map granules that make a commit due, so that memory and the log stay bounded. */
const COMMIT_AT = 64
const GROW_STEP = 16 * MIB

/** What exists once the image is being changed. */
interface Session {
  space: Space
  log: LogWriter
  commitNow(): Promise<void>
}

/** The map of a VHDX: block allocation table, sector bitmaps, log. */
export class VhdxStore implements BlockStore {
  readonly blockSize: number
  readonly hasZeroState = true
  readonly tracksSectors = false
  readonly keepsBlocks: boolean
  readonly #image: VhdxImage
  readonly #environment: Environment
  readonly #contentId: Uint8Array | undefined
  readonly #bitmaps: SectorBitmaps
  #session: Session | undefined

  /** `contentId` names the content from the first change on; a random id without it. */
  constructor(image: VhdxImage, environment: Environment, contentId?: Uint8Array) {
    this.#image = image
    this.#bitmaps = new SectorBitmaps(image)
    this.#environment = environment
    this.#contentId = contentId
    this.blockSize = image.metadata.blockSize
    this.keepsBlocks = image.metadata.leaveBlocksAllocated
  }

  get blockCount(): number {
    return this.#image.geometry.payloadBlocks
  }

  peek(block: number): Place | undefined {
    const entry = this.#image.bat.peek(payloadIndex(this.#image.geometry, block))
    return entry === undefined ? undefined : this.#place(entry)
  }

  async get(block: number): Promise<Place> {
    return this.#place(await this.#image.bat.get(payloadIndex(this.#image.geometry, block)))
  }

  async nextMapped(block: number, end: number): Promise<number> {
    const { bat, geometry } = this.#image
    for (let next = block; next < end; ) {
      const index = payloadIndex(geometry, next)
      const after = await bat.skipEmpty(index)
      if (after === index) {
        if ((this.peek(next) ?? (await this.get(next))) !== ABSENT) return next
        next++
      } else {
        next = Math.min(end, blockFrom(geometry, after))
      }
    }
    return end
  }

  async sectorRuns(block: number, from: number, to: number): Promise<SectorRun[]> {
    const { bits } = await this.#bitmaps.of(block)
    return sectorRunsIn(bits, 'low-first', from, to)
  }

  async begin(commitNow: () => Promise<void>): Promise<void> {
    const { backend, headers } = this.#image
    const { end, slots } = await this.#scan()
    // Nothing is in the log, so the file may be cut: then all that is added later reads as zero.
    await backend.truncate(end)
    const space = new Space(backend, {
      blockSize: this.blockSize,
      alignment: MIB,
      headroom: 0,
      tail: 0,
      growStep: GROW_STEP,
      end,
      slots,
      resized: async () => {},
    })
    const log = new LogWriter(
      backend,
      headers.current.logOffset,
      headers.current.logLength,
      randomGuid(this.#environment),
    )
    // The log must hold a whole entry by the time a header names it.
    await log.append([], { flushedFileSize: end, lastFileSize: end })
    await backend.flush()
    const names = {
      fileWriteGuid: randomGuid(this.#environment),
      dataWriteGuid: this.#contentId ?? randomGuid(this.#environment),
      logGuid: log.guid,
    }
    await headers.update(names)
    await headers.update(names)
    this.#session = { space, log, commitNow }
  }

  allocate(): Allocation {
    return this.#open().space.allocateBlock()
  }

  async prepare(): Promise<void> {
    await this.#open().space.cover()
  }

  cancel(offset: number): void {
    this.#open().space.cancel(offset)
  }

  async setPresent(block: number, offset: number): Promise<void> {
    await this.#image.bat.set(payloadIndex(this.#image.geometry, block), BLOCK.present, offset)
  }

  async setPartial(block: number, offset: number, from: number, to: number): Promise<void> {
    const { space, commitNow } = this.#open()
    await this.#bitmaps.make(block, space, commitNow)
    const { bits, changed } = await this.#bitmaps.of(block)
    // Bits of an earlier life of the block may be left.
    bits.fill(0)
    setSectorBits(bits, 'low-first', from, to)
    changed(0, bits.length)
    await this.#image.bat.set(payloadIndex(this.#image.geometry, block), BLOCK.partial, offset)
  }

  async markSectors(block: number, from: number, to: number): Promise<void> {
    const place = this.peek(block) ?? (await this.get(block))
    if (!isPartial(place)) return
    const { bits, changed } = await this.#bitmaps.of(block)
    if (setSectorBits(bits, 'low-first', from, to)) changed(from >>> 3, ((to - 1) >>> 3) + 1)
  }

  async clear(block: number): Promise<void> {
    const index = payloadIndex(this.#image.geometry, block)
    const place = this.#place(await this.#image.bat.get(index))
    await this.#image.bat.set(index, BLOCK.zero, 0)
    if (hasData(place)) this.#open().space.free(dataOffset(place))
  }

  get commitDue(): boolean {
    return this.#image.pages.dirtyGranules >= COMMIT_AT
  }

  async commit(flush: () => Promise<void>): Promise<void> {
    const { backend, pages, regions } = this.#image
    await commit({ backend, pages, bat: regions.bat, ...this.#open(), flush })
  }

  expectParent(now: string, contentId: Uint8Array): Promise<void> {
    return setLinkages(this.#image, now, formatGuid(contentId))
  }

  async blocksToMove(): Promise<number[]> {
    return movableBlocks(this.#image.backend, this.#table())
  }

  takeSlotBefore(offset: number): number | undefined {
    return this.#open().space.takeSlotBefore(offset)
  }

  async relocate(block: number, to: number): Promise<void> {
    const { backend, geometry, bat } = this.#image
    const index = payloadIndex(geometry, block)
    const entry = await bat.get(index)
    await copyWithin(backend, offsetOf(entry), to, this.blockSize)
    await bat.set(index, stateOf(entry), to)
    this.#open().space.free(offsetOf(entry))
  }

  async cutFile(flush: () => Promise<void>): Promise<void> {
    const { space, log } = this.#open()
    const { end } = await this.#scan()
    await flush()
    // The log must not promise a size that the file will not have. Some programs hold all entries of a log to that,
    // so older entries must not be of this log any more.
    log.restart(randomGuid(this.#environment))
    await log.append([], { flushedFileSize: end, lastFileSize: end })
    await flush()
    await this.#image.headers.update({ logGuid: log.guid })
    await this.#image.headers.update({ logGuid: log.guid })
    await space.cutTail(end)
  }

  checkSize(sizeBytes: number): void {
    checkVhdxSize(sizeBytes, this.#image.metadata.logicalSectorSize)
  }

  async resize(sizeBytes: number, parentSize: number): Promise<() => Promise<void>> {
    const { space, commitNow } = this.#open()
    if (sizeBytes < this.#image.metadata.diskSize) return () => shrink(this.#image, space, sizeBytes, commitNow)
    return grow(this.#image, space, sizeBytes, { store: this, parentSize, commitNow })
  }

  async finish(flush: () => Promise<void>): Promise<void> {
    await flush()
    // In both copies: the older one would ask for a log that fits a longer file.
    await this.#image.headers.update({ logGuid: new Uint8Array(16) })
    await this.#image.headers.update({ logGuid: new Uint8Array(16) })
    const { space } = this.#open()
    if (space.gaveBack) await space.cutTail((await this.#scan()).end)
    else await space.cutTail()
  }

  /** What of the file is in use, by the map as it is in the file. */
  #scan(): Promise<{ end: number; slots: number[] }> {
    return scanSpace(this.#image.backend, this.#table())
  }

  #table(): TableToScan {
    const { headers, regions, geometry, metadata } = this.#image
    return {
      bat: regions.bat,
      geometry,
      blockSize: this.blockSize,
      hasParent: metadata.hasParent,
      fixedRanges: fixedRanges(headers, regions),
    }
  }

  #place(entry: number): Place {
    switch (stateOf(entry)) {
      case BLOCK.present:
        return offsetOf(entry)
      case BLOCK.partial:
        if (this.#image.metadata.hasParent) return -offsetOf(entry)
        throw new DiskImageError(
          'corrupt',
          'VHDX block allocation table: a partially present block in an image without a parent; check the image',
        )
      case BLOCK.notPresent:
        return ABSENT
      case BLOCK.undefined:
      case BLOCK.zero:
      case BLOCK.unmapped:
      case BLOCK.unmappedDraft:
        return ZERO
    }
  }

  #open(): Session {
    if (this.#session === undefined)
      throw new DiskImageError(
        'read-only',
        `no change of the VHDX was begun (log at ${at(this.#image.headers.current.logOffset)})`,
      )
    return this.#session
  }
}
