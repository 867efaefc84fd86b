import { PPI_PACKET_ID, PpiType, RNDIS_PACKET_HEADER_BYTES } from '@bis/hyperv-types/network'
import { vlanTci } from '../transmit/frame-encoder.ts'

const PPI_HEADER_BYTES = 12
/** What offsets count from. */
const DATA_OFFSET_AT = 8
const LEAST_OFFSET = RNDIS_PACKET_HEADER_BYTES - DATA_OFFSET_AT

/**
 * What an RNDIS PACKET message of the host says. It is read where it lies, in memory that the host can change: each word
 * once, then checked, and only what was checked is used. Reused for the next message.
 */
export class FrameMessage {
  /** Where the frame lies in the buffer. */
  dataAt = 0
  dataLength = 0
  /** `RxChecksum` bits, -1 when nothing is told. */
  checksum = -1
  /** Tag control information, -1 for none. */
  vlan = -1
  /** Signed, as are all hashes here. */
  hash = 0
  hashType = 0
  /** `PacketIdFlag` bits. */
  idFlags = 0

  /**
   * @param at where the message begins, and `length` its bytes: inside the view
   * @returns false when its lengths do not fit
   */
  read(view: DataView, at: number, length: number): boolean {
    if (length < RNDIS_PACKET_HEADER_BYTES) return false
    const told = view.getUint32(at + 4, true)
    if (told < RNDIS_PACKET_HEADER_BYTES || told > length) return false
    const body = told - DATA_OFFSET_AT
    const dataOffset = view.getUint32(at + 8, true)
    const dataLength = view.getUint32(at + 12, true)
    const infoOffset = view.getUint32(at + 28, true)
    const infoLength = view.getUint32(at + 32, true)
    if (dataOffset < LEAST_OFFSET || dataOffset > body || dataLength > body - dataOffset) return false
    this.dataAt = at + DATA_OFFSET_AT + dataOffset
    this.dataLength = dataLength
    this.checksum = -1
    this.vlan = -1
    this.hash = 0
    this.hashType = 0
    this.idFlags = 0
    if (infoLength === 0) return true
    if (infoOffset < LEAST_OFFSET || infoOffset > body || infoLength > body - infoOffset) return false
    return infoOffset % 4 === 0 && this.#readInfo(view, at + DATA_OFFSET_AT + infoOffset, infoLength)
  }

  /** Walks the records; each step goes forward, and the first that does not fit ends it. */
  #readInfo(view: DataView, start: number, length: number): boolean {
    let at = start
    let left = length
    while (left > 0) {
      if (left < PPI_HEADER_BYTES) return false
      const size = view.getUint32(at, true)
      const type = view.getUint32(at + 4, true)
      const offset = view.getUint32(at + 8, true)
      if (size < PPI_HEADER_BYTES || size > left || size % 4 !== 0) return false
      if (offset < PPI_HEADER_BYTES || offset > size) return false
      if (size - offset >= 4) this.#take(type, view.getUint32(at + offset, true))
      at += size
      left -= size
    }
    return true
  }

  #take(type: number, word: number): void {
    if (type === PpiType.TCPIP_CHECKSUM) this.checksum = word
    else if (type === PpiType.IEEE_8021Q) this.vlan = vlanTci(word)
    else if (type === PpiType.HASH_VALUE) this.hash = word | 0
    else if (type === PpiType.HASH_INFO) this.hashType = word
    else if (type === PPI_PACKET_ID) this.idFlags = (word >>> 8) & 0xff
  }
}
