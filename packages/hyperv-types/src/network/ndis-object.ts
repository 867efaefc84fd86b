/** Header of NDIS objects and of the data of some OIDs. Source: drivers/net/hyperv/hyperv_net.h, FreeBSD ndis.h. */
import { layout, reserved, u8, u16, u32, u64 } from '../struct/index.ts'

/** `object_size` is the size of the structure of this revision. */
export const ndisObjectHeader = layout('ndis_object_header', { type: u8, revision: u8, object_size: u16 }, { size: 4 })

export const NdisObjectType = {
  DEFAULT: 0x80,
  RSS_CAPABILITIES: 0x88,
  RSS_PARAMETERS: 0x89,
  OFFLOAD: 0xa7,
  OFFLOAD_ENCAPSULATION: 0xa8,
} as const

/** NDIS versions that guests announce: up to NVSP 4, and from NVSP 5 on. */
export const NDIS_6_1 = 0x0006_0001
export const NDIS_6_30 = 0x0006_001e

/** GEN_LINK_STATE. Speeds in bit/s. */
export const ndisLinkState = layout(
  'ndis_link_state',
  {
    header: ndisObjectHeader,
    media_connect_state: u32,
    media_duplex_state: u32,
    reserved: reserved(4),
    xmit_link_speed: u64,
    rcv_link_speed: u64,
    pause_functions: u32,
    auto_negotiation_flags: u32,
  },
  { size: 40 },
)
export const NdisMediaConnectState = { UNKNOWN: 0, CONNECTED: 1, DISCONNECTED: 2 } as const

/** GEN_MAX_LINK_SPEED, in bit/s. */
export const ndisLinkSpeed = layout('ndis_link_speed', { xmit_link_speed: u64, rcv_link_speed: u64 }, { size: 16 })

/** OFFLOAD_ENCAPSULATION. */
export const ndisOffloadEncapsulation = layout(
  'ndis_offload_encapsulation',
  {
    header: ndisObjectHeader,
    ipv4_enabled: u32,
    ipv4_encapsulation_type: u32,
    ipv4_header_size: u32,
    ipv6_enabled: u32,
    ipv6_encapsulation_type: u32,
    ipv6_header_size: u32,
  },
  { size: 28 },
)
