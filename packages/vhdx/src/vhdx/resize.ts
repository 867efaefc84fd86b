import type { BlockStore } from '../shared/block-store.ts'
import { ABSENT, dataOffset, hasData, isPartial } from '../shared/block-store.ts'
import { MIB, roundUp, setU64 } from '../shared/bytes.ts'
import type { Space } from '../shared/space.ts'
import { writeZeros } from '../shared/zeros.ts'
import { BAT_ENTRY_BYTES, hasSpace, offsetOf, stateOf } from './bat.ts'
import type { BatGeometry } from './bat-geometry.ts'
import { batGeometry, bitmapIndex, payloadIndex } from './bat-geometry.ts'
import type { VhdxImage } from './image.ts'
import { BLOCK, REGION_TABLE_BYTES, REGION_TABLE_OFFSETS, SECTOR } from './layout.ts'
import { diskSizePlace } from './metadata.ts'
import { encodeRegionTable } from './region-table.ts'
import { eachBatEntry } from './space-scan.ts'

const COPY_STEP = MIB
/** Changed map granules that are committed before going on. */
const COMMIT_AT = 64

/**
 * Growing: room for the table's new entries first, then one log entry that moves the table, if it had to, and
 * changes the size. Until that is stable the disk has its old size with all in it.
 */
export async function grow(
  image: VhdxImage,
  space: Space,
  sizeBytes: number,
  around: { store: BlockStore; parentSize: number; commitNow(): Promise<void> },
): Promise<() => Promise<void>> {
  const { metadata, bat } = image
  const { store, parentSize, commitNow } = around
  const before = image.geometry
  const geometry = batGeometry({ ...metadata, diskSize: sizeBytes })
  await zeroTail(image, store, Math.min(sizeBytes, before.payloadBlocks * metadata.blockSize), parentSize)

  const region = image.regions.bat
  const moved = geometry.entries * BAT_ENTRY_BYTES > region.length
  const table = moved ? await moveTable(image, space, geometry) : { ...region }
  if (!moved) await forgetStaleEntries(image, before, geometry, commitNow)
  bat.movedTo(table.offset)
  try {
    await addBlocks(image, space, before, geometry, { zero: parentSize > metadata.diskSize, commitNow })
  } catch (error) {
    bat.movedTo(region.offset)
    throw error
  }

  return async () => {
    const regions = image.regions.regions.map((one) => (one === region ? table : one))
    if (moved) await logRegionTables(image, encodeRegionTable(regions))
    await logDiskSize(image, sizeBytes)
    await commitNow()
    image.regions = { regions, bat: table, metadata: image.regions.metadata }
    image.metadata.diskSize = sizeBytes
    image.geometry = geometry
  }
}

/** Shrinking: the size first, then what lies past it; a cut in between leaves entries that nobody looks at. */
export async function shrink(
  image: VhdxImage,
  space: Space,
  sizeBytes: number,
  commitNow: () => Promise<void>,
): Promise<void> {
  const { bat, pages } = image
  const before = image.geometry
  const geometry = batGeometry({ ...image.metadata, diskSize: sizeBytes })
  await logDiskSize(image, sizeBytes)
  await commitNow()
  image.metadata.diskSize = sizeBytes
  image.geometry = geometry

  for (let block = geometry.payloadBlocks; block < before.payloadBlocks; block++) {
    const index = payloadIndex(before, block)
    const entry = bat.peek(index) ?? (await bat.get(index))
    if (entry === BLOCK.notPresent) continue
    await bat.set(index, BLOCK.notPresent, 0)
    if (hasSpace(stateOf(entry))) space.free(offsetOf(entry))
    if (pages.dirtyGranules >= COMMIT_AT) await commitNow()
  }
  if (image.metadata.hasParent) {
    const chunks = (of: BatGeometry) => Math.ceil(of.payloadBlocks / of.chunkRatio)
    for (let chunk = chunks(geometry); chunk < chunks(before); chunk++)
      await bat.set(bitmapIndex(before, chunk), BLOCK.notPresent, 0)
  }
  await commitNow()
}

