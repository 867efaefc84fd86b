/** Task offloads. Sources: drivers/net/hyperv/hyperv_net.h, FreeBSD ndis.h, OpenVMM rndisprot.rs. */
import { at, layout, reserved, u8, u32 } from '../struct/index.ts'
import { ndisObjectHeader } from './ndis-object.ts'

export const ndisChecksumOffload = layout(
  'ndis_csum_offload',
  {
    ip4_txenc: u32,
    ip4_txcsum: u32,
    ip4_rxenc: u32,
    ip4_rxcsum: u32,
    ip6_txenc: u32,
    ip6_txcsum: u32,
    ip6_rxenc: u32,
    ip6_rxcsum: u32,
  },
  { size: 32 },
)

/** Bits of the checksum words. */
export const ChecksumCapability = {
  IP4_OPTIONS: 0x001,
  TCP4_OPTIONS: 0x004,
  TCP4: 0x010,
  UDP4: 0x040,
  IP4: 0x100,
  IP6_EXTENSION_HEADERS: 0x001,
  TCP6_OPTIONS: 0x004,
  TCP6: 0x010,
  UDP6: 0x040,
} as const
/** Bits of `ip6_opts` of version 2 of large send. */
export const LargeSendCapability = { IP6_EXTENSION_HEADERS: 0x01, TCP6_OPTIONS: 0x04 } as const
/** Encapsulation: plain Ethernet. */
export const NDIS_ENCAPSULATION_8023 = 2

export const ndisLsoV1Offload = layout(
  'ndis_lsov1_offload',
  { encap: u32, maxsize: u32, minsegs: u32, opts: u32 },
  { size: 16 },
)

export const ndisIpsecV1Offload = layout(
  'ndis_ipsecv1_offload',
  { encap: u32, ah_esp: u32, xport_tun: u32, ip4_opts: u32, flags: u32, ip4_ah: u32, ip4_esp: u32 },
  { size: 28 },
)

export const ndisLsoV2Offload = layout(
  'ndis_lsov2_offload',
  {
    ip4_encap: u32,
    ip4_maxsz: u32,
    ip4_minsg: u32,
    ip6_encap: u32,
    ip6_maxsz: u32,
    ip6_minsg: u32,
    ip6_opts: u32,
  },
  { size: 28 },
)

export const ndisIpsecV2Offload = layout(
  'ndis_ipsecv2_offload',
  {
    encap: u32,
    ip6: u8,
    ip4opt: u8,
    ip6ext: u8,
    ah: u8,
    esp: u8,
    ah_esp: u8,
    xport: u8,
    tun: u8,
    xport_tun: u8,
    lso: u8,
    extseq: u8,
    udp_esp: at(16, u32),
    auth: u32,
    crypto: u32,
    sa_caps: u32,
  },
  { size: 32 },
)

export const ndisRscOffload = layout('ndis_rsc_offload', { ip4: u8, ip6: u8 }, { size: 2 })

export const ndisEncapOffload = layout('ndis_encap_offload', { flags: u32, maxhdr: u32 }, { size: 8 })

/** What an adapter can do, and what is on. Shorter revisions end earlier. */
export const ndisOffload = layout(
  'ndis_offload',
  {
    header: ndisObjectHeader,
    csum: ndisChecksumOffload,
    lsov1: ndisLsoV1Offload,
    ipsecv1: ndisIpsecV1Offload,
    lsov2: ndisLsoV2Offload,
    flags: u32,
    ipsecv2: ndisIpsecV2Offload,
    rsc: ndisRscOffload,
    pad: reserved(2),
    encap_gre: ndisEncapOffload,
  },
  { size: 156 },
)
/** Bytes by revision: NDIS 6.0, 6.1, 6.30. */
export const NDIS_OFFLOAD_BYTES = { 1: 112, 2: 144, 3: 156 } as const

/** What a guest turns on or off. */
export const ndisOffloadParameters = layout(
  'ndis_offload_params',
  {
    header: ndisObjectHeader,
    ip_v4_csum: u8,
    tcp_ip_v4_csum: u8,
    udp_ip_v4_csum: u8,
    tcp_ip_v6_csum: u8,
    udp_ip_v6_csum: u8,
    lso_v1: u8,
    ip_sec_v1: u8,
    lso_v2_ipv4: u8,
    lso_v2_ipv6: u8,
    tcp_connection_ip_v4: u8,
    tcp_connection_ip_v6: u8,
    flags: at(16, u32),
    ip_sec_v2: u8,
    ip_sec_v2_ip_v4: u8,
    rsc_ip_v4: u8,
    rsc_ip_v6: u8,
    encapsulated_packet_task_offload: u8,
    encapsulation_types: u8,
    pad: reserved(2),
  },
  { size: 28 },
)
/** Bytes by revision. */
export const NDIS_OFFLOAD_PARAMETERS_BYTES = { 1: 20, 2: 22, 3: 28 } as const

/** Values of the checksum parameters. */
export const ChecksumParameter = { NO_CHANGE: 0, OFF: 1, TX: 2, RX: 3, TX_RX: 4 } as const
/** Values of the large-send and RSC parameters. */
export const OffloadSwitch = { NO_CHANGE: 0, OFF: 1, ON: 2 } as const
