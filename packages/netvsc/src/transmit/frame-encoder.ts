import type { FrameOffload } from '@bis/hyperv-types'
import { TransmitChecksum } from '@bis/hyperv-types'
import { PPI_BYTES, PpiType, RNDIS_PACKET_HEADER_BYTES, RndisMessageType, TxChecksum } from '@bis/hyperv-types/network'

/** The header with the gap behind the per-packet information that puts the frame on a multiple of 8, where copies are fast. */
const HEADER_BYTES = Math.ceil(RNDIS_PACKET_HEADER_BYTES / 8) * 8
/** Most bytes of header and per-packet information: hash, VLAN, and large send or checksum. */
export const MOST_HEADER_BYTES = HEADER_BYTES + 3 * PPI_BYTES
const DATA_OFFSET_AT = 8
const LSO_VERSION_2 = 1 << 30
const LSO_IPV6 = 1 << 31

/** Bytes in front of the frame: the header that {@link writeFrameHeader} writes, and a gap. */
export function frameHeaderBytes(offload: FrameOffload | undefined, hash: number): number {
  if (offload === undefined) return HEADER_BYTES + (hash === 0 ? 0 : PPI_BYTES)
  const infos =
    (hash === 0 ? 0 : 1) + (offload.vlan < 0 ? 0 : 1) + (offload.checksum !== 0 || offload.segmentSize !== 0 ? 1 : 0)
  return HEADER_BYTES + infos * PPI_BYTES
}

/**
 * Writes the PACKET message in front of a frame.
 * @param padding bytes behind the frame that belong to the message
 * @param ipv6 what the frame is, when something is to be offloaded
 * @returns bytes in front of the frame
 */
export function writeFrameHeader(
  view: DataView,
  at: number,
  length: number,
  padding: number,
  offload: FrameOffload | undefined,
  hash: number,
  ipv6: boolean,
): number {
  const headerBytes = frameHeaderBytes(offload, hash)
  view.setUint32(at, RndisMessageType.PACKET, true)
  view.setUint32(at + 4, headerBytes + length + padding, true)
  view.setUint32(at + 8, headerBytes - DATA_OFFSET_AT, true)
  view.setUint32(at + 12, length, true)
  view.setUint32(at + 16, 0, true)
  view.setUint32(at + 20, 0, true)
  view.setUint32(at + 24, 0, true)
  const infoBytes = headerBytes - HEADER_BYTES
  view.setUint32(at + 28, infoBytes === 0 ? 0 : RNDIS_PACKET_HEADER_BYTES - DATA_OFFSET_AT, true)
  view.setUint32(at + 32, infoBytes, true)
  view.setUint32(at + 36, 0, true)
  view.setUint32(at + 40, 0, true)
  view.setUint32(at + headerBytes - 4, 0, true)
  let info = at + RNDIS_PACKET_HEADER_BYTES
  if (hash !== 0) info = putInfo(view, info, PpiType.HASH_VALUE, hash)
  if (offload === undefined) return headerBytes
  if (offload.vlan >= 0) info = putInfo(view, info, PpiType.IEEE_8021Q, vlanWord(offload.vlan))
  if (offload.segmentSize !== 0) {
    const word = (offload.segmentSize & 0xf_ffff) | ((offload.transportOffset & 0x3ff) << 20) | LSO_VERSION_2
    putInfo(view, info, PpiType.TCP_LARGE_SEND, ipv6 ? word | LSO_IPV6 : word)
  } else if (offload.checksum !== 0) {
    putInfo(view, info, PpiType.TCPIP_CHECKSUM, checksumWord(offload, ipv6))
  }
  return headerBytes
}

/** The record's word: priority in bits 0 to 2, DEI in 3, VLAN id from 4 on, unlike the tag on the wire. */
export function vlanWord(tci: number): number {
  return (tci >> 13) | (((tci >> 12) & 1) << 3) | ((tci & 0xfff) << 4)
}

/** The tag's control information of a record's word. */
export function vlanTci(word: number): number {
  return ((word & 7) << 13) | (((word >> 3) & 1) << 12) | ((word >>> 4) & 0xfff)
}

function checksumWord(offload: FrameOffload, ipv6: boolean): number {
  const { checksum } = offload
  let word = (ipv6 ? TxChecksum.IPV6 : TxChecksum.IPV4) | ((offload.transportOffset & 0x3ff) << TxChecksum.OFFSET_SHIFT)
  if ((checksum & TransmitChecksum.tcp) !== 0) word |= TxChecksum.TCP
  if ((checksum & TransmitChecksum.udp) !== 0) word |= TxChecksum.UDP
  if ((checksum & TransmitChecksum.ipv4Header) !== 0) word |= TxChecksum.IP_HEADER
  return word
}

function putInfo(view: DataView, at: number, type: number, word: number): number {
  view.setUint32(at, PPI_BYTES, true)
  view.setUint32(at + 4, type, true)
  view.setUint32(at + 8, 12, true)
  view.setUint32(at + 12, word, true)
  return at + PPI_BYTES
}
