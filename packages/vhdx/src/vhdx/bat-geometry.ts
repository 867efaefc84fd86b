import { BITMAP_BLOCK_BYTES, CHUNK_SECTORS } from './layout.ts'

/** How blocks are numbered in the block allocation table, [MS-VHDX] 2.5: after each chunk's payload entries one for its sector bitmap. */
export interface BatGeometry {
  /** Payload blocks for each sector bitmap block. */
  chunkRatio: number
  payloadBlocks: number
  /** Entries a table for this disk must have. */
  entries: number
}

export function batGeometry(disk: {
  diskSize: number
  blockSize: number
  logicalSectorSize: number
  hasParent: boolean
}): BatGeometry {
  const chunkRatio = (CHUNK_SECTORS * disk.logicalSectorSize) / disk.blockSize
  const payloadBlocks = Math.ceil(disk.diskSize / disk.blockSize)
  const entries = disk.hasParent
    ? Math.ceil(payloadBlocks / chunkRatio) * (chunkRatio + 1)
    : payloadBlocks + Math.floor((payloadBlocks - 1) / chunkRatio)
  return { chunkRatio, payloadBlocks, entries }
}

export function payloadIndex(geometry: BatGeometry, block: number): number {
  return block + Math.floor(block / geometry.chunkRatio)
}

/** The first payload block at or after a table index. */
export function blockFrom(geometry: BatGeometry, index: number): number {
  const chunk = Math.floor(index / (geometry.chunkRatio + 1))
  return chunk * geometry.chunkRatio + Math.min(geometry.chunkRatio, index - chunk * (geometry.chunkRatio + 1))
}

export function bitmapIndex(geometry: BatGeometry, chunk: number): number {
  return (chunk + 1) * geometry.chunkRatio + chunk
}

/** Whether a table index is a sector bitmap's. */
export function isBitmapIndex(geometry: BatGeometry, index: number): boolean {
  return (index + 1) % (geometry.chunkRatio + 1) === 0
}

/** Sector bitmap bytes of one block, and where they begin inside the chunk's bitmap block. */
export function bitmapPart(geometry: BatGeometry, block: number): { offset: number; length: number } {
  const length = BITMAP_BLOCK_BYTES / geometry.chunkRatio
  return { offset: (block % geometry.chunkRatio) * length, length }
}
