import { NvspVersion } from '@bis/hyperv-types/network'
import type { NetvscSettings } from '../settings.ts'

const MIB = 2 ** 20
/** Receive buffers of hosts that know NVSP 2 at most, and of later ones. */
const OLD_RECEIVE_LIMIT = 15 * MIB
const RECEIVE_LIMIT = 31 * MIB
/** NETVSC_SEND_BUFFER_SIZE_MAX of Linux and FreeBSD. */
const SEND_LIMIT = 15 * MIB

/** Bytes of the receive buffer: as set, or by the guest's memory. */
export function receiveBufferBytes(settings: NetvscSettings, memoryBytes: number, version: number): number {
  const wanted = settings.receiveBufferBytes || Math.min(16 * MIB, Math.floor(memoryBytes / 8))
  return Math.min(wanted, version <= NvspVersion.V2 ? OLD_RECEIVE_LIMIT : RECEIVE_LIMIT)
}

/** Bytes of the send buffer: as set, or by channels and the guest's memory. */
export function sendBufferBytes(settings: NetvscSettings, memoryBytes: number, channels: number): number {
  return settings.sendBufferBytes || Math.min(MIB * channels, SEND_LIMIT, Math.floor(memoryBytes / 32))
}
