import { copyBytes } from '@bis/hyperv-types/ethernet'

const LENGTH_BYTES = 4
const VLAN_TAG_BYTES = 4
const ADDRESS_BYTES = 12
/** Longest frame of a stream: 64 KiB with headers. QEMU's own limit is a little above. */
export const MOST_STREAM_FRAME = 0x1_0000 + 32
/** Bytes that a frame takes in the stream beside its own, at most. */
export const STREAM_OVERHEAD = LENGTH_BYTES + VLAN_TAG_BYTES

/** @returns false when the frame cannot be taken now: it will be offered again. The bytes may be used during the call only. */
export type StreamFrameHandler = (bytes: Uint8Array, offset: number, length: number) => boolean

/**
 * - `hungry`: all that came is handed over; `stalled`: a frame was not taken, the rest waits;
 * - `broken`: this is no stream of frames, and nothing more can be made of it.
 */
export type DeframerState = 'hungry' | 'stalled' | 'broken'

/** Takes frames out of a byte stream in QEMU's framing: a 32-bit big-endian length, then the frame. */
export class StreamDeframer {
  readonly #onFrame: StreamFrameHandler
  /** A frame that comes in several chunks. */
  readonly #frame = new Uint8Array(MOST_STREAM_FRAME)
  #chunk: Uint8Array = new Uint8Array(0)
  #at = 0
  /** Bytes of the length that have come, and the length so far. */
  #lengthBytes = 0
  #length = 0
  #filled = 0

  constructor(onFrame: StreamFrameHandler) {
    this.#onFrame = onFrame
  }

  /** Takes the next chunk; not while stalled. */
  push(chunk: Uint8Array): DeframerState {
    this.#chunk = chunk
    this.#at = 0
    return this.resume()
  }

  /** Goes on with the chunk in hand. */
  resume(): DeframerState {
    const chunk = this.#chunk
    for (;;) {
      if (this.#lengthBytes < LENGTH_BYTES) {
        if (this.#at === chunk.length) return 'hungry'
        this.#length = this.#length * 256 + (chunk[this.#at++] ?? 0)
        if (++this.#lengthBytes === LENGTH_BYTES && this.#length > MOST_STREAM_FRAME) return 'broken'
        continue
      }
      const left = chunk.length - this.#at
      if (this.#filled === 0 && left >= this.#length) {
        if (!this.#onFrame(chunk, this.#at, this.#length)) return 'stalled'
        this.#at += this.#length
      } else {
        const part = Math.min(this.#length - this.#filled, left)
        copyBytes(this.#frame, this.#filled, chunk, this.#at, part)
        this.#filled += part
        this.#at += part
        if (this.#filled < this.#length) return 'hungry'
        if (!this.#onFrame(this.#frame, 0, this.#length)) return 'stalled'
      }
      this.#lengthBytes = 0
      this.#length = 0
      this.#filled = 0
    }
  }
}

/** Writes a frame as it goes into the stream, its tag put back into it. @returns where it ends in `target` */
export function writeStreamFrame(
  target: Uint8Array,
  at: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  tci: number,
): number {
  const total = length + (tci === 0 ? 0 : VLAN_TAG_BYTES)
  target[at] = total >>> 24
  target[at + 1] = total >>> 16
  target[at + 2] = total >>> 8
  target[at + 3] = total
  const start = at + LENGTH_BYTES
  if (tci === 0) {
    copyBytes(target, start, bytes, offset, length)
    return start + length
  }
  copyBytes(target, start, bytes, offset, ADDRESS_BYTES)
  const tag = start + ADDRESS_BYTES
  target[tag] = 0x81
  target[tag + 1] = 0
  target[tag + 2] = tci >>> 8
  target[tag + 3] = tci
  copyBytes(target, tag + VLAN_TAG_BYTES, bytes, offset + ADDRESS_BYTES, length - ADDRESS_BYTES)
  return start + total
}
