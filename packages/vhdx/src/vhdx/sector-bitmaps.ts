import { DiskImageError } from '../errors.ts'
import type { Space } from '../shared/space.ts'
import { hasSpace, offsetOf, stateOf } from './bat.ts'
import { bitmapIndex, bitmapPart } from './bat-geometry.ts'
import type { VhdxImage } from './image.ts'
import { BITMAP_BLOCK_BYTES, BLOCK, SECTOR } from './layout.ts'

/** The bits of one block, to be used and changed in this turn. */
export interface BlockBits {
  readonly bits: Uint8Array
  /** Notes that bytes `from` to `to` were changed. */
  changed(from: number, to: number): void
}

/** The sector bitmap blocks of a VHDX, one for each chunk that has partially present blocks. */
export class SectorBitmaps {
  readonly #image: VhdxImage
  /** By chunk, those that are being made. */
  readonly #making = new Map<number, Promise<void>>()

  constructor(image: VhdxImage) {
    this.#image = image
  }

  /** @throws DiskImageError `corrupt` when the block's chunk has none */
  async of(block: number): Promise<BlockBits> {
    const { bat, geometry, pages } = this.#image
    const index = bitmapIndex(geometry, Math.floor(block / geometry.chunkRatio))
    const entry = bat.peek(index) ?? (await bat.get(index))
    if (!hasSpace(stateOf(entry))) {
      throw new DiskImageError(
        'corrupt',
        `VHDX block allocation table entry ${index}: no sector bitmap, but block ${block} is partially present; check the image`,
      )
    }
    const part = bitmapPart(geometry, block)
    const place = offsetOf(entry) + part.offset
    const page = pages.peek(place) ?? (await pages.get(place))
    const start = place - page.offset
    return {
      bits: page.bytes.subarray(start, start + part.length),
      changed: (from, to) => {
        for (let byte = from - (from % SECTOR); byte < to; byte += SECTOR) pages.changed(page, place + byte)
      },
    }
  }

  /**
   * Makes the block's chunk have a bitmap, and that stable: a partially present block without one would be a corrupt image,
   * and the two entries may be committed apart.
   */
  async make(block: number, space: Space, commitNow: () => Promise<void>): Promise<void> {
    const { bat, geometry } = this.#image
    const chunk = Math.floor(block / geometry.chunkRatio)
    const index = bitmapIndex(geometry, chunk)
    const entry = await bat.get(index)
    if (hasSpace(stateOf(entry)) && !this.#making.has(chunk)) return
    let work = this.#making.get(chunk)
    if (work === undefined) {
      work = this.#create(index, space, commitNow).finally(() => this.#making.delete(chunk))
      this.#making.set(chunk, work)
    }
    await work
  }

  async #create(index: number, space: Space, commitNow: () => Promise<void>): Promise<void> {
    const offset = space.allocateAtEnd(BITMAP_BLOCK_BYTES)
    await space.cover()
    await this.#image.bat.set(index, BLOCK.present, offset)
    await commitNow()
  }
}
