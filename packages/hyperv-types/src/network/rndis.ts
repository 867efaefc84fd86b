/**
 * RNDIS messages as Hyper-V's network devices use them. A body's offsets to its data count from the body, 8 bytes into
 * the message. Sources: include/linux/rndis.h, drivers/net/hyperv/hyperv_net.h, FreeBSD sys/net/rndis.h,
 * OpenVMM netvsp rndisprot.rs.
 */
import { layout, reserved, u32, union } from '../struct/index.ts'

export const RndisMessageType = {
  PACKET: 0x0000_0001,
  INIT: 0x0000_0002,
  HALT: 0x0000_0003,
  QUERY: 0x0000_0004,
  SET: 0x0000_0005,
  RESET: 0x0000_0006,
  INDICATE: 0x0000_0007,
  KEEPALIVE: 0x0000_0008,
  SET_EX: 0x0000_0009,
  INIT_C: 0x8000_0002,
  QUERY_C: 0x8000_0004,
  SET_C: 0x8000_0005,
  RESET_C: 0x8000_0006,
  KEEPALIVE_C: 0x8000_0008,
  SET_EX_C: 0x8000_0009,
  BUS: 0xff00_0001,
} as const
export type RndisMessageType = (typeof RndisMessageType)[keyof typeof RndisMessageType]

const NAMES = new Map<number, string>(Object.entries(RndisMessageType).map(([name, type]) => [type, name]))

/** A message's name for a log line, whatever its number. */
export function describeRndisMessage(type: number): string {
  return NAMES.get(type) ?? `RNDIS message 0x${type.toString(16)}`
}

export const RNDIS_MAJOR_VERSION = 1
export const RNDIS_MINOR_VERSION = 0

/** In front of every body. `msg_len` includes these bytes. */
export const rndisHeader = layout('rndis_message_header', { ndis_msg_type: u32, msg_len: u32 }, { size: 8 })

export const rndisInitializeRequest = layout(
  'rndis_initialize_request',
  { req_id: u32, major_ver: u32, minor_ver: u32, max_xfer_size: u32 },
  { size: 16 },
)

export const rndisInitializeComplete = layout(
  'rndis_initialize_complete',
  {
    req_id: u32,
    status: u32,
    major_ver: u32,
    minor_ver: u32,
    dev_flags: u32,
    medium: u32,
    max_pkt_per_msg: u32,
    max_xfer_size: u32,
    /** Power of two. */
    pkt_alignment_factor: u32,
    af_list_offset: u32,
    af_list_size: u32,
  },
  { size: 44 },
)
/** `dev_flags` of a connectionless device, `medium` of Ethernet. */
export const RNDIS_DEVICE_CONNECTIONLESS = 1
export const RNDIS_MEDIUM_802_3 = 0

export const rndisHaltRequest = layout('rndis_halt_request', { req_id: u32 }, { size: 4 })

/** `info_buf_offset` is 20 even when there is no data: Hyper-V fails other queries. */
export const rndisQueryRequest = layout(
  'rndis_query_request',
  { req_id: u32, oid: u32, info_buflen: u32, info_buf_offset: u32, dev_vc_handle: u32 },
  { size: 20 },
)

export const rndisQueryComplete = layout(
  'rndis_query_complete',
  { req_id: u32, status: u32, info_buflen: u32, info_buf_offset: u32 },
  { size: 16 },
)

export const rndisSetRequest = layout(
  'rndis_set_request',
  { req_id: u32, oid: u32, info_buflen: u32, info_buf_offset: u32, dev_vc_handle: u32 },
  { size: 20 },
)

export const rndisSetComplete = layout('rndis_set_complete', { req_id: u32, status: u32 }, { size: 8 })

export const rndisResetRequest = layout('rndis_reset_request', { reserved: reserved(4) }, { size: 4 })

/** It carries no request id. */
export const rndisResetComplete = layout('rndis_reset_complete', { status: u32, addressing_reset: u32 }, { size: 8 })

/** `status_buf_offset` counts from `status`. */
export const rndisIndicateStatus = layout(
  'rndis_indicate_status',
  { status: u32, status_buflen: u32, status_buf_offset: u32 },
  { size: 12 },
)

