import type { EthernetSettings } from '@bis/hyperv-types'
import { PacketFilter } from '@bis/hyperv-types/network'

/** `PacketFilter` bits that let in what the settings ask for. */
export function receiveFilter({ up, promiscuous, allMulticast, multicast }: EthernetSettings): number {
  if (!up) return 0
  if (promiscuous) return PacketFilter.PROMISCUOUS
  const group = allMulticast ? PacketFilter.ALL_MULTICAST : multicast.length > 0 ? PacketFilter.MULTICAST : 0
  return PacketFilter.DIRECTED | PacketFilter.BROADCAST | group
}
