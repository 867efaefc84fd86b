import type { Packet as PacketView } from '../interfaces/packet.ts'
import { DESCRIPTOR_BYTES } from './layout.ts'

/**
 * A view of the packet last taken from a ring, in the consumer's private memory. It is reused: use it, and the bytes behind
 * it, until the next packet is asked for. Lengths and offsets have been checked against each other.
 */
export class Packet implements PacketView {
  /** Private memory that holds the packet from its first byte on. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** `PacketType`, or anything else the peer wrote. */
  type = 0
  flags = 0
  transactionIdLow = 0
  transactionIdHigh = 0
  /** Bytes from the packet's beginning to its payload, descriptor included: 16 or more, a multiple of 8. Equals `dataOffset`. */
  headerLength = 0
  /** Bytes of the whole packet, padding included and trailer excluded: a multiple of 8. */
  length = 0
  /** Where the payload begins in `bytes`. */
  dataOffset = 0
  /** Bytes of payload, padding included: the ring tells lengths in units of 8 only. */
  dataLength = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Takes over a packet that lies, checked, at the beginning of `bytes`. */
  present(): void {
    const view = this.view
    const headerLength = view.getUint16(2, true) * 8
    const length = view.getUint16(4, true) * 8
    this.type = view.getUint16(0, true)
    this.flags = view.getUint16(6, true)
    this.transactionIdLow = view.getUint32(8, true)
    this.transactionIdHigh = view.getUint32(12, true)
    this.headerLength = headerLength
    this.length = length
    this.dataOffset = headerLength
    this.dataLength = length - headerLength
  }

  /** A packet of which only the length may be used. */
  presentLength(length: number): void {
    this.type = 0
    this.flags = 0
    this.transactionIdLow = 0
    this.transactionIdHigh = 0
    this.headerLength = DESCRIPTOR_BYTES
    this.length = length
    this.dataOffset = 0
    this.dataLength = 0
  }
}
