import { isGroup } from '@bis/hyperv-types/ethernet'
import { PacketFilter } from '@bis/hyperv-types/network'
import type { SwitchFrame } from '../../vswitch/switch-frame.ts'

/**
 * Whether a guest asked for frames like this one.
 * @param filter `PacketFilter` bits; 0 for nothing
 * @param multicast groups that it listens to
 */
export function passesFilter(
  { bytes, offset }: SwitchFrame,
  filter: number,
  address: Uint8Array,
  multicast: readonly Uint8Array[],
): boolean {
  if (filter === 0) return false
  if ((filter & PacketFilter.PROMISCUOUS) !== 0) return true
  if (!isGroup(bytes, offset)) {
    return (filter & PacketFilter.DIRECTED) !== 0 && sameAddress(bytes, offset, address)
  }
  if (isBroadcast(bytes, offset)) return (filter & PacketFilter.BROADCAST) !== 0
  if ((filter & PacketFilter.ALL_MULTICAST) !== 0) return true
  if ((filter & PacketFilter.MULTICAST) === 0) return false
  for (let i = 0; i < multicast.length; i++) {
    const group = multicast[i]
    if (group !== undefined && sameAddress(bytes, offset, group)) return true
  }
  return false
}

function sameAddress(bytes: Uint8Array, at: number, address: Uint8Array): boolean {
  for (let i = 0; i < 6; i++) if (bytes[at + i] !== address[i]) return false
  return true
}

function isBroadcast(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 6; i++) if (bytes[at + i] !== 0xff) return false
  return true
}
