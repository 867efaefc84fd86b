/**
 * Per-packet information (PPI): a list of records between the header of a PACKET message and its frame.
 * Source: drivers/net/hyperv/hyperv_net.h, FreeBSD sys/net/rndis.h.
 */
import { bits, layout, u8, u16, u32, union } from '../struct/index.ts'

export const perPacketInfo = layout(
  'rndis_per_packet_info',
  {
    /** Of header and data; PPI_BYTES for all that guests and hosts use. */
    ppi_size: u32,
    kind: union({ raw: u32, word: bits(4, { type: [0, 31], internal: 31 }) }),
    /** Where the data begins in the record. */
    ppi_offset: u32,
  },
  { size: 12 },
)
/** Bytes of a record with 4 bytes of data. */
export const PPI_BYTES = 16
/** Bit of `kind` for types of RNDIS' own. */
export const PPI_INTERNAL = 0x8000_0000

export const PpiType = {
  TCPIP_CHECKSUM: 0,
  IPSEC: 1,
  TCP_LARGE_SEND: 2,
  CLASSIFICATION_HANDLE: 3,
  NDIS_RESERVED: 4,
  SG_LIST: 5,
  IEEE_8021Q: 6,
  ORIGINAL_PACKET: 7,
  /** Also the number of PACKET_CANCEL_ID. */
  HASH_VALUE: 8,
  /** Also the number of ORIGINAL_NET_BUFFER_LIST. */
  HASH_INFO: 9,
  CACHED_NET_BUFFER_LIST: 10,
  SHORT_PACKET_PADDING: 11,
} as const

/** Raw type of the packet id that coalesced segments carry. */
export const PPI_PACKET_ID = PPI_INTERNAL + 1

/** Data of TCPIP_CHECKSUM. */
export const checksumInfo = layout(
  'ndis_tcp_ip_checksum_info',
  {
    info: union({
      /** Guest to host; `tcp_header_offset` counts from the frame. */
      transmit: bits(4, {
        is_ipv4: 0,
        is_ipv6: 1,
        tcp_checksum: 2,
        udp_checksum: 3,
        ip_header_checksum: 4,
        tcp_header_offset: [16, 10],
      }),
      receive: bits(4, {
        tcp_checksum_failed: 0,
        udp_checksum_failed: 1,
        ip_checksum_failed: 2,
        tcp_checksum_succeeded: 3,
        udp_checksum_succeeded: 4,
        ip_checksum_succeeded: 5,
        loopback: 6,
        tcp_checksum_value_invalid: 7,
        ip_checksum_value_invalid: 8,
      }),
      value: u32,
    }),
  },
  { size: 4 },
)

/** Bits of `value`, for code that works on the whole word. */
export const TxChecksum = { IPV4: 0x01, IPV6: 0x02, TCP: 0x04, UDP: 0x08, IP_HEADER: 0x10, OFFSET_SHIFT: 16 } as const
export const RxChecksum = {
  TCP_FAILED: 0x001,
  UDP_FAILED: 0x002,
  IP_FAILED: 0x004,
  TCP_SUCCEEDED: 0x008,
  UDP_SUCCEEDED: 0x010,
  IP_SUCCEEDED: 0x020,
  LOOPBACK: 0x040,
  TCP_VALUE_INVALID: 0x080,
  IP_VALUE_INVALID: 0x100,
} as const

/** Data of TCP_LARGE_SEND. `type` 1 and `ip_version` 1 for IPv6: version 2. */
export const largeSendInfo = layout(
  'ndis_tcp_lso_info',
  {
    info: union({
      lso_v2_transmit: bits(4, { mss: [0, 20], tcp_header_offset: [20, 10], type: 30, ip_version: 31 }),
      lso_v1_transmit_complete: bits(4, { tcp_payload: [0, 30] }),
      value: u32,
    }),
  },
  { size: 4 },
)

/** Data of IEEE_8021Q. */
export const vlanInfo = layout(
  'ndis_pkt_8021q_info',
  { info: union({ tag: bits(4, { pri: [0, 3], cfi: 3, vlanid: [4, 12] }), value: u32 }) },
  { size: 4 },
)

/** Data of PPI_PACKET_ID. */
export const packetIdInfo = layout('rndis_pktinfo_id', { ver: u8, flag: u8, pkt_id: u16 }, { size: 4 })
export const PACKET_ID_VERSION = 1
export const PacketIdFlag = { SUB_ALLOCATED: 1, FIRST: 2, LAST: 4 } as const
