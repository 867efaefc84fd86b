/**
 * Control messages. Each begins with an 8-byte header; the longest form of a message is declared, and the message table
 * says how much of it each version sends.
 * Sources: drivers/hv/hyperv_vmbus.h and include/linux/hyperv.h (types 1 to 17 and 21 to 24), FreeBSD vmbus_reg.h,
 * OpenVMM vmbus_core protocol.rs (18 to 20, 25 to 29, and what 6.0 appends).
 */
import { at, bits, bytes, guid, layout, reserved, restBytes, u8, u16, u32, u64, union } from '../struct/index.ts'

export const messageHeader = layout('vmbus_channel_message_header', { msgtype: u32, padding: reserved(4) }, { size: 8 })

const header = messageHeader

/** A message of nothing but its type: 3, 4, 16, 17, 27, 28 and 29. */
export const headerOnly = layout('vmbus_channel_message', { header }, { size: 8 })

/** What an offer says of the device; 120 user-defined bytes that the device class gives a meaning. */
export const channelOffer = layout(
  'vmbus_channel_offer',
  {
    if_type: guid,
    if_instance: guid,
    reserved1: reserved(8),
    reserved2: reserved(8),
    chn_flags: u16,
    mmio_megabytes: u16,
    user_def: bytes(120),
    sub_channel_index: u16,
    reserved3: reserved(2),
  },
  { size: 176 },
)

/** 1, h→g. Before 1.1 it ends behind `monitor`: 190 bytes. */
export const offerChannel = layout(
  'vmbus_channel_offer_channel',
  {
    header,
    offer: channelOffer,
    child_relid: u32,
    monitorid: u8,
    monitor: bits(1, { monitor_allocated: 0 }),
    interrupt: bits(2, { is_dedicated_interrupt: 0 }),
    connection_id: u32,
  },
  { size: 196 },
)

/** 2, h→g. */
export const rescindOffer = layout('vmbus_channel_rescind_offer', { header, child_relid: u32 }, { size: 12 })

/** 5, g→h. What lies behind `userdata` is sent when feature 0x1 or 0x2 was negotiated. */
export const openChannel = layout(
  'vmbus_channel_open_channel',
  {
    header,
    child_relid: u32,
    openid: u32,
    ringbuffer_gpadlhandle: u32,
    target_vp: u32,
    /** Where the host-to-guest ring begins, in pages: the pages of the guest-to-host ring. */
    downstream_ringbuffer_pageoffset: u32,
    userdata: bytes(120),
    signal_connection_id: u32,
    event_flag: u16,
    flags: bits(2, { redirect_interrupt: 0 }),
  },
  { size: 156 },
)

/** 6, h→g. */
export const openResult = layout(
  'vmbus_channel_open_result',
  { header, child_relid: u32, openid: u32, status: u32 },
  { size: 20 },
)

/** 7, g→h; it has no answer. */
export const closeChannel = layout('vmbus_channel_close_channel', { header, child_relid: u32 }, { size: 12 })

/** 8, g→h. `range` is the beginning of the range list (see gpa-range.ts), as much as fits in one message. */
export const gpadlHeader = layout(
  'vmbus_channel_gpadl_header',
  { header, child_relid: u32, gpadl: u32, range_buflen: u16, rangecount: u16, range: restBytes },
  { size: 20 },
)

/** 9, g→h. `pfn` continues the range list; bodies carry no channel id, and `msgnumber` is 0 in every guest. */
export const gpadlBody = layout(
  'vmbus_channel_gpadl_body',
  { header, msgnumber: u32, gpadl: u32, pfn: restBytes },
  { size: 16 },
)

/** 10, h→g. */
export const gpadlCreated = layout(
  'vmbus_channel_gpadl_created',
  { header, child_relid: u32, gpadl: u32, creation_status: u32 },
  { size: 20 },
)

/** 11, g→h. */
export const gpadlTeardown = layout(
  'vmbus_channel_gpadl_teardown',
  { header, child_relid: u32, gpadl: u32 },
  { size: 16 },
)

/** 12, h→g: the host will not touch the memory again. */
export const gpadlTorndown = layout('vmbus_channel_gpadl_torndown', { header, gpadl: u32 }, { size: 12 })

