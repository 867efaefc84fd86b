import { PAGE_SIZE, WireError } from '@bis/hyperv-types'
import { decodeGpaRanges } from '@bis/hyperv-types/vmbus'
import type { GpadlMemory } from './types.ts'

/**
 * - `incomplete`: bodies are missing;
 * - `ready`;
 * - `waiting`: the guest tears it down, but a channel still uses it as its ring, or the device is not idle yet;
 * - `releasing`: the device has been asked to let go of it.
 */
export type GpadlState = 'incomplete' | 'ready' | 'waiting' | 'releasing'

/** A GPADL being put together from its messages, and afterwards. */
export class GpadlRecord {
  readonly handle: number
  readonly rangeCount: number
  state: GpadlState = 'incomplete'
  /** What it names; of an incomplete one, what it may name at most. */
  pageCount: number
  memory: GpadlMemory | undefined = undefined
  readonly #list: Uint8Array
  #filled = 0

  /** @param listBytes length of the whole range list, a multiple of 8 */
  constructor(handle: number, rangeCount: number, listBytes: number) {
    this.handle = handle
    this.rangeCount = rangeCount
    this.#list = new Uint8Array(listBytes)
    this.pageCount = listBytes / 8 - rangeCount
  }

  /** The range list as far as it has come. */
  get list(): Uint8Array {
    return this.#list.subarray(0, this.#filled)
  }

  /** Bytes that the whole list has. */
  get listBytes(): number {
    return this.#list.length
  }

  /** Takes as much of the list as is missing; words beyond it are padding. @returns whether the list is whole. */
  append(words: Uint8Array): boolean {
    const whole = words.length - (words.length % 8)
    const take = Math.min(whole, this.#list.length - this.#filled)
    this.#list.set(words.subarray(0, take), this.#filled)
    this.#filled += take
    return this.#filled === this.#list.length
  }

  /** Checks the whole list. @returns why it is refused, or undefined when it is `ready` now. */
  complete(isMemory: (gpa: number, length: number) => boolean): string | undefined {
    try {
      const ranges = decodeGpaRanges(this.#list, this.rangeCount)
      for (const { pfns } of ranges) {
        const foreign = pfns.find((pfn) => !isMemory(pfn * PAGE_SIZE, PAGE_SIZE))
        if (foreign !== undefined) return `page 0x${foreign.toString(16)} is not the guest's memory`
      }
      this.pageCount = ranges.reduce((sum, { pfns }) => sum + pfns.length, 0)
      this.memory = { handle: this.handle, ranges, pageCount: this.pageCount }
      this.state = 'ready'
      return undefined
    } catch (error) {
      if (error instanceof WireError) return error.message
      throw error
    }
  }
}

/** Why a GPADL_HEADER is refused before anything is kept of it. */
export function refuseHeader(rangeCount: number, listBytes: number): string | undefined {
  if (rangeCount === 0) return 'no ranges'
  if (listBytes % 8 !== 0) return `range list of ${listBytes} bytes is not a multiple of 8`
  if (listBytes < rangeCount * 16) return `${rangeCount} ranges do not fit in ${listBytes} bytes`
  return undefined
}
