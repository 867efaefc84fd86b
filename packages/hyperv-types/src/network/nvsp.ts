/**
 * NVSP: what a network adapter and its host say to each other besides RNDIS. Bodies follow the 4-byte header.
 * Sources: drivers/net/hyperv/hyperv_net.h, FreeBSD if_hnreg.h, OpenVMM netvsp protocol.rs.
 */
import { bits, bytes, layout, reserved, rest, u16, u32, u64, union } from '../struct/index.ts'

export const NvspMessageType = {
  NONE: 0,
  INIT: 1,
  INIT_COMPLETE: 2,
  SEND_NDIS_VER: 100,
  SEND_RECV_BUF: 101,
  SEND_RECV_BUF_COMPLETE: 102,
  REVOKE_RECV_BUF: 103,
  SEND_SEND_BUF: 104,
  SEND_SEND_BUF_COMPLETE: 105,
  REVOKE_SEND_BUF: 106,
  SEND_RNDIS_PKT: 107,
  SEND_RNDIS_PKT_COMPLETE: 108,
  SEND_CHIMNEY_DELEGATED_BUF: 109,
  SEND_CHIMNEY_DELEGATED_BUF_COMP: 110,
  REVOKE_CHIMNEY_DELEGATED_BUF: 111,
  RESUME_CHIMNEY_RX_INDICATION: 112,
  TERMINATE_CHIMNEY: 113,
  TERMINATE_CHIMNEY_COMP: 114,
  INDICATE_CHIMNEY_EVENT: 115,
  SEND_CHIMNEY_PKT: 116,
  SEND_CHIMNEY_PKT_COMP: 117,
  POST_CHIMNEY_RECV_REQ: 118,
  POST_CHIMNEY_RECV_REQ_COMP: 119,
  ALLOC_RXBUF: 120,
  ALLOC_RXBUF_COMP: 121,
  FREE_RXBUF: 122,
  SEND_VMQ_RNDIS_PKT: 123,
  SEND_VMQ_RNDIS_PKT_COMP: 124,
  SEND_NDIS_CONFIG: 125,
  ALLOC_CHIMNEY_HANDLE: 126,
  ALLOC_CHIMNEY_HANDLE_COMP: 127,
  /** Host to guest. */
  SEND_VF_ASSOCIATION: 128,
  SWITCH_DATA_PATH: 129,
  UPLINK_CONNECT_STATE_DEPRECATED: 130,
  OID_QUERY_EX: 131,
  OID_QUERY_EX_COMP: 132,
  /** Request and answer. */
  SUBCHANNEL: 133,
  /** Host to guest. */
  SEND_INDIRECTION_TABLE: 134,
  PD_API: 135,
  PD_POST_BATCH: 136,
} as const
export type NvspMessageType = (typeof NvspMessageType)[keyof typeof NvspMessageType]

const NAMES = new Map<number, string>(Object.entries(NvspMessageType).map(([name, type]) => [type, name]))

/** A message's name for a log line, whatever its number. */
export function describeNvspMessage(type: number): string {
  return NAMES.get(type) ?? `NVSP message ${type}`
}

/** Protocol versions; compare them as numbers. */
export const NvspVersion = {
  /** Windows Server 2008. */
  V1: 0x0000_0002,
  /** 2008 R2: SEND_NDIS_CONFIG, VLANs, MTU. */
  V2: 0x0003_0002,
  /** 2012: virtual functions, larger receive buffers. */
  V4: 0x0004_0000,
  /** 2012 R2: sub-channels, send indirection table. */
  V5: 0x0005_0000,
  /** 2016. */
  V6: 0x0006_0000,
  /** 2019: messages of 40 bytes, receive segment coalescing. */
  V6_1: 0x0006_0001,
} as const
export type NvspVersion = (typeof NvspVersion)[keyof typeof NvspVersion]

/** Every version, newest first: the order in which a guest tries them. */
export const NVSP_VERSIONS: readonly NvspVersion[] = Object.values(NvspVersion).sort((a, b) => b - a)

/** `negotiated_protocol_ver` of OpenVMM's answer; no guest may rely on the field. */
export const NVSP_INVALID_PROTOCOL_VERSION = 0xffff_ffff

