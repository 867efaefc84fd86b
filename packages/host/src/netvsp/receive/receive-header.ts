import {
  PPI_BYTES,
  PPI_PACKET_ID,
  PpiType,
  RNDIS_PACKET_HEADER_BYTES,
  RndisMessageType,
} from '@bis/hyperv-types/network'

const DATA_OFFSET_AT = 8

/** Most bytes of a header: hash value and info, VLAN, checksum, packet id. */
export const MOST_RECEIVE_HEADER_BYTES = RNDIS_PACKET_HEADER_BYTES + 5 * PPI_BYTES

/** What is told of a frame beside its bytes. */
export interface ReceiveInfo {
  readonly vlan: number
  readonly priority: number
  /** `RxChecksum` bits. */
  readonly checksum: number
  readonly hash: number
  readonly hashType: number
}

/**
 * Writes the PACKET message in front of a frame for the guest.
 * @param frameAt where the frame begins, counted from the message
 * @param info undefined for none, as for all but the first piece of a coalesced frame
 * @param packetId word of the packet-id record, 0 for none
 * @returns bytes written
 */
export function writeReceiveHeader(
  view: DataView,
  at: number,
  frameAt: number,
  length: number,
  info: ReceiveInfo | undefined,
  packetId: number,
): number {
  const start = at + RNDIS_PACKET_HEADER_BYTES
  let end = info === undefined ? start : putInfos(view, start, info)
  if (packetId !== 0) end = putInfo(view, end, PPI_PACKET_ID, packetId)
  view.setUint32(at, RndisMessageType.PACKET, true)
  view.setUint32(at + 4, frameAt + length, true)
  view.setUint32(at + 8, frameAt - DATA_OFFSET_AT, true)
  view.setUint32(at + 12, length, true)
  view.setUint32(at + 16, 0, true)
  view.setUint32(at + 20, 0, true)
  view.setUint32(at + 24, 0, true)
  view.setUint32(at + 28, end === start ? 0 : RNDIS_PACKET_HEADER_BYTES - DATA_OFFSET_AT, true)
  view.setUint32(at + 32, end - start, true)
  view.setUint32(at + 36, 0, true)
  view.setUint32(at + 40, 0, true)
  return end - at
}

function putInfos(view: DataView, start: number, info: ReceiveInfo): number {
  let at = start
  if (info.hash !== 0) {
    at = putInfo(view, at, PpiType.HASH_VALUE, info.hash)
    at = putInfo(view, at, PpiType.HASH_INFO, info.hashType)
  }
  if (info.vlan !== 0 || info.priority !== 0) {
    at = putInfo(view, at, PpiType.IEEE_8021Q, info.priority | (info.vlan << 4))
  }
  return info.checksum === 0 ? at : putInfo(view, at, PpiType.TCPIP_CHECKSUM, info.checksum)
}

function putInfo(view: DataView, at: number, type: number, word: number): number {
  view.setUint32(at, PPI_BYTES, true)
  view.setUint32(at + 4, type, true)
  view.setUint32(at + 8, 12, true)
  view.setUint32(at + 12, word, true)
  return at + PPI_BYTES
}
