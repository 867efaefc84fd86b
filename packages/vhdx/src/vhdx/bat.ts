import { at, DiskImageError } from '../errors.ts'
import { allZero, MIB } from '../shared/bytes.ts'
import type { MetadataPages, Page } from '../shared/metadata-pages.ts'
import type { BlockState } from './layout.ts'
import { BLOCK, FIRST_FREE } from './layout.ts'

export const BAT_ENTRY_BYTES = 8
const STATE_MASK = 7
const MIB_PER_HIGH_UNIT = 4096

/**
 * The block allocation table through the page cache. An entry is handed around as one number,
 * file offset + state: offsets are whole MiB, so the two never meet.
 */
export class Bat {
  readonly #pages: MetadataPages
  #regionOffset: number

  constructor(pages: MetadataPages, regionOffset: number) {
    this.#pages = pages
    this.#regionOffset = regionOffset
  }

  /** The table was copied to another place. */
  movedTo(regionOffset: number): void {
    this.#regionOffset = regionOffset
  }

  /** The entry if its page is in memory, else undefined: then `get` it. */
  peek(index: number): number | undefined {
    const place = this.#regionOffset + index * BAT_ENTRY_BYTES
    const page = this.#pages.peek(place)
    return page === undefined ? undefined : this.#decode(page, place, index)
  }

  async get(index: number): Promise<number> {
    const place = this.#regionOffset + index * BAT_ENTRY_BYTES
    return this.#decode(await this.#pages.get(place), place, index)
  }

  /** The index itself, or the first index after the page if the page says nothing at all: every entry in it is zero. */
  async skipEmpty(index: number): Promise<number> {
    const place = this.#regionOffset + index * BAT_ENTRY_BYTES
    const page = this.#pages.peek(place) ?? (await this.#pages.get(place))
    if (!allZero(page.bytes)) return index
    return (page.offset + page.bytes.length - this.#regionOffset) / BAT_ENTRY_BYTES
  }

  /** Changes the entry in memory; the next commit makes it stable. */
  async set(index: number, state: BlockState, fileOffset: number): Promise<void> {
    const place = this.#regionOffset + index * BAT_ENTRY_BYTES
    const page = this.#pages.peek(place) ?? (await this.#pages.get(place))
    encodeBatEntry(page.view, place - page.offset, state, fileOffset)
    this.#pages.changed(page, place)
  }

  #decode(page: Page, place: number, index: number): number {
    return decodeBatEntry(page.view, place - page.offset, place, index)
  }
}

export function stateOf(entry: number): BlockState {
  return (entry % MIB) as BlockState
}

export function offsetOf(entry: number): number {
  return entry - (entry % MIB)
}

/** Whether an entry's file offset means something: there is data, or a bitmap, in this file. */
export function hasSpace(state: number): boolean {
  return state === BLOCK.present || state === BLOCK.partial
}

export function encodeBatEntry(view: DataView, position: number, state: BlockState, fileOffset: number): void {
  const offsetMib = fileOffset / MIB
  view.setUint32(position, (((offsetMib % MIB_PER_HIGH_UNIT) << 20) | state) >>> 0, true)
  view.setUint32(position + 4, Math.floor(offsetMib / MIB_PER_HIGH_UNIT), true)
}

/** Reads an entry; throws for a reserved state, reserved bits, or data at an impossible place. `place` is for the message. */
export function decodeBatEntry(view: DataView, position: number, place: number, index: number): number {
  const low = view.getUint32(position, true)
  const high = view.getUint32(position + 4, true)
  const state = low & STATE_MASK
  const fileOffset = high * 2 ** 32 + (low - (low & 0xfffff))
  if (state === 4 || (low & 0xffff8) !== 0) {
    throw new DiskImageError(
      'corrupt',
      `VHDX block allocation table entry ${index} at ${at(place)}: reserved state or bits (${at(low)})`,
    )
  }
  if (!hasSpace(state)) return state
  if (fileOffset < FIRST_FREE || !Number.isSafeInteger(fileOffset)) {
    throw new DiskImageError(
      'corrupt',
      `VHDX block allocation table entry ${index} at ${at(place)}: data at ${at(fileOffset)}, inside the headers`,
    )
  }
  return fileOffset + state
}