/** Highest message number of a version. */
export const NVSP_LAST_MESSAGE: Readonly<Record<NvspVersion, number>> = {
  [NvspVersion.V1]: 108,
  [NvspVersion.V2]: 127,
  [NvspVersion.V4]: 130,
  [NvspVersion.V5]: 134,
  [NvspVersion.V6]: 134,
  [NvspVersion.V6_1]: 136,
}

export const NvspStatus = {
  NONE: 0,
  SUCCESS: 1,
  FAIL: 2,
  PROTOCOL_TOO_NEW: 3,
  PROTOCOL_TOO_OLD: 4,
  INVALID_RNDIS_PKT: 5,
  BUSY: 6,
  PROTOCOL_UNSUPPORTED: 7,
} as const
export type NvspStatus = (typeof NvspStatus)[keyof typeof NvspStatus]

export const nvspHeader = layout('nvsp_message_header', { msg_type: u32 }, { size: 4 })

export const nvspInit = layout('nvsp_message_init', { min_protocol_ver: u32, max_protocol_ver: u32 }, { size: 8 })

export const nvspInitComplete = layout(
  'nvsp_message_init_complete',
  { negotiated_protocol_ver: u32, max_mdl_chain_len: u32, status: u32 },
  { size: 12 },
)

export const nvspSendNdisVersion = layout(
  'nvsp_1_message_send_ndis_version',
  { ndis_major_ver: u32, ndis_minor_ver: u32 },
  { size: 8 },
)

export const nvspSendReceiveBuffer = layout(
  'nvsp_1_message_send_receive_buffer',
  { gpadl_handle: u32, id: u16 },
  { size: 6 },
)

export const nvspReceiveBufferSection = layout(
  'nvsp_1_receive_buffer_section',
  { section_offset: u32, sub_alloc_size: u32, num_sub_allocs: u32, end_offset: u32 },
  { size: 16 },
)

/** All hosts answer with one section at offset 0. */
export const nvspSendReceiveBufferComplete = layout(
  'nvsp_1_message_send_receive_buffer_complete',
  { status: u32, num_sections: u32, sections: nvspReceiveBufferSection },
  { size: 24 },
)

export const nvspRevokeReceiveBuffer = layout('nvsp_1_message_revoke_receive_buffer', { id: u16 }, { size: 2 })

export const nvspSendSendBuffer = layout('nvsp_1_message_send_send_buffer', { gpadl_handle: u32, id: u16 }, { size: 6 })

export const nvspSendSendBufferComplete = layout(
  'nvsp_1_message_send_send_buffer_complete',
  { status: u32, section_size: u32 },
  { size: 8 },
)

export const nvspRevokeSendBuffer = layout('nvsp_1_message_revoke_send_buffer', { id: u16 }, { size: 2 })

export const nvspSendRndisPacket = layout(
  'nvsp_1_message_send_rndis_packet',
  {
    /** A hint that guests do not agree on: route by the RNDIS message type. */
    channel_type: u32,
    send_buf_section_index: u32,
    /** Bytes of the section that count. */
    send_buf_section_size: u32,
  },
  { size: 12 },
)
export const NvspChannelType = { DATA: 0, CONTROL: 1 } as const
/** `send_buf_section_index` of a message that lies in guest pages alone. */
export const NVSP_NO_SEND_SECTION = 0xffff_ffff

export const nvspSendRndisPacketComplete = layout(
  'nvsp_1_message_send_rndis_packet_complete',
  { status: u32 },
  { size: 4 },
)

/** Bits 8 to 10 came after Linux 6.1. */
export const nvspVscCapability = layout(
  'nvsp_2_vsc_capability',
  {
    capability: bits(8, {
      vmq: 0,
      chimney: 1,
      sriov: 2,
      ieee8021q: 3,
      correlation_id: 4,
      teaming: 5,
      vsubnetid: 6,
      rsc: 7,
      timestamp: 8,
      reliable_correlation_id: 9,
      allow_rsc_disabled_status: 10,
    }),
  },
  { size: 8 },
)

export const nvspSendNdisConfig = layout(
  'nvsp_2_send_ndis_config',
  {
    /** Frame bytes: the MTU and 14. */
    mtu: u32,
    reserved: reserved(4),
    capability: nvspVscCapability,
  },
  { size: 16 },
)

