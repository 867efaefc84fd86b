import { TransmitChecksum } from '@bis/hyperv-types'
import { ETHERNET_HEADER_BYTES, EtherType } from '@bis/hyperv-types/ethernet'
import { PpiType, RNDIS_PACKET_HEADER_BYTES, RndisMessageType, TxChecksum } from '@bis/hyperv-types/network'
import { SwitchFrame } from '../../vswitch/switch-frame.ts'
import type { AdapterCounters } from '../counters.ts'

/** PACKET messages in one message of the guest at most: what INITIALIZE_C tells, with room for those that do not listen. */
export const MAX_FRAMES = 64
const DATA_OFFSET_AT = 8
const PPI_HEADER_BYTES = 12
const IPV4_BYTES = 20
const IPV6_BYTES = 40
const TCP_BYTES = 20

/**
 * Takes the PACKET messages out of what a guest sent, with every offset and length checked by subtraction against what is
 * left. Nothing is handed on before all of them are found to be good.
 */
export class FrameParser {
  readonly frames: readonly SwitchFrame[] = Array.from({ length: MAX_FRAMES }, () => new SwitchFrame())
  count = 0
  readonly #counters: AdapterCounters

  constructor(counters: AdapterCounters) {
    this.#counters = counters
  }

  /**
   * @param firstRange bytes that lie in one range: headers and per-packet information must not leave it
   * @returns false when anything is wrong: nothing of the message may be sent
   */
  parse(bytes: Uint8Array, view: DataView, length: number, firstRange: number): boolean {
    this.count = 0
    let at = 0
    while (at < length) {
      if (length - at < RNDIS_PACKET_HEADER_BYTES) return this.#bad('badRndisLength')
      const type = view.getUint32(at, true)
      const messageBytes = view.getUint32(at + 4, true)
      if (type !== RndisMessageType.PACKET || this.count === MAX_FRAMES) return this.#bad('badRndisLength')
      if (messageBytes < RNDIS_PACKET_HEADER_BYTES || messageBytes > length - at) return this.#bad('badRndisLength')
      if (!this.#parseOne(bytes, view, at, messageBytes, firstRange)) return false
      at += messageBytes
    }
    return this.count > 0 || this.#bad('badRndisLength')
  }

  #parseOne(bytes: Uint8Array, view: DataView, at: number, messageBytes: number, firstRange: number): boolean {
    const body = messageBytes - DATA_OFFSET_AT
    const dataOffset = view.getUint32(at + 8, true)
    const dataLength = view.getUint32(at + 12, true)
    const infoOffset = view.getUint32(at + 28, true)
    const infoLength = view.getUint32(at + 32, true)
    if (dataOffset > body || dataLength > body - dataOffset) return this.#bad('badFrame')
    if (dataOffset < RNDIS_PACKET_HEADER_BYTES - DATA_OFFSET_AT || dataLength < ETHERNET_HEADER_BYTES) {
      return this.#bad('badFrame')
    }
    // Out-of-band data and virtual circuits: no guest has them, and the reference switch takes none.
    if (view.getUint32(at + 16, true) !== 0 || view.getUint32(at + 20, true) !== 0) return this.#bad('badFrame')
    if (view.getUint32(at + 24, true) !== 0) return this.#bad('badFrame')
    const frame = this.frames[this.count]
    if (frame === undefined) return this.#bad('badRndisLength')
    frame.clear()
    frame.bytes = bytes
    frame.offset = at + DATA_OFFSET_AT + dataOffset
    frame.length = dataLength
    let headerEnd = at + RNDIS_PACKET_HEADER_BYTES
    if (infoLength !== 0) {
      if (infoOffset > body || infoLength > body - infoOffset) return this.#bad('badPacketInfo')
      if (infoOffset < RNDIS_PACKET_HEADER_BYTES - DATA_OFFSET_AT || infoOffset % 4 !== 0) {
        return this.#bad('badPacketInfo')
      }
      const start = at + DATA_OFFSET_AT + infoOffset
      headerEnd = Math.max(headerEnd, start + infoLength)
      if (!this.#parseInfo(view, start, infoLength, frame)) return false
    }
    if (headerEnd > firstRange) return this.#bad('splitHeader')
    if (!takeInlineTag(frame)) return this.#bad('badFrame')
    if (frame.unfinished && !hasHeaders(frame)) return this.#bad('badOffload')
    this.count++
    return true
  }

  #parseInfo(view: DataView, start: number, length: number, frame: SwitchFrame): boolean {
    let left = length
    let at = start
    while (left > 0) {
      if (left < PPI_HEADER_BYTES) return this.#bad('badPacketInfo')
      const size = view.getUint32(at, true)
      const type = view.getUint32(at + 4, true)
      const offset = view.getUint32(at + 8, true)
      if (size < PPI_HEADER_BYTES || size > left || size % 4 !== 0) return this.#bad('badPacketInfo')
      if (offset < PPI_HEADER_BYTES || offset > size) return this.#bad('badPacketInfo')
      if (size - offset >= 4) takeInfo(type, view.getUint32(at + offset, true), frame)
      else if (needsWord(type)) return this.#bad('badPacketInfo')
      at += size
      left -= size
    }
    return true
  }