export const rndisKeepaliveRequest = layout('rndis_keepalive_request', { req_id: u32 }, { size: 4 })

export const rndisKeepaliveComplete = layout('rndis_keepalive_complete', { req_id: u32, status: u32 }, { size: 8 })

/** A frame. Offsets count from `data_offset`; a frame may end long before its message does. */
export const rndisPacket = layout(
  'rndis_packet',
  {
    data_offset: u32,
    data_len: u32,
    oob_data_offset: u32,
    oob_data_len: u32,
    num_oob_data_elements: u32,
    per_pkt_info_offset: u32,
    per_pkt_info_len: u32,
    vc_handle: u32,
    reserved: reserved(4),
  },
  { size: 36 },
)

/** A whole message without the data that its body points to. */
export const rndisMessage = layout(
  'rndis_message',
  {
    ndis_msg_type: u32,
    msg_len: u32,
    msg: union({
      pkt: rndisPacket,
      init_req: rndisInitializeRequest,
      halt_req: rndisHaltRequest,
      query_req: rndisQueryRequest,
      set_req: rndisSetRequest,
      reset_req: rndisResetRequest,
      keep_alive_req: rndisKeepaliveRequest,
      indicate_status: rndisIndicateStatus,
      init_complete: rndisInitializeComplete,
      query_complete: rndisQueryComplete,
      set_complete: rndisSetComplete,
      reset_complete: rndisResetComplete,
      keep_alive_complete: rndisKeepaliveComplete,
    }),
  },
  { size: 52 },
)

/** Bytes in front of the body, and bytes of a PACKET message in front of its per-packet information. */
export const RNDIS_HEADER_BYTES = rndisHeader.size
export const RNDIS_PACKET_HEADER_BYTES = rndisHeader.size + rndisPacket.size
/** `info_buf_offset` of QUERY and SET, and of QUERY_C. */
export const RNDIS_REQUEST_DATA_OFFSET = rndisSetRequest.size
export const RNDIS_QUERY_COMPLETE_DATA_OFFSET = rndisQueryComplete.size

/** Statuses; guests only look for SUCCESS. */
export const RndisStatus = {
  SUCCESS: 0x0000_0000,
  PENDING: 0x0000_0103,
  NOT_RECOGNIZED: 0x0001_0001,
  MEDIA_CONNECT: 0x4001_000b,
  MEDIA_DISCONNECT: 0x4001_000c,
  /** Data: u32 in units of 100 bit/s. */
  LINK_SPEED_CHANGE: 0x4001_0013,
  /** Data: u32, see `NetworkChange`. */
  NETWORK_CHANGE: 0x4001_0018,
  /** Data: NDIS_OFFLOAD. */
  TASK_OFFLOAD_CURRENT_CONFIG: 0x4002_0006,
  BUFFER_OVERFLOW: 0x8000_0005,
  FAILURE: 0xc000_0001,
  RESOURCES: 0xc000_009a,
  NOT_SUPPORTED: 0xc000_00bb,
  BAD_VERSION: 0xc001_0004,
  MULTICAST_FULL: 0xc001_0009,
  MULTICAST_EXISTS: 0xc001_000a,
  MULTICAST_NOT_FOUND: 0xc001_000b,
  INVALID_LENGTH: 0xc001_0014,
  INVALID_DATA: 0xc001_0015,
  BUFFER_TOO_SHORT: 0xc001_0016,
  INVALID_OID: 0xc001_0017,
} as const

export const NetworkChange = { POSSIBLE: 1, DEFINITE: 2, FROM_MEDIA: 3 } as const

/** In front of the name and value of a configuration parameter (OID RNDIS_CONFIG_PARAMETER). */
export const rndisConfigParameter = layout(
  'rndis_config_parameter_info',
  {
    parameter_name_offset: u32,
    parameter_name_length: u32,
    parameter_type: u32,
    parameter_value_offset: u32,
    parameter_value_length: u32,
  },
  { size: 20 },
)
export const RndisParameterType = { INTEGER: 0, HEX_INTEGER: 1, STRING: 2, MULTI_STRING: 3 } as const
