import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import { MIB, roundUp, viewOf } from '../shared/bytes.ts'
import { MAX_SLOTS } from '../shared/space.ts'
import { BAT_ENTRY_BYTES, decodeBatEntry, hasSpace, offsetOf, stateOf } from './bat.ts'
import type { BatGeometry } from './bat-geometry.ts'
import { blockFrom, isBitmapIndex } from './bat-geometry.ts'
import { BITMAP_BLOCK_BYTES, BLOCK, FIRST_FREE } from './layout.ts'

const READ_STEP = MIB

export interface UsedRange {
  offset: number
  length: number
  name: string
}

export interface SpaceScan {
  /** End of the last thing in use. */
  end: number
  /** Free block-sized places before the end, lowest last. */
  slots: number[]
}

/** What of an image its space is found from. */
export interface TableToScan {
  bat: { offset: number }
  geometry: BatGeometry
  blockSize: number
  hasParent: boolean
  fixedRanges: readonly UsedRange[]
}

/** One bit for each MiB of the file: 8 MiB of memory for the largest image. */
export class UsedMap {
  #words = new Uint32Array(1024)
  #end = 0

  /** End of the last MiB in use. */
  get end(): number {
    return this.#end * MIB
  }

  /** Claims a range; false if any of it was claimed before. */
  claim(offset: number, length: number): boolean {
    const first = offset / MIB
    const last = first + Math.ceil(length / MIB)
    this.#reserve(last)
    let isNew = true
    for (let i = first; i < last; i++) {
      const word = Math.floor(i / 32)
      const bit = 1 << (i % 32)
      const before = this.#words[word] as number
      if ((before & bit) !== 0) isNew = false
      this.#words[word] = before | bit
    }
    this.#end = Math.max(this.#end, last)
    return isNew
  }

  isUsed(mib: number): boolean {
    return ((this.#words[Math.floor(mib / 32)] ?? 0) & (1 << (mib % 32))) !== 0
  }

  #reserve(bits: number): void {
    const needed = Math.ceil(bits / 32)
    if (needed <= this.#words.length) return
    const larger = new Uint32Array(Math.max(needed, this.#words.length * 2))
    larger.set(this.#words)
    this.#words = larger
  }
}

/** Goes over the whole table in the file, `visit`ing every entry that is not all zero. Memory does not grow with the table. */
export async function eachBatEntry(
  backend: Backend,
  region: { offset: number },
  entries: number,
  visit: (view: DataView, position: number, index: number) => void,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(READ_STEP, roundUp(entries * BAT_ENTRY_BYTES, BAT_ENTRY_BYTES)))
  const view = viewOf(buffer)
  const words = new Uint32Array(buffer.buffer)
  for (let first = 0; first < entries; first += buffer.length / BAT_ENTRY_BYTES) {
    const count = Math.min(buffer.length / BAT_ENTRY_BYTES, entries - first)
    await readZeroPadded(backend, region.offset + first * BAT_ENTRY_BYTES, buffer.subarray(0, count * BAT_ENTRY_BYTES))
    for (let i = 0; i < count; i++) {
      if (words[2 * i] !== 0 || words[2 * i + 1] !== 0) visit(view, i * BAT_ENTRY_BYTES, first + i)
    }
  }
}

/**
 * Finds out what of the file is in use before the first change is made. Throws when two things claim the same
 * place: writing would then damage one through the other.
 */
export async function scanSpace(backend: Backend, image: TableToScan): Promise<SpaceScan> {
  const { bat, geometry, blockSize } = image
  const used = new UsedMap()
  used.claim(0, FIRST_FREE)
  for (const { offset, length } of image.fixedRanges) used.claim(offset, length)
  const limit = (await backend.size()) + blockSize
  await eachBatEntry(backend, bat, geometry.entries, (view, position, index) => {
    const place = bat.offset + index * BAT_ENTRY_BYTES
    const entry = decodeBatEntry(view, position, place, index)
    if (stateOf(entry) === BLOCK.unmapped) {
      // It may keep its place; decoding leaves that out, but another program may count on it.
      const kept = keptOffset(view, position)
      if (kept !== 0 && kept + blockSize <= limit) used.claim(kept, blockSize)
      return
    }
    if (!hasSpace(stateOf(entry))) return
    if (stateOf(entry) === BLOCK.partial && !image.hasParent) {
      throw new DiskImageError(
        'corrupt',
        `VHDX block allocation table entry ${index} at ${at(place)}: partially present, but there is no parent; check the image before writing to it`,
      )
    }
    const offset = offsetOf(entry)
    const length = isBitmapIndex(geometry, index) ? BITMAP_BLOCK_BYTES : blockSize
    if (offset + length > limit) {
      throw new DiskImageError(
        'corrupt',
        `VHDX block allocation table entry ${index} at ${at(place)}: data at ${at(offset)} lies past the end of the file; check the image before writing to it`,
      )
    }
    if (!used.claim(offset, length)) {
      throw new DiskImageError(
        'corrupt',
        `VHDX block allocation table entry ${index} at ${at(place)}: the ${length} bytes at ${at(offset)} belong to something else too; check the image before writing to it`,
      )
    }
  })
  return { end: used.end, slots: freeSlots(used, blockSize / MIB) }
}

/**
 * The payload blocks that lie past where the file would end if nothing in it were free. Two passes over the table,
 * so that only those blocks are held in memory.
 */
export async function movableBlocks(backend: Backend, image: TableToScan): Promise<number[]> {
  const { bat, geometry, blockSize } = image
  let total = image.fixedRanges.reduce((sum, { length }) => sum + length, FIRST_FREE)
  const pass = (visit: (offset: number, index: number) => void) =>
    eachBatEntry(backend, bat, geometry.entries, (view, position, index) => {
      const entry = decodeBatEntry(view, position, bat.offset + index * BAT_ENTRY_BYTES, index)
      if (hasSpace(stateOf(entry))) visit(offsetOf(entry), index)
    })
  await pass((_, index) => {
    total += isBitmapIndex(geometry, index) ? BITMAP_BLOCK_BYTES : blockSize
  })
  const blocks: number[] = []
  await pass((offset, index) => {
    if (offset + blockSize > total && !isBitmapIndex(geometry, index)) blocks.push(blockFrom(geometry, index))
  })
  return blocks
}

function keptOffset(view: DataView, position: number): number {
  const low = view.getUint32(position, true)
  return view.getUint32(position + 4, true) * 2 ** 32 + (low - (low & 0xfffff))
}

function freeSlots(used: UsedMap, blockMib: number): number[] {
  const slots: number[] = []
  const end = used.end / MIB
  let free = 0
  for (let mib = 1; mib < end && slots.length < MAX_SLOTS; mib++) {
    free = used.isUsed(mib) ? 0 : free + 1
    if (free === blockMib) {
      slots.push((mib + 1 - blockMib) * MIB)
      free = 0
    }
  }
  return slots.reverse()
}
