import { copyBytes, copyWords } from '../ethernet/copy-bytes.ts'
import type { RingEngine } from './engine.ts'
import { NO_BYTES } from './producer.ts'
import type { MemoryCopy } from './wasm/memory-copy.ts'

const ELSEWHERE = -1
/** Up to here copying words beats a bulk copy. */
const WORD_COPY_BYTES = 128

/**
 * Memory of one's own, to copy out to what the other side could change. When it lies behind the guest's in the same
 * WebAssembly.Memory, as the engine gives it while there is room, a copy in is one memory.copy and allocates nothing.
 */
export class PrivateBuffer {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly #engine: RingEngine
  readonly #copy: MemoryCopy | undefined
  readonly #at: number
  /** The buffer last copied from, as callers keep to one, and where it lies in the memory. */
  #source: Uint8Array = NO_BYTES
  #sourceAt = ELSEWHERE
  #sourceView: DataView = new DataView(NO_BYTES.buffer)
  #closed = false

  constructor(engine: RingEngine, byteLength: number) {
    this.bytes = engine.allocate(byteLength)
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, byteLength)
    this.#at = this.bytes.byteOffset
    this.#engine = engine
    this.#copy = this.bytes.buffer instanceof ArrayBuffer ? undefined : engine.copy
  }

  /** @throws RangeError for a range outside either buffer */
  copyIn(at: number, source: Uint8Array, sourceAt: number, length: number): void {
    const { bytes } = this
    // A sign bit in any of the three shows in all of them together; NaN fails the comparisons.
    const inside = (at | sourceAt | length) >= 0 && at + length <= bytes.length && sourceAt + length <= source.length
    if (!inside)
      throw new RangeError(`${length} bytes from ${sourceAt} of ${source.length} to ${at} of ${bytes.length}`)
    if (source !== this.#source) this.#meet(source)
    if (this.#sourceAt !== ELSEWHERE && this.#copy !== undefined) {
      this.#copy(this.#at + at, this.#sourceAt + sourceAt, length)
    } else if (length <= WORD_COPY_BYTES) copyWords(this.view, at, this.#sourceView, sourceAt, length)
    else copyBytes(bytes, at, source, sourceAt, length)
  }

  /** Gives the memory back; its bytes are somebody else's from now on. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#engine.free(this.bytes)
  }

  #meet(source: Uint8Array): void {
    this.#source = source
    this.#sourceAt = this.#copy !== undefined && source.buffer === this.bytes.buffer ? source.byteOffset : ELSEWHERE
    if (this.#sourceAt === ELSEWHERE) {
      this.#sourceView = new DataView(source.buffer, source.byteOffset, source.byteLength)
    }
  }
}
