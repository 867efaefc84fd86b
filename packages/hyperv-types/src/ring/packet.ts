import type { Packet as PacketView } from '../interfaces/packet.ts'

/**
 * A view of the packet last taken from a ring, in the consumer's private memory. It is reused: use it, and the bytes behind
 * it, until the next packet is asked for. Lengths and offsets have been checked against each other.
 */
export class Packet implements PacketView {
  /** Private memory that holds the packet from its first byte on. */
  readonly bytes: Uint8Array
  readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** `PacketType`, or anything else the peer wrote. */
  get type(): number {
    return this.view.getUint16(0, true)
  }

  get flags(): number {
    return this.view.getUint16(6, true)
  }

  get transactionIdLow(): number {
    return this.view.getUint32(8, true)
  }

  get transactionIdHigh(): number {
    return this.view.getUint32(12, true)
  }

  /** Where the payload begins in `bytes`, after descriptor and extra header: 16 or more, a multiple of 8. */
  get dataOffset(): number {
    return this.view.getUint16(2, true) * 8
  }

  /** Bytes of the whole packet, padding included and trailer excluded: a multiple of 8. */
  get length(): number {
    return this.view.getUint16(4, true) * 8
  }

  /** Bytes of payload, padding included: the ring tells lengths in units of 8 only. */
  get dataLength(): number {
    return this.length - this.dataOffset
  }
}
