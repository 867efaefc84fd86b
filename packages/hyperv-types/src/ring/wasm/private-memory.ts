import type { WasmMemory } from '../../memory/backing.ts'

const PAGE_BYTES = 4096
const FREE = 0
const USED = 1

/**
 * Hands out pages of the part of a WebAssembly.Memory that lies behind the guest's memory. All threads that share the
 * memory share this allocator: its table, a word for each page, lies at the start of the part and is changed by
 * compare-and-exchange only, so a thread that dies holds up no other. Zeroed memory is an empty table.
 */
export class PrivateMemory {
  readonly #buffer: ArrayBufferLike
  readonly #start: number
  readonly #table: Int32Array
  readonly #firstPage: number

  /** @param start first private byte; all up to the memory's end is private */
  constructor(memory: WasmMemory, start: number) {
    this.#buffer = memory.buffer
    this.#start = Math.ceil(start / PAGE_BYTES) * PAGE_BYTES
    const pages = Math.max(0, Math.floor((memory.buffer.byteLength - this.#start) / PAGE_BYTES))
    this.#table = new Int32Array(this.#buffer, pages === 0 ? 0 : this.#start, pages)
    this.#firstPage = Math.ceil((pages * 4) / PAGE_BYTES)
  }

  /** @returns zeroed memory, page-aligned, or undefined when there is no run of pages for it */
  allocate(bytes: number): Uint8Array | undefined {
    const pages = Math.max(1, Math.ceil(bytes / PAGE_BYTES))
    const table = this.#table
    let first = this.#firstPage
    while (first + pages <= table.length) {
      let claimed = 0
      while (claimed < pages && Atomics.compareExchange(table, first + claimed, FREE, USED) === FREE) claimed++
      if (claimed === pages) {
        const memory = new Uint8Array(this.#buffer, this.#start + first * PAGE_BYTES, bytes)
        memory.fill(0)
        return memory
      }
      this.#release(first, claimed)
      first += claimed + 1
    }
    return undefined
  }

  /** Takes back what `allocate` gave; anything else is left alone. */
  free(memory: Uint8Array): void {
    const first = (memory.byteOffset - this.#start) / PAGE_BYTES
    if (memory.buffer !== this.#buffer || !Number.isInteger(first) || first < this.#firstPage) return
    this.#release(first, Math.max(1, Math.ceil(memory.byteLength / PAGE_BYTES)))
  }

  #release(first: number, pages: number): void {
    for (let page = first; page < first + pages; page++) Atomics.store(this.#table, page, FREE)
  }
}
