import { copyBytes } from '@bis/hyperv-types/ethernet'

const LENGTH_BYTES = 4
/** Longest frame of a stream: 64 KiB with headers. QEMU's own limit is a little above. */
export const MOST_STREAM_FRAME = 0x1_0000 + 32

/** Takes frames out of a byte stream in QEMU's framing: a 32-bit big-endian length, then the frame. */
export class StreamDeframer {
  readonly #onFrame: (bytes: Uint8Array, offset: number, length: number) => void
  readonly #frame = new Uint8Array(MOST_STREAM_FRAME)
  /** Bytes of the length that have come, and the length so far. */
  #lengthBytes = 0
  #length = 0
  #filled = 0

  /** @param onFrame called for each frame; the bytes may be used during the call only */
  constructor(onFrame: (bytes: Uint8Array, offset: number, length: number) => void) {
    this.#onFrame = onFrame
  }

  /** @returns false when the stream is no stream of frames; nothing more can be made of it */
  push(chunk: Uint8Array): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#lengthBytes < LENGTH_BYTES) {
        this.#length = this.#length * 256 + (chunk[at++] ?? 0)
        if (++this.#lengthBytes === LENGTH_BYTES && this.#length > MOST_STREAM_FRAME) return false
        continue
      }
      const left = this.#length - this.#filled
      const part = Math.min(left, chunk.length - at)
      if (this.#filled === 0 && part === this.#length) {
        this.#onFrame(chunk, at, part)
        this.#filled = part
      } else {
        copyBytes(this.#frame, this.#filled, chunk, at, part)
        this.#filled += part
        if (this.#filled === this.#length) this.#onFrame(this.#frame, 0, this.#length)
      }
      at += part
      if (this.#filled < this.#length) continue
      this.#lengthBytes = 0
      this.#length = 0
      this.#filled = 0
    }
    return true
  }
}

/** A frame as it goes into the stream, its tag put back into it. */
export function frameForStream(bytes: Uint8Array, offset: number, length: number, tci: number): Uint8Array {
  const tagBytes = tci === 0 ? 0 : 4
  const out = new Uint8Array(LENGTH_BYTES + length + tagBytes)
  const view = new DataView(out.buffer)
  view.setUint32(0, length + tagBytes)
  if (tagBytes === 0) {
    out.set(bytes.subarray(offset, offset + length), LENGTH_BYTES)
    return out
  }
  out.set(bytes.subarray(offset, offset + 12), LENGTH_BYTES)
  view.setUint16(LENGTH_BYTES + 12, 0x8100)
  view.setUint16(LENGTH_BYTES + 14, tci)
  out.set(bytes.subarray(offset + 12, offset + length), LENGTH_BYTES + 16)
  return out
}
