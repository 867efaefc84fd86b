const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const ENHANCED_PACKET = 6
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const LINKTYPE_ETHERNET = 1
const OPTION_NAME = 2
const OPTION_TIME_RESOLUTION = 9
const OPTION_FLAGS = 2
const MICROSECONDS = 6
const VLAN_TAG_BYTES = 4

/** Takes a part of the capture file; the bytes are its own. */
export type CaptureSink = (bytes: Uint8Array) => void

/** Seen from the port's owner: 1 into it, 2 out of it, as the flags of pcapng. */
export const CaptureDirection = { inbound: 1, outbound: 2 } as const
export type CaptureDirection = (typeof CaptureDirection)[keyof typeof CaptureDirection]

/**
 * A capture file in the pcapng format (draft-ietf-opsawg-pcapng): one section, an interface for each port, frames with
 * times in microseconds and direction. Nothing is kept; every block goes to the sink at once.
 */
export class PcapngWriter {
  readonly #sink: CaptureSink
  #interfaces = 0

  constructor(sink: CaptureSink) {
    this.#sink = sink
    const view = new DataView(new ArrayBuffer(28))
    view.setUint32(0, SECTION_HEADER, true)
    view.setUint32(4, 28, true)
    view.setUint32(8, BYTE_ORDER_MAGIC, true)
    view.setUint16(12, 1, true)
    view.setUint32(16, 0xffff_ffff, true)
    view.setUint32(20, 0xffff_ffff, true)
    view.setUint32(24, 28, true)
    sink(new Uint8Array(view.buffer))
  }

  /** Adds an interface. @returns its number in this file */
  addInterface(name: string): number {
    const text = new TextEncoder().encode(name)
    const nameBytes = pad(text.length)
    const length = 16 + 4 + nameBytes + 8 + 4 + 4
    const bytes = new Uint8Array(length)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, INTERFACE_DESCRIPTION, true)
    view.setUint32(4, length, true)
    view.setUint16(8, LINKTYPE_ETHERNET, true)
    view.setUint16(16, OPTION_NAME, true)
    view.setUint16(18, text.length, true)
    bytes.set(text, 20)
    const resolution = 20 + nameBytes
    view.setUint16(resolution, OPTION_TIME_RESOLUTION, true)
    view.setUint16(resolution + 2, 1, true)
    bytes[resolution + 4] = MICROSECONDS
    view.setUint32(length - 4, length, true)
    this.#sink(bytes)
    return this.#interfaces++
  }

  /**
   * @param milliseconds time of day
   * @param vlan tag control information to put into the frame, 0 for none
   */
  frame(
    interfaceNumber: number,
    milliseconds: number,
    direction: CaptureDirection,
    bytes: Uint8Array,
    offset: number,
    length: number,
    vlan = 0,
  ): void {
    const tagBytes = vlan === 0 ? 0 : VLAN_TAG_BYTES
    const captured = length + tagBytes
    const total = 28 + pad(captured) + 8 + 4 + 4
    const block = new Uint8Array(total)
    const view = new DataView(block.buffer)
    const microseconds = Math.floor(milliseconds * 1000)
    view.setUint32(0, ENHANCED_PACKET, true)
    view.setUint32(4, total, true)
    view.setUint32(8, interfaceNumber, true)
    view.setUint32(12, Math.floor(microseconds / 2 ** 32), true)
    view.setUint32(16, microseconds % 2 ** 32, true)
    view.setUint32(20, captured, true)
    view.setUint32(24, captured, true)
    if (tagBytes === 0) {
      block.set(bytes.subarray(offset, offset + length), 28)
    } else {
      block.set(bytes.subarray(offset, offset + 12), 28)
      view.setUint16(40, 0x8100)
      view.setUint16(42, vlan)
      block.set(bytes.subarray(offset + 12, offset + length), 44)
    }
    const options = 28 + pad(captured)
    view.setUint16(options, OPTION_FLAGS, true)
    view.setUint16(options + 2, 4, true)
    view.setUint32(options + 4, direction, true)
    view.setUint32(total - 4, total, true)
    this.#sink(block)
  }
}

function pad(length: number): number {
  return Math.ceil(length / 4) * 4
}
