import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import { MIB, roundUp, viewOf } from '../shared/bytes.ts'
import { MAX_SLOTS } from '../shared/space.ts'
import { VHD_SECTOR } from './image.ts'

export const UNUSED = 0xffffffff
/** Where block data begins when we choose: the page size of the systems that will read it. */
export const DATA_ALIGNMENT = 4096

export interface TableShape {
  batOffset: number
  entries: number
  /** Bytes of bitmap before the data. */
  headroom: number
  blockSize: number
  /** What else lies in the file. */
  fixedRanges: readonly { offset: number; length: number }[]
}

/** Sector numbers of all blocks that have space, in file order. */
export async function usedSectors(
  backend: Backend,
  table: Pick<TableShape, 'batOffset' | 'entries'>,
): Promise<Uint32Array> {
  const buffer = new Uint8Array(Math.min(MIB, table.entries * 4))
  const view = viewOf(buffer)
  const found: number[] = []
  for (let first = 0; first < table.entries; first += buffer.length / 4) {
    const count = Math.min(buffer.length / 4, table.entries - first)
    await readZeroPadded(backend, table.batOffset + first * 4, buffer.subarray(0, count * 4))
    for (let i = 0; i < count; i++) {
      const sector = view.getUint32(i * 4)
      if (sector !== UNUSED) found.push(sector)
    }
  }
  return Uint32Array.from(found).sort()
}

/**
 * Finds out what of the file is in use before the first change is made. Throws when two things claim the
 * same place: writing would then damage one through the other.
 */
export async function scanVhdSpace(backend: Backend, shape: TableShape): Promise<{ end: number; slots: number[] }> {
  const { headroom, blockSize } = shape
  const unit = headroom + blockSize
  const fixed = shape.fixedRanges
    .map(({ offset, length }) => ({ offset, end: offset + length }))
    .sort((a, b) => a.offset - b.offset)
  const slots: number[] = []
  let end = 0
  let nextFixed = 0
  const claim = (offset: number, upTo: number, name: string) => {
    if (offset < end)
      throw new DiskImageError(
        'corrupt',
        `VHD ${name} at ${at(offset)} overlaps what ends at ${at(end)}; check the image before writing to it`,
      )
    for (
      let slot = dataPlace(end, headroom);
      slot + blockSize <= offset && slots.length < MAX_SLOTS;
      slot = dataPlace(slot + blockSize, headroom)
    )
      slots.push(slot)
    end = upTo
  }
  for (const sector of await usedSectors(backend, shape)) {
    const offset = sector * VHD_SECTOR
    for (let range = fixed[nextFixed]; range !== undefined && range.offset <= offset; range = fixed[++nextFixed])
      claim(range.offset, range.end, 'structure')
    claim(offset, offset + unit, 'block')
  }
  for (let range = fixed[nextFixed]; range !== undefined; range = fixed[++nextFixed])
    claim(range.offset, range.end, 'structure')
  return { end: roundUp(end, VHD_SECTOR), slots: slots.reverse() }
}

function dataPlace(after: number, headroom: number): number {
  return roundUp(after + headroom, DATA_ALIGNMENT)
}
