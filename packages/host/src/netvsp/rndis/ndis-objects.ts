import {
  NDIS_ENCAPSULATION_8023,
  NdisMediaConnectState,
  NdisObjectType,
  ndisLinkState,
  ndisOffloadEncapsulation,
  RssCapability,
  rssCapabilities,
} from '@bis/hyperv-types/network'

const RSS_TABLE_ENTRIES = 128
const ETHERNET_HEADER_BYTES = 14

/** NDIS_LINK_STATE. @param speed in bit/s, both ways */
export function linkState(up: boolean, speed: number): Uint8Array {
  const { CONNECTED, DISCONNECTED } = NdisMediaConnectState
  return ndisLinkState.encode({
    header: { type: NdisObjectType.DEFAULT, revision: 1, object_size: ndisLinkState.size },
    media_connect_state: up ? CONNECTED : DISCONNECTED,
    media_duplex_state: 0,
    xmit_link_speed: speed,
    rcv_link_speed: speed,
    pause_functions: 0,
    auto_negotiation_flags: 0,
  })
}

/** NDIS_RECEIVE_SCALE_CAPABILITIES of a host that hashes all it can. */
export function scalingCapabilities(queues: number): Uint8Array {
  const { TOEPLITZ, TCP_IPV4, TCP_IPV6, UDP_IPV4, UDP_IPV6 } = RssCapability
  return rssCapabilities.encode({
    hdr: { type: NdisObjectType.RSS_CAPABILITIES, revision: 2, object_size: rssCapabilities.size },
    cap_flag: TOEPLITZ | TCP_IPV4 | TCP_IPV6 | UDP_IPV4 | UDP_IPV6,
    num_int_msg: 1,
    num_recv_que: queues,
    num_indirect_tabent: RSS_TABLE_ENTRIES,
  })
}

/** NDIS_OFFLOAD_ENCAPSULATION: plain Ethernet headers. */
export function encapsulation(): Uint8Array {
  return ndisOffloadEncapsulation.encode({
    header: { type: NdisObjectType.OFFLOAD_ENCAPSULATION, revision: 1, object_size: ndisOffloadEncapsulation.size },
    ipv4_enabled: 1,
    ipv4_encapsulation_type: NDIS_ENCAPSULATION_8023,
    ipv4_header_size: ETHERNET_HEADER_BYTES,
    ipv6_enabled: 1,
    ipv6_encapsulation_type: NDIS_ENCAPSULATION_8023,
    ipv6_header_size: ETHERNET_HEADER_BYTES,
  })
}