/** 13, g→h: the host may use the id again. */
export const relidReleased = layout('vmbus_channel_relid_released', { header, child_relid: u32 }, { size: 12 })

/** What takes the place of the interrupt page in INITIATE_CONTACT from 5.0 on. */
export const contactTarget = layout(
  'initiate_contact_target',
  {
    msg_sint: u8,
    /** From 5.1 on. */
    target_vtl: u8,
    padding: reserved(2),
    /** From 6.0 on. */
    feature_flags: u32,
  },
  { size: 8 },
)

/** 14, g→h. The client id is sent when feature 0x8 is asked for. */
export const initiateContact = layout(
  'vmbus_channel_initiate_contact',
  {
    header,
    vmbus_version_requested: u32,
    target_vcpu: u32,
    /** `interrupt_page` (a guest-physical address) before 5.0, `target` from then on. */
    interrupt: union({ interrupt_page: u64, target: contactTarget }),
    /** Host to guest. Both monitor pages are given, or neither. */
    monitor_page1: u64,
    /** Guest to host. */
    monitor_page2: u64,
    client_id: guid,
  },
  { size: 56 },
)

/** 15, h→g. */
export const versionResponse = layout(
  'vmbus_channel_version_response',
  {
    header,
    version_supported: u8,
    connection_state: u8,
    padding: reserved(2),
    /** The selected version before 5.0, the connection id of later control messages from 5.0 on. */
    msg_conn_id: u32,
    /** From 6.0 on. */
    supported_features: u32,
    /** With SERVER_SPECIFIED_MONITOR_PAGES. */
    monitor_page1: at(24, u64),
    monitor_page2: u64,
  },
  { size: 40 },
)

/** 18, g→h: a channel opened by firmware outside the offers. */
export const openReservedChannel = layout(
  'open_reserved_channel',
  {
    header,
    child_relid: u32,
    target_vp: u32,
    target_sint: u32,
    ringbuffer_gpadlhandle: u32,
    downstream_ringbuffer_pageoffset: u32,
  },
  { size: 28 },
)

/** 19, g→h. */
export const closeReservedChannel = layout(
  'close_reserved_channel',
  { header, child_relid: u32, target_vp: u32, target_sint: u32 },
  { size: 20 },
)

/** 20, h→g. */
export const closeReservedChannelResponse = layout(
  'close_reserved_channel_response',
  { header, child_relid: u32 },
  { size: 12 },
)

/** 21, g→h: connect to an hvsock service of the host. The silo id may be left out. */
export const tlConnectRequest = layout(
  'vmbus_channel_tl_connect_request',
  { header, guest_endpoint_id: guid, host_service_id: guid, silo_id: guid },
  { size: 56 },
)

/** 22, g→h. */
export const modifyChannel = layout(
  'vmbus_channel_modifychannel',
  { header, child_relid: u32, target_vp: u32 },
  { size: 16 },
)

/** 23, h→g: the connect request failed. Success is an offer. */
export const tlConnectResult = layout(
  'tl_connect_result',
  { header, guest_endpoint_id: guid, host_service_id: guid, status: u32 },
  { size: 44 },
)

/** 24, h→g. */
export const modifyChannelResponse = layout(
  'vmbus_channel_modifychannel_response',
  { header, child_relid: u32, status: u32 },
  { size: 16 },
)

/** 25, g→h: new monitor pages, or none. */
export const modifyConnection = layout(
  'modify_connection',
  { header, monitor_page1: u64, monitor_page2: u64 },
  { size: 24 },
)

/** 26, h→g. */
export const modifyConnectionResponse = layout(
  'modify_connection_response',
  { header, connection_state: u8 },
  { size: 9 },
)

/** The longest control message: the payload of one SynIC message. */
export const MAX_CONTROL_MESSAGE_BYTES = 240
/** Bytes of the range list that fit in a GPADL_HEADER: the range's own 8 and 26 page numbers. */
export const GPADL_HEADER_RANGE_BYTES = 8 + 26 * 8
/** Bytes of the range list that fit in a GPADL_BODY: 28 page numbers. */
export const GPADL_BODY_PFN_BYTES = 28 * 8
/** A range list is at most this long, because `range_buflen` has 16 bits and pages are listed in 8 bytes each. */
export const MAX_GPADL_RANGE_BYTES = 65_528
