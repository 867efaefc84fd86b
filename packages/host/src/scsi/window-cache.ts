const PAGE_BYTES = 4096

/** Windows made lately on large memory: guests use the same buffers again and again, and making a window costs. */
export class WindowCache {
  readonly #mask: number
  readonly #bytes: (Uint8Array | undefined)[]
  readonly #starts: number[]
  readonly #windows: Uint8Array[]

  /** @param size a power of two */
  constructor(size: number) {
    this.#mask = size - 1
    this.#bytes = new Array<Uint8Array | undefined>(size).fill(undefined)
    this.#starts = new Array<number>(size).fill(-1)
    this.#windows = new Array<Uint8Array>(size).fill(NONE)
  }

  /** `length` bytes of `bytes` from `start` on, in place. */
  get(bytes: Uint8Array, start: number, length: number): Uint8Array {
    const slot = (start / PAGE_BYTES) & this.#mask
    const cached = this.#windows[slot] ?? NONE
    if (this.#bytes[slot] === bytes && this.#starts[slot] === start && cached.length === length) return cached
    const window = bytes.subarray(start, start + length)
    this.#bytes[slot] = bytes
    this.#starts[slot] = start
    this.#windows[slot] = window
    return window
  }
}

const NONE = new Uint8Array(0)
