import { WireError } from '../errors.ts'
import { FrameType, frameHeader, MAX_FRAME_PAYLOAD } from './frames.ts'

const HEADER_BYTES = frameHeader.size
const TYPES: ReadonlySet<number> = new Set(Object.values(FrameType))

/** One frame; valid during the call that hands it over. `base` is where its payload begins in `view`. */
export interface Frame {
  readonly type: number
  readonly length: number
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly base: number
}

/**
 * Cuts a stream of bytes into frames. A consumer that cannot take a frame now answers false, and is handed the same one
 * again by the next {@link FrameReader.drain}.
 */
export class FrameReader {
  #bytes = new Uint8Array(2 * (MAX_FRAME_PAYLOAD + HEADER_BYTES))
  #view = new DataView(this.#bytes.buffer)
  #begin = 0
  #end = 0

  /** Bytes that came and were not taken yet. */
  get buffered(): number {
    return this.#end - this.#begin
  }

  /** Adds bytes that came. */
  push(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#bytes.length) this.#makeRoom(chunk.length)
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /**
   * Hands over the frames that are complete.
   * @throws WireError for a length over the limit or a type that does not exist; the stream is of no use any more
   */
  drain(take: (frame: Frame) => boolean): void {
    while (this.buffered >= HEADER_BYTES) {
      const length = frameHeader.payload_length.get(this.#view, this.#begin)
      const type = frameHeader.type.get(this.#view, this.#begin)
      if (length > MAX_FRAME_PAYLOAD) {
        throw new WireError('bad-length', `frame of ${length} bytes; at most ${MAX_FRAME_PAYLOAD}`)
      }
      if (!TYPES.has(type)) throw new WireError('unknown-type', `frame of unknown type 0x${type.toString(16)}`)
      const base = this.#begin + HEADER_BYTES
      if (base + length > this.#end) return
      if (!take({ type, length, bytes: this.#bytes, view: this.#view, base })) return
      this.#begin = base + length
    }
    if (this.#begin === this.#end) {
      this.#begin = 0
      this.#end = 0
    }
  }

  #makeRoom(more: number): void {
    const needed = this.buffered + more
    const target = needed > this.#bytes.length ? new Uint8Array(2 * needed) : this.#bytes
    target.set(this.#bytes.subarray(this.#begin, this.#end))
    this.#end = this.buffered
    this.#begin = 0
    if (target === this.#bytes) return
    this.#bytes = target
    this.#view = new DataView(target.buffer)
  }
}