export const nvspAllocRxbuf = layout('nvsp_2_alloc_rxbuf', { alloc_id: u32, len: u32 }, { size: 8 })
export const nvspAllocRxbufComplete = layout(
  'nvsp_2_alloc_rxbuf_comp',
  { status: u32, alloc_id: u32, gpadl_handle: u32, recv_buf_id: u64 },
  { size: 20 },
)
export const nvspFreeRxbuf = layout('nvsp_2_free_rxbuf', { recv_buf_id: u64 }, { size: 8 })

export const nvspVfAssociation = layout('nvsp_4_send_vf_association', { allocated: u32, serial: u32 }, { size: 8 })

export const nvspSwitchDataPath = layout('nvsp_4_sw_datapath', { active_datapath: u32 }, { size: 4 })
export const NvspDataPath = { SYNTHETIC: 0, VF: 1 } as const

export const nvspSubchannelRequest = layout('nvsp_5_subchannel_request', { op: u32, num_subchannels: u32 }, { size: 8 })
export const NvspSubchannelOperation = { NONE: 0, ALLOCATE: 1 } as const

export const nvspSubchannelComplete = layout(
  'nvsp_5_subchannel_complete',
  { status: u32, num_subchannels: u32 },
  { size: 8 },
)

/** `table_offset` counts from the beginning of the message; versions up to 6 may give a wrong one. */
export const nvspSendIndirectionTable = layout(
  'nvsp_5_send_indirect_table',
  { count: u32, table_offset: u32 },
  { size: 8 },
)
/** Entries of the table, each the index of a channel. */
export const NVSP_INDIRECTION_TABLE_ENTRIES = 16
export const nvspIndirectionTable = layout('nvsp_indirection_table', { send_table: rest(u32) }, { size: 0 })
/** Where the table lies in the long form of the message, and bytes of that form. */
export const NVSP_INDIRECTION_TABLE_OFFSET = 40
export const NVSP_INDIRECTION_TABLE_MESSAGE_BYTES = 104

/** A whole message as 6.1 has it. */
export const nvspMessage = layout(
  'nvsp_message',
  {
    hdr: nvspHeader,
    msg: union({
      init: nvspInit,
      init_complete: nvspInitComplete,
      send_ndis_ver: nvspSendNdisVersion,
      send_recv_buf: nvspSendReceiveBuffer,
      send_recv_buf_complete: nvspSendReceiveBufferComplete,
      revoke_recv_buf: nvspRevokeReceiveBuffer,
      send_send_buf: nvspSendSendBuffer,
      send_send_buf_complete: nvspSendSendBufferComplete,
      revoke_send_buf: nvspRevokeSendBuffer,
      send_rndis_pkt: nvspSendRndisPacket,
      send_rndis_pkt_complete: nvspSendRndisPacketComplete,
      send_ndis_config: nvspSendNdisConfig,
      alloc_rxbuf: nvspAllocRxbuf,
      alloc_rxbuf_comp: nvspAllocRxbufComplete,
      free_rxbuf: nvspFreeRxbuf,
      vf_assoc: nvspVfAssociation,
      active_dp: nvspSwitchDataPath,
      subchn_req: nvspSubchannelRequest,
      subchn_comp: nvspSubchannelComplete,
      send_table: nvspSendIndirectionTable,
      buffer: bytes(36),
    }),
  },
  { size: 40 },
)

/** Bytes of a message up to version 6; on the wire 32. A request shorter than 32 gets no answer from Hyper-V. */
export const NVSP_MESSAGE_BYTES_SHORT = 28

/** Bytes of a message of this version. */
export function nvspMessageBytes(version: number): number {
  return version < NvspVersion.V6_1 ? NVSP_MESSAGE_BYTES_SHORT : nvspMessage.size
}

/** Ids of the shared buffers that guests use. */
export const NVSP_RECEIVE_BUFFER_ID = 0xcafe
export const NVSP_SEND_BUFFER_ID = 0xface
/** Most ranges in one packet from the host: for NDIS 6, and with coalesced segments. */
export const NVSP_MAX_RECEIVE_RANGES = 375
export const NVSP_MAX_RECEIVE_RANGES_RSC = 562
/** Queues of one adapter at most. */
export const NVSP_MAX_CHANNELS = 64