  #bad(cause: keyof AdapterCounters): false {
    this.#counters[cause]++
    this.count = 0
    return false
  }
}

function needsWord(type: number): boolean {
  return type === PpiType.TCPIP_CHECKSUM || type === PpiType.TCP_LARGE_SEND || type === PpiType.IEEE_8021Q
}

function takeInfo(type: number, word: number, frame: SwitchFrame): void {
  if (type === PpiType.IEEE_8021Q) {
    frame.priority = word & 7
    frame.vlan = (word >>> 4) & 0xfff
  } else if (type === PpiType.TCPIP_CHECKSUM) {
    let checksum = 0
    if ((word & TxChecksum.IP_HEADER) !== 0) checksum |= TransmitChecksum.ipv4Header
    if ((word & TxChecksum.TCP) !== 0) checksum |= TransmitChecksum.tcp
    if ((word & TxChecksum.UDP) !== 0) checksum |= TransmitChecksum.udp
    frame.checksum = checksum
    frame.transportAt = frame.offset + ((word >>> TxChecksum.OFFSET_SHIFT) & 0x3ff)
  } else if (type === PpiType.TCP_LARGE_SEND) {
    frame.segmentSize = word & 0xf_ffff
    frame.transportAt = frame.offset + ((word >>> 20) & 0x3ff)
    frame.checksum = TransmitChecksum.tcp
  }
}

/** A tag in the frame itself moves beside it, as guests' drivers do. */
function takeInlineTag(frame: SwitchFrame): boolean {
  const { bytes, offset } = frame
  const etherType = ((bytes[offset + 12] ?? 0) << 8) | (bytes[offset + 13] ?? 0)
  if (etherType !== EtherType.VLAN || frame.vlan !== 0) return true
  if (frame.length < ETHERNET_HEADER_BYTES + 4) return false
  const tci = ((bytes[offset + 14] ?? 0) << 8) | (bytes[offset + 15] ?? 0)
  frame.vlan = tci & 0xfff
  frame.priority = tci >> 13
  bytes.copyWithin(offset + 4, offset, offset + 12)
  frame.offset += 4
  frame.length -= 4
  if (frame.transportAt !== 0) frame.transportAt += 4
  return true
}

/**
 * Whether the headers that an offload works on are in the frame. FreeBSD 10 tells transport offset 0: then it is right
 * behind an IP header without options. What is not needed is not checked: a switch that is stricter breaks guests.
 */
function hasHeaders(frame: SwitchFrame): boolean {
  const { bytes, offset, length } = frame
  const end = offset + length
  const ipAt = offset + ETHERNET_HEADER_BYTES
  const etherType = ((bytes[offset + 12] ?? 0) << 8) | (bytes[offset + 13] ?? 0)
  const ipv4 = etherType === EtherType.IPV4
  const ipBytes = ipv4 ? IPV4_BYTES : etherType === EtherType.IPV6 ? IPV6_BYTES : 0
  if (ipBytes === 0 || ipAt + ipBytes > end) return false
  if ((frame.checksum & TransmitChecksum.ipv4Header) !== 0 && ipv4) {
    const headerBytes = ((bytes[ipAt] ?? 0) & 0xf) * 4
    if (headerBytes < IPV4_BYTES || ipAt + headerBytes > end) return false
  } else {
    frame.checksum &= ~TransmitChecksum.ipv4Header
  }
  if ((frame.checksum & (TransmitChecksum.tcp | TransmitChecksum.udp)) === 0) return true
  if (frame.transportAt === offset) frame.transportAt = ipAt + ipBytes
  const least = (frame.checksum & TransmitChecksum.udp) !== 0 ? 8 : TCP_BYTES
  if (frame.transportAt < ipAt + ipBytes || frame.transportAt + least > end) return false
  if (frame.segmentSize === 0) return true
  const tcpBytes = ((bytes[frame.transportAt + 12] ?? 0) >> 4) * 4
  return tcpBytes >= TCP_BYTES && frame.transportAt + tcpBytes <= end
}
