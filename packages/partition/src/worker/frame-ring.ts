import { Bell } from '@bis/hyperv-types/threads'

/** Each index has a cache line of its own. */
const LINE_WORDS = 16
const WRITE = 0
const READ = LINE_WORDS
const DATA_BELL = 2 * LINE_WORDS
const SPACE_BELL = 3 * LINE_WORDS
const CLOSED = 4 * LINE_WORDS
const HEADER_BYTES = 5 * LINE_WORDS * 4

/**
 * Bytes from one thread to another in shared memory. Indices count all bytes ever written and read, modulo 2^32; the
 * capacity is a power of two, so their difference is what the ring holds.
 */
export class FrameRing {
  readonly dataBell: Bell
  readonly spaceBell: Bell
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #mask: number

  static allocate(capacity: number): SharedArrayBuffer {
    return new SharedArrayBuffer(HEADER_BYTES + capacity)
  }

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, HEADER_BYTES / 4)
    this.#bytes = new Uint8Array(buffer, HEADER_BYTES)
    this.#mask = this.#bytes.length - 1
    this.dataBell = new Bell(this.#words, DATA_BELL)
    this.spaceBell = new Bell(this.#words, SPACE_BELL)
  }

  get used(): number {
    return (Atomics.load(this.#words, WRITE) - Atomics.load(this.#words, READ)) >>> 0
  }

  get free(): number {
    return this.#bytes.length - this.used
  }

  /** Whether the writer has closed the ring; what it wrote before can still be read. */
  get closed(): boolean {
    return Atomics.load(this.#words, CLOSED) !== 0
  }

  close(): void {
    Atomics.store(this.#words, CLOSED, 1)
    this.dataBell.ring()
  }

  /** Writes all of `bytes`. @returns false, with nothing written, when there is no room. */
  write(bytes: Uint8Array): boolean {
    if (bytes.length > this.free) return false
    const index = Atomics.load(this.#words, WRITE)
    const offset = index & this.#mask
    const first = Math.min(bytes.length, this.#bytes.length - offset)
    this.#bytes.set(first === bytes.length ? bytes : bytes.subarray(0, first), offset)
    if (first < bytes.length) this.#bytes.set(bytes.subarray(first), 0)
    Atomics.store(this.#words, WRITE, (index + bytes.length) | 0)
    this.dataBell.ring()
    return true
  }

  /** Takes what there is, at most what fits `target`. @returns the number of bytes. */
  read(target: Uint8Array): number {
    const index = Atomics.load(this.#words, READ)
    const length = Math.min(this.used, target.length)
    const offset = index & this.#mask
    const first = Math.min(length, this.#bytes.length - offset)
    target.set(this.#bytes.subarray(offset, offset + first))
    if (first < length) target.set(this.#bytes.subarray(0, length - first), first)
    Atomics.store(this.#words, READ, (index + length) | 0)
    if (length > 0) this.spaceBell.ring()
    return length
  }
}
