/**
 * One packet of a ring, as its reader sees it: a private copy that the other side cannot change, in an object that is
 * used again for the next packet. Valid during the call that hands it over; take what you need out of it.
 */
export interface Packet {
  /** VMBus packet type: 6 in-band, 7 transfer pages, 9 GPA direct, 11 completion, … */
  readonly type: number
  /** Bit 0: the sender wants a completion. */
  readonly flags: number
  readonly transactionIdLow: number
  readonly transactionIdHigh: number
  /** The whole packet without its trailer: descriptor, extra header, data, padding. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Length of the whole packet in `bytes`; a multiple of 8. */
  readonly length: number
  /** Where the data begins in `bytes`; from 16 on. Before it lie the descriptor and the range list, if any. */
  readonly dataOffset: number
  /** Bytes of data, padding included. */
  readonly dataLength: number
}
