import { ReceiveChecksum } from '@bis/hyperv-types'
import { RxChecksum } from '@bis/hyperv-types/network'
import type { NetvscStatistics } from '../statistics.ts'

/** `ReceiveChecksum` bits of the host's word. A failure bit counts more than a success bit beside it. */
export function checksumBits(word: number, statistics?: NetvscStatistics): number {
  let bits = 0
  const transportFailed = (word & (RxChecksum.TCP_FAILED | RxChecksum.UDP_FAILED)) !== 0
  const transportGood = (word & (RxChecksum.TCP_SUCCEEDED | RxChecksum.UDP_SUCCEEDED)) !== 0
  if (transportFailed) bits |= ReceiveChecksum.transportBad
  else if (transportGood) bits |= ReceiveChecksum.transportGood
  if ((word & RxChecksum.IP_FAILED) !== 0) bits |= ReceiveChecksum.ipv4Bad
  else if ((word & RxChecksum.IP_SUCCEEDED) !== 0) bits |= ReceiveChecksum.ipv4Good
  if ((word & RxChecksum.TCP_VALUE_INVALID) !== 0) bits |= ReceiveChecksum.transportPartial
  if ((word & RxChecksum.IP_VALUE_INVALID) !== 0) bits |= ReceiveChecksum.ipv4Partial
  if (statistics === undefined || !transportGood) return bits
  if ((word & RxChecksum.TCP_SUCCEEDED) !== 0) statistics.csumTcp++
  if ((word & RxChecksum.UDP_SUCCEEDED) !== 0) statistics.csumUdp++
  if ((word & RxChecksum.IP_SUCCEEDED) !== 0) statistics.csumIp++
  statistics.csumTrusted++
  return bits
}
