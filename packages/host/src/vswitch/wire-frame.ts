import { copyBytes, ETHERNET_HEADER_BYTES, EtherType } from '@bis/hyperv-types/ethernet'
import { MOST_STREAM_FRAME } from './stream-framing.ts'
import type { SwitchFrame } from './switch-frame.ts'

const TAGGED_HEADER_BYTES = 18

/** Turns frames as they are on a wire, the tag in them, into frames of the switch, the tag beside them. */
export class WireFrameReader {
  readonly #bytes = new Uint8Array(MOST_STREAM_FRAME)

  /** Fills in a frame that is valid until the next call. @returns false for what is no Ethernet frame */
  read(frame: SwitchFrame, source: Uint8Array, at: number, length: number): boolean {
    if (length < ETHERNET_HEADER_BYTES || length > MOST_STREAM_FRAME) return false
    const bytes = this.#bytes
    frame.clear()
    frame.bytes = bytes
    frame.offset = 0
    const type = ((source[at + 12] ?? 0) << 8) | (source[at + 13] ?? 0)
    if (type !== EtherType.VLAN || length < TAGGED_HEADER_BYTES) {
      copyBytes(bytes, 0, source, at, length)
      frame.length = length
      return true
    }
    const tci = ((source[at + 14] ?? 0) << 8) | (source[at + 15] ?? 0)
    copyBytes(bytes, 0, source, at, 12)
    copyBytes(bytes, 12, source, at + 16, length - 16)
    frame.length = length - 4
    frame.vlan = tci & 0xfff
    frame.priority = tci >> 13
    return true
  }
}
