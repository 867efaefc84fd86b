import type { Backend } from '../backend.ts'
import { roundUp } from './bytes.ts'

/** Free slots remembered; more than these are found again when the image is next opened. */
export const MAX_SLOTS = 1_000_000

export interface Allocation {
  /** Where the block's data goes. */
  offset: number
  /** The place reads as zero: it was never used since the file grew over it. */
  fresh: boolean
}

export interface SpaceOptions {
  blockSize: number
  /** Data begins at multiples of this. */
  alignment: number
  /** Bytes before a block's data that belong to it. */
  headroom: number
  /** Bytes after the last block that belong to the file: its footer. */
  tail: number
  /** The file is grown by this at least, so that small blocks do not cost a call each. */
  growStep: number
  /** End of the last thing in the file. The file's size must be this plus the tail. */
  end: number
  /** Free places for a block's data before the end, lowest last. */
  slots: number[]
  /** Called when the file's size has changed and before new space is used. */
  resized(size: number, previous: number): Promise<void>
}

/**
 * File space for new blocks: slots that earlier blocks gave back, then the end of the file.
 * A slot given back is handed out again only after the commit that made its freeing stable.
 */
export class Space {
  readonly #backend: Backend
  readonly #options: SpaceOptions
  #slots: number[]
  #freed: number[] = []
  #end: number
  #fileSize: number
  #gaveBack = false
  #sorted = false
  #growing: Promise<void> | undefined

  constructor(backend: Backend, options: SpaceOptions) {
    this.#backend = backend
    this.#options = options
    this.#end = options.end
    this.#fileSize = options.end + options.tail
    this.#slots = options.slots
  }

  get fileSize(): number {
    return this.#fileSize
  }

  /** End of the last thing in the file that is not its tail. */
  get end(): number {
    return this.#end
  }

  /** Space for one block. Call `cover` before writing to it. */
  allocateBlock(): Allocation {
    const slot = this.#slots.pop()
    return slot === undefined ? this.allocateNew() : { offset: slot, fresh: false }
  }

  /** Space for one block that reads as zero. */
  allocateNew(): Allocation {
    const { blockSize, alignment, headroom } = this.#options
    const offset = roundUp(this.#end + headroom, alignment)
    this.#end = offset + blockSize
    return { offset, fresh: true }
  }

  /** Space at the end for something that is no block. Call `cover` before writing to it. */
  allocateAtEnd(length: number): number {
    const offset = roundUp(this.#end, this.#options.alignment)
    this.#end = offset + roundUp(length, this.#options.alignment)
    return offset
  }

  /** The lowest free slot, if it lies before an offset. */
  takeSlotBefore(offset: number): number | undefined {
    if (this.#slots.length === 0) return undefined
    if (!this.#sorted) this.#slots.sort((a, b) => b - a)
    this.#sorted = true
    const slot = this.#slots.at(-1)
    if (slot === undefined || slot >= offset) return undefined
    this.#slots.pop()
    return slot
  }

  /** Gives a block's space back that no entry has ever pointed at. */
  cancel(offset: number): void {
    this.#gaveBack = true
    this.#sorted = false
    if (this.#slots.length < MAX_SLOTS) this.#slots.push(offset)
  }

  /** Gives a block's space back; usable after the next commit. */
  free(offset: number): void {
    this.#freed.push(offset)
  }

  takeFreed(): number[] {
    const freed = this.#freed
    this.#freed = []
    return freed
  }

  returnFreed(freed: readonly number[]): void {
    this.#freed.push(...freed)
  }

  release(freed: readonly number[]): void {
    for (const offset of freed) this.cancel(offset)
  }

  /** Grows the file over everything allocated so far. */
  async cover(): Promise<void> {
    while (this.#end + this.#options.tail > this.#fileSize) {
      this.#growing ??= this.#grow().finally(() => {
        this.#growing = undefined
      })
      await this.#growing
    }
  }

  /** Whether any space was given back, so that the end of the file may be free. */
  get gaveBack(): boolean {
    return this.#gaveBack
  }

  /**
   * Cuts off what is past `end`, the end of the last thing in use. Only when everything is committed and no log
   * would bring it back.
   */
  async cutTail(end = this.#end): Promise<void> {
    this.#end = end
    this.#slots = this.#slots.filter((slot) => slot < end)
    await this.#resize(end + this.#options.tail)
  }

  async #grow(): Promise<void> {
    await this.#resize(Math.max(this.#end, this.#fileSize + this.#options.growStep) + this.#options.tail)
  }

  async #resize(size: number): Promise<void> {
    if (size === this.#fileSize) return
    await this.#backend.truncate(size)
    await this.#options.resized(size, this.#fileSize)
    this.#fileSize = size
  }
}
