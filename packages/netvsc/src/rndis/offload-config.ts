import { TransmitChecksum } from '@bis/hyperv-types'
import {
  ChecksumCapability,
  ChecksumParameter,
  LargeSendCapability,
  NDIS_ENCAPSULATION_8023,
  NDIS_OFFLOAD_BYTES,
  NDIS_OFFLOAD_PARAMETERS_BYTES,
  NdisObjectType,
  NvspVersion,
  ndisObjectHeader,
  ndisOffload,
  ndisOffloadParameters,
  OffloadSwitch,
} from '@bis/hyperv-types/network'

/** What the host can take over, as far as it said so. */
export interface OffloadCapabilities {
  /** `TransmitChecksum` bits. */
  readonly checksum4: number
  readonly checksum6: number
  /** Longest large send in bytes, 0 for none; and fewest segments. */
  readonly lso4: number
  readonly lso6: number
  readonly lsoSegments: number
  readonly coalesce: boolean
}

export const NO_OFFLOADS: OffloadCapabilities = {
  checksum4: 0,
  checksum6: 0,
  lso4: 0,
  lso6: 0,
  lsoSegments: 0,
  coalesce: false,
}

/** The header that goes with a query: which revision is wanted. */
export function offloadQuery(nvsVersion: number): Uint8Array {
  const revision = nvsVersion >= NvspVersion.V5 ? 3 : nvsVersion >= NvspVersion.V4 ? 2 : 1
  const data = new Uint8Array(NDIS_OFFLOAD_BYTES[revision])
  ndisObjectHeader.encode({ type: NdisObjectType.OFFLOAD, revision, object_size: data.length }, data)
  return data
}

/** @returns no offloads when the answer makes no sense: the interface works without */
export function readOffloads(answer: Uint8Array): OffloadCapabilities {
  if (answer.length < NDIS_OFFLOAD_BYTES[1]) return NO_OFFLOADS
  const bytes = new Uint8Array(ndisOffload.size)
  bytes.set(answer.subarray(0, ndisOffload.size))
  const { header, csum, lsov2, rsc } = ndisOffload.decode(bytes)
  if (header.type !== NdisObjectType.OFFLOAD || header.revision < 1) return NO_OFFLOADS
  if (header.object_size < NDIS_OFFLOAD_BYTES[1] || header.object_size > answer.length) return NO_OFFLOADS
  const C = ChecksumCapability
  const has = (word: number, bits: number): boolean => (word & bits) === bits
  const tcp4 = has(csum.ip4_txcsum, C.TCP4 | C.TCP4_OPTIONS)
  const tcp6 = has(csum.ip6_txcsum, C.TCP6 | C.TCP6_OPTIONS)
  const needs6 = LargeSendCapability.IP6_EXTENSION_HEADERS | LargeSendCapability.TCP6_OPTIONS
  const lso4 = tcp4 && has(lsov2.ip4_encap, NDIS_ENCAPSULATION_8023)
  const lso6 = tcp6 && has(lsov2.ip6_encap, NDIS_ENCAPSULATION_8023) && has(lsov2.ip6_opts, needs6)
  return {
    checksum4:
      (tcp4 ? TransmitChecksum.tcp : 0) |
      (tcp4 && has(csum.ip4_txcsum, C.UDP4) ? TransmitChecksum.udp : 0) |
      (tcp4 && has(csum.ip4_txcsum, C.IP4) ? TransmitChecksum.ipv4Header : 0),
    checksum6: (tcp6 ? TransmitChecksum.tcp : 0) | (tcp6 && has(csum.ip6_txcsum, C.UDP6) ? TransmitChecksum.udp : 0),
    lso4: lso4 ? lsov2.ip4_maxsz : 0,
    lso6: lso6 ? lsov2.ip6_maxsz : 0,
    lsoSegments: Math.max(lsov2.ip4_minsg, lsov2.ip6_minsg),
    coalesce: header.object_size >= NDIS_OFFLOAD_BYTES[3] && rsc.ip4 !== 0 && rsc.ip6 !== 0,
  }
}

/** The parameters object that switches on what there is. */
export function offloadParameters(nvsVersion: number, can: OffloadCapabilities, coalesce: boolean): Uint8Array {
  const modern = nvsVersion >= NvspVersion.V5
  const revision = modern ? 3 : 2
  const size = NDIS_OFFLOAD_PARAMETERS_BYTES[revision]
  const { OFF, RX, TX_RX } = ChecksumParameter
  const checksum = (bits: number, bit: number): number => ((bits & bit) !== 0 ? TX_RX : RX)
  const lso = (bytes: number): number => (bytes > 0 ? OffloadSwitch.ON : OffloadSwitch.OFF)
  const rsc = coalesce && can.coalesce ? OffloadSwitch.ON : OffloadSwitch.OFF
  const { tcp, udp, ipv4Header } = TransmitChecksum
  return ndisOffloadParameters
    .encode({
      header: { type: NdisObjectType.DEFAULT, revision, object_size: size },
      ip_v4_csum: checksum(can.checksum4, ipv4Header),
      tcp_ip_v4_csum: checksum(can.checksum4, tcp),
      udp_ip_v4_csum: modern ? checksum(can.checksum4, udp) : OFF,
      tcp_ip_v6_csum: checksum(can.checksum6, tcp),
      udp_ip_v6_csum: modern ? checksum(can.checksum6, udp) : OFF,
      lso_v1: OffloadSwitch.OFF,
      ip_sec_v1: 0,
      lso_v2_ipv4: lso(can.lso4),
      lso_v2_ipv6: lso(can.lso6),
      tcp_connection_ip_v4: 0,
      tcp_connection_ip_v6: 0,
      flags: 0,
      ip_sec_v2: 0,
      ip_sec_v2_ip_v4: 0,
      rsc_ip_v4: rsc,
      rsc_ip_v6: rsc,
      encapsulated_packet_task_offload: 0,
      encapsulation_types: 0,
    })
    .subarray(0, size)
}
