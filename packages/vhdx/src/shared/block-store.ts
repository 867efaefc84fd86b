import type { Allocation } from './space.ts'

/**
 * Where a block's content is, as one number:
 * - positive: all of it in the file at this offset
 * - negative, below -1: at minus this offset, the sectors that the sector bitmap names; the others are the parent's
 * - `ABSENT`: not in this file; the parent's content, or zeros without one
 * - `ZERO`: zeros, whatever a parent has
 */
export type Place = number
export const ABSENT: Place = 0
export const ZERO: Place = -1

export function isPartial(place: Place): boolean {
  return place < ZERO
}

/** File offset of the block's data, of a place that has any. */
export function dataOffset(place: Place): number {
  return Math.abs(place)
}

export function hasData(place: Place): boolean {
  return place > 0 || place < ZERO
}

/** Neighbouring sectors of a partial block that are all here, or all the parent's. */
export interface SectorRun {
  from: number
  to: number
  here: boolean
}

/**
 * The map side of a block-structured image: which block is where, and how changes of that become stable.
 * The data side (`BlockDisk`) is the same for every format.
 */
export interface BlockStore {
  readonly blockSize: number
  readonly blockCount: number
  /** Whether a block can be marked zero; otherwise an absent block of a child can only be filled with zeros. */
  readonly hasZeroState: boolean
  /** Whether blocks that are all here need `markSectors` too, because their bitmap may have gaps that read as zero. */
  readonly tracksSectors: boolean
  /** Whether trimmed blocks keep their space, as in fixed images. */
  readonly keepsBlocks: boolean

  /** The place if the map page is in memory, else undefined: then `get` it. */
  peek(block: number): Place | undefined
  get(block: number): Promise<Place>
  /** The first block from `block` on that is not absent, or `end`. Quick over long absent stretches. */
  nextMapped(block: number, end: number): Promise<number>
  /** Sectors of a partial block, from and to counted from the block's start. */
  sectorRuns(block: number, from: number, to: number): Promise<SectorRun[]>

  /** Gets ready for the first change: free space known, headers and log telling of this session. `commitNow` is the disk's. */
  begin(commitNow: () => Promise<void>): Promise<void>
  allocate(): Allocation
  /** Makes the file hold what was allocated. */
  prepare(allocations: readonly Allocation[]): Promise<void>
  cancel(offset: number): void
  /** Points the map at data that is written. */
  setPresent(block: number, offset: number): Promise<void>
  /** Points the map at a block of which only these sectors are written; the others stay the parent's. */
  setPartial(block: number, offset: number, from: number, to: number): Promise<void>
  /** More sectors of a block with data are written; nothing to do if they are known to be here. */
  markSectors(block: number, from: number, to: number): Promise<void>
  /** Makes the block read as zero (absent, where there is neither zero state nor parent) and gives its space back. */
  clear(block: number): Promise<void>

  /** True when so many map changes wait that a commit should not. */
  readonly commitDue: boolean
  /** Makes all data and map changes so far stable, in the format's order, flushing the medium through `flush`. */
  commit(flush: () => Promise<void>): Promise<void>
  /** Notes that the parent's content, now of the id in the first, may get another. */
  expectParent(now: string, contentId: Uint8Array): Promise<void>
  /** Where the file would end if all blocks lay without gaps, and the blocks that lie past that. */
  blocksToMove(): Promise<number[]>
  /** A free place for a block that lies before another; undefined if there is none. */
  takeSlotBefore(offset: number): number | undefined
  /** Copies a block's data to a free place and points the map there. No I/O may be under way. */
  relocate(block: number, to: number): Promise<void>
  /** Cuts the file behind the last thing in it. No I/O may be under way and everything must be committed. */
  cutFile(flush: () => Promise<void>): Promise<void>
  /** Throws for a disk size the format or this image cannot have. */
  checkSize(sizeBytes: number): void
  /**
   * Prepares a change of the disk's size, with no I/O under way and everything committed. `parentSize` is 0 without a parent.
   * What is added reads as zero. Failing here changes nothing; the function given makes the change, and if that
   * fails, what is in memory may not be what is in the file.
   */
  resize(sizeBytes: number, parentSize: number): Promise<() => Promise<void>>
  /** After the last commit: leaves the file as one that is not open. */
  finish(flush: () => Promise<void>): Promise<void>
}
