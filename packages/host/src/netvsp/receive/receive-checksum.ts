import { TransmitChecksum } from '@bis/hyperv-types'
import type { FrameHeaders } from '@bis/hyperv-types/ethernet'
import { finishIpv4Header, foldSum, IpProtocol, sumWords, transportIsGood } from '@bis/hyperv-types/ethernet'
import { RxChecksum } from '@bis/hyperv-types/network'
import type { SwitchFrame } from '../../vswitch/switch-frame.ts'

const ETHERNET = 14
const IPV6_BYTES = 40
const TCP_OR_UDP = TransmitChecksum.tcp | TransmitChecksum.udp

/**
 * The word of the checksum record for a frame whose checksums are filled in.
 * @param finished `TransmitChecksum` bits that need no look
 */
export function verdict(bytes: Uint8Array, headers: FrameHeaders, finished: number): number {
  const { ipVersion, ipAt, ipHeaderBytes, transportAt, transportBytes, protocol } = headers
  if (ipVersion === 0) return 0
  let word = 0
  if (ipVersion === 4) {
    const known = (finished & TransmitChecksum.ipv4Header) !== 0
    const good = known || foldSum(sumWords(bytes, ipAt, ipHeaderBytes)) === 0xffff
    word = good ? RxChecksum.IP_SUCCEEDED : RxChecksum.IP_FAILED
  }
  if (transportAt < 0) return word
  const known = (finished & TCP_OR_UDP) !== 0
  const good = known || transportIsGood(bytes, ipAt, transportAt, transportBytes, protocol)
  if (protocol === IpProtocol.TCP) return word | (good ? RxChecksum.TCP_SUCCEEDED : RxChecksum.TCP_FAILED)
  return word | (good ? RxChecksum.UDP_SUCCEEDED : RxChecksum.UDP_FAILED)
}

/** The word of the checksum record for a large TCP frame that goes on whole: `checksum` fields were left open. */
export function coalescedChecksumWord(checksum: number): number {
  let word = RxChecksum.IP_SUCCEEDED
  if ((checksum & TransmitChecksum.tcp) !== 0) word |= RxChecksum.TCP_SUCCEEDED | RxChecksum.TCP_VALUE_INVALID
  if ((checksum & TransmitChecksum.ipv4Header) !== 0) word |= RxChecksum.IP_VALUE_INVALID
  return word
}

/** A large frame that goes on whole gets the lengths that its sender left out. */
export function finishLengths({ bytes, offset, length }: SwitchFrame): void {
  const ipAt = offset + ETHERNET
  const ipv4 = (bytes[ipAt] ?? 0) >> 4 === 4
  const value = ipv4 ? length - ETHERNET : length - ETHERNET - IPV6_BYTES
  const at = ipv4 ? ipAt + 2 : ipAt + 4
  bytes[at] = value >> 8
  bytes[at + 1] = value
  if (ipv4) finishIpv4Header(bytes, ipAt)
}