/** What a block holds past the old end of the disk may be anything; it must not come to light. */
async function zeroTail(image: VhdxImage, store: BlockStore, upTo: number, parentSize: number): Promise<void> {
  const { metadata, backend } = image
  const { diskSize, blockSize, logicalSectorSize } = metadata
  const block = Math.floor(diskSize / blockSize)
  const from = diskSize - block * blockSize
  if (from === 0) return
  const place = await store.get(block)
  if (hasData(place)) {
    await writeZeros(backend, dataOffset(place) + from, blockSize - from)
    if (isPartial(place))
      await store.markSectors(block, from / logicalSectorSize, (upTo - block * blockSize) / logicalSectorSize)
  } else if (place === ABSENT && parentSize > diskSize) {
    // The parent goes on where the child ended: the block gets space, so that only its old part is the parent's.
    const space = store.allocate()
    await store.prepare([space])
    await writeZeros(backend, space.offset, blockSize)
    await store.setPartial(block, space.offset, from / logicalSectorSize, blockSize / logicalSectorSize)
  }
}

/** Copies the table to a larger place at the end of the file, stable before anything points there. */
async function moveTable(image: VhdxImage, space: Space, geometry: BatGeometry): Promise<VhdxImage['regions']['bat']> {
  const { backend, regions } = image
  const length = roundUp(geometry.entries * BAT_ENTRY_BYTES, MIB)
  const offset = space.allocateAtEnd(length)
  await space.cover()
  const buffer = new Uint8Array(COPY_STEP)
  const used = image.geometry.entries * BAT_ENTRY_BYTES
  for (let done = 0; done < used; done += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, used - done))
    await backend.read(regions.bat.offset + done, part)
    await backend.write(offset + done, part)
  }
  await backend.flush()
  return { ...regions.bat, offset, length }
}

/** The part of the table not used so far may hold what an earlier, larger disk left. */
async function forgetStaleEntries(
  image: VhdxImage,
  before: BatGeometry,
  geometry: BatGeometry,
  commitNow: () => Promise<void>,
): Promise<void> {
  const stale: number[] = []
  const rest = { offset: image.regions.bat.offset + before.entries * BAT_ENTRY_BYTES }
  await eachBatEntry(image.backend, rest, geometry.entries - before.entries, (_view, _position, index) =>
    stale.push(before.entries + index),
  )
  for (const index of stale) {
    await image.bat.set(index, BLOCK.notPresent, 0)
    if (image.pages.dirtyGranules >= COMMIT_AT) await commitNow()
  }
}

/** New blocks are absent; in a fixed image they get space, and over a parent that reaches further they are zero. */
async function addBlocks(
  image: VhdxImage,
  space: Space,
  before: BatGeometry,
  geometry: BatGeometry,
  how: { zero: boolean; commitNow(): Promise<void> },
): Promise<void> {
  const fixed = image.metadata.leaveBlocksAllocated
  if (!fixed && !how.zero) return
  for (let block = before.payloadBlocks; block < geometry.payloadBlocks; block++) {
    if (fixed) {
      const { offset } = space.allocateNew()
      await space.cover()
      await image.bat.set(payloadIndex(geometry, block), BLOCK.present, offset)
    } else {
      await image.bat.set(payloadIndex(geometry, block), BLOCK.zero, 0)
    }
    if (image.pages.dirtyGranules >= COMMIT_AT) await how.commitNow()
  }
}

async function logRegionTables(image: VhdxImage, table: Uint8Array): Promise<void> {
  for (const offset of REGION_TABLE_OFFSETS) {
    for (let done = 0; done < REGION_TABLE_BYTES; done += SECTOR) {
      const page = await image.pages.get(offset + done)
      page.bytes.set(table.subarray(done, done + SECTOR), offset + done - page.offset)
      image.pages.changed(page, offset + done)
    }
  }
}

async function logDiskSize(image: VhdxImage, sizeBytes: number): Promise<void> {
  const place = diskSizePlace(image.metadata, image.regions.metadata)
  const page = await image.pages.get(place)
  setU64(page.view, place - page.offset, sizeBytes, true)
  image.pages.changed(page, place)
}
