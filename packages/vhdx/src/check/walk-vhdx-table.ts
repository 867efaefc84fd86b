import { at } from '../errors.ts'
import { MIB } from '../shared/bytes.ts'
import type { TaskOptions } from '../task.ts'
import { step } from '../task.ts'
import { BAT_ENTRY_BYTES } from '../vhdx/bat.ts'
import { batGeometry, bitmapIndex, blockFrom, isBitmapIndex } from '../vhdx/bat-geometry.ts'
import type { VhdxImage } from '../vhdx/image.ts'
import { fixedRanges } from '../vhdx/image.ts'
import { BITMAP_BLOCK_BYTES, BLOCK, FIRST_FREE } from '../vhdx/layout.ts'
import { eachBatEntry, UsedMap } from '../vhdx/space-scan.ts'
import type { Findings } from './findings.ts'

/** What the table says of the file. */
export interface VhdxTableWalk {
  allocatedBlocks: number
  leakedBytes: number
  /** Table indices past the disk's last that are not empty. */
  stale: number[]
  /** Where the file must reach for its last block to be whole. */
  end: number
}

/** Looks at every entry of the block allocation table, and at what of the file they take. */
export async function walkVhdxTable(
  image: VhdxImage,
  findings: Findings,
  options: TaskOptions,
): Promise<VhdxTableWalk> {
  const { backend, geometry, metadata, regions } = image
  const region = regions.bat
  const fileSize = await backend.size()
  const used = new UsedMap()
  used.claim(0, FIRST_FREE)
  for (const { offset, length } of fixedRanges(image.headers, regions)) used.claim(offset, length)
  const walk: VhdxTableWalk = { allocatedBlocks: 0, leakedBytes: 0, stale: [], end: 0 }
  const bitmaps = new Set<number>()
  const needBitmap = new Set<number>()
  // A child's table counts whole chunks, so its last entries may belong to no block.
  const entries = batGeometry({ ...metadata, hasParent: false }).entries
  // A region may be promised longer than the file is; what is not there says nothing.
  const total = Math.floor(Math.min(region.length, fileSize - region.offset) / BAT_ENTRY_BYTES)

  await eachBatEntry(backend, region, total, (view, position, index) => {
    if (index % 65_536 === 0) step(options, index, total)
    const low = view.getUint32(position, true)
    const offset = view.getUint32(position + 4, true) * 2 ** 32 + (low - (low & 0xfffff))
    const state = low & 7
    const place = `table entry ${index} at ${at(region.offset + index * BAT_ENTRY_BYTES)}`
    const isBitmap = isBitmapIndex(geometry, index)
    if (index >= geometry.entries || (index >= entries && !isBitmap)) {
      findings.add(
        'leak',
        'bat-stale-entry',
        place,
        `an entry past the disk's last block, state ${state}, offset ${at(offset)}`,
        true,
      )
      walk.stale.push(index)
      return
    }
    if ((low & 0xffff8) !== 0 || state === 4 || (isBitmap && state !== 0 && state !== BLOCK.present)) {
      findings.add(
        'error',
        isBitmap ? 'bitmap-invalid' : 'bat-entry-invalid',
        place,
        `reserved state or bits: ${at(low)}`,
      )
      return
    }
    if (isBitmap && state === BLOCK.present) bitmaps.add(index)
    if (state === BLOCK.partial) {
      if (metadata.hasParent)
        needBitmap.add(bitmapIndex(geometry, Math.floor(blockFrom(geometry, index) / geometry.chunkRatio)))
      else
        findings.add(
          'error',
          'partial-without-parent',
          place,
          'partially present, but the image has no parent to take the rest from',
        )
    }
    const kept = state === BLOCK.unmapped && offset !== 0
    if (state !== BLOCK.present && state !== BLOCK.partial && !kept) return
    const length = isBitmap ? BITMAP_BLOCK_BYTES : metadata.blockSize
    if (offset < FIRST_FREE || offset >= fileSize || !Number.isSafeInteger(offset)) {
      if (!kept)
        findings.add(
          'error',
          'block-past-end',
          place,
          `its ${length} bytes at ${at(offset)} are not in the file of ${fileSize}`,
        )
      return
    }
    if (!used.claim(offset, length) && !kept)
      findings.add('error', 'block-overlap', place, `its ${length} bytes at ${at(offset)} belong to something else too`)
    if (!isBitmap && !kept) walk.allocatedBlocks++
    if (offset + length > fileSize) {
      findings.add(
        'warning',
        'block-short',
        place,
        `the file of ${fileSize} bytes ends inside its ${length} bytes at ${at(offset)}; what is missing reads as zero`,
        true,
      )
      walk.end = Math.max(walk.end, offset + length)
    }
  })
  for (const index of needBitmap) {
    if (!bitmaps.has(index))
      findings.add(
        'error',
        'bitmap-missing',
        `table entry ${index}`,
        'no sector bitmap, but blocks of its chunk are partially present',
      )
  }
  step(options, total, total)
  walk.leakedBytes = countLeaks(used, fileSize, findings)
  return walk
}

function countLeaks(used: UsedMap, fileSize: number, findings: Findings): number {
  const tail = Math.max(0, fileSize - used.end)
  let inside = 0
  for (let mib = 1; mib < used.end / MIB; mib++) if (!used.isUsed(mib)) inside++
  if (inside > 0)
    findings.add(
      'leak',
      'leaked-space',
      'file',
      `${inside * MIB} bytes between blocks are free; compact the image to get them back, or leave them for new blocks`,
    )
  if (tail > 0)
    findings.add('leak', 'leaked-space', `file from ${at(used.end)}`, `${tail} bytes at the end are free`, true)
  return inside * MIB + tail
}
