/**
 * Packets in a ring: descriptor, header of their type, data, padding to 8 bytes, 8 bytes of trailer.
 * Sources: include/linux/hyperv.h, FreeBSD vmbus_reg.h, OpenVMM vmbus_ring.
 */
import { layout, reserved, rest, u8, u16, u32, u64 } from '../struct/index.ts'

export const PacketType = {
  INVALID: 0,
  SYNCH: 1,
  ADD_XFER_PAGESET: 2,
  RM_XFER_PAGESET: 3,
  ESTABLISH_GPADL: 4,
  TEARDOWN_GPADL: 5,
  DATA_INBAND: 6,
  DATA_USING_XFER_PAGES: 7,
  DATA_USING_GPADL: 8,
  DATA_USING_GPA_DIRECT: 9,
  CANCEL_REQUEST: 10,
  COMPLETION: 11,
  DATA_USING_ADDITIONAL_PKT: 12,
  ADDITIONAL_DATA: 13,
} as const
export type PacketType = (typeof PacketType)[keyof typeof PacketType]

/** `flags` bit 0 of a descriptor: the sender wants a completion. */
export const PACKET_FLAG_COMPLETION_REQUESTED = 1

/** Lengths and offsets of a descriptor count units of 8 bytes; `len8` leaves the trailer out. */
export const packetDescriptor = layout(
  'vmpacket_descriptor',
  { type: u16, offset8: u16, len8: u16, flags: u16, trans_id: u64 },
  { size: 16 },
)

/** Bytes behind every packet, low word 0, high word the write index where the packet began; readers skip them. */
export const PACKET_TRAILER_BYTES = 8
/** The longest packet that `len8` can say, trailer not counted. */
export const MAX_PACKET_BYTES = 0xffff * 8

/** Type 9. Ranges (gpa-range.ts) follow, back to back; the data begins at `offset8` × 8. `reserved` may hold garbage. */
export const gpaDirectHeader = layout(
  'vmbus_packet_gpa_direct',
  { d: packetDescriptor, reserved: reserved(4), rangecount: u32 },
  { size: 24 },
)

/** A part of a shared buffer that a type 7 packet points to. */
export const transferPageRange = layout('vmtransfer_page_range', { byte_count: u32, byte_offset: u32 }, { size: 8 })

/** Type 7: the data lies in a buffer that both sides know by `xfer_pageset_id`. Bytes 18 and 19 may hold garbage. */
export const transferPageHeader = layout(
  'vmtransfer_page_packet_header',
  {
    d: packetDescriptor,
    xfer_pageset_id: u16,
    sender_owns_set: u8,
    reserved: reserved(1),
    range_cnt: u32,
    ranges: rest(transferPageRange),
  },
  { size: 24 },
)

/** In front of the data on pipe channels (all integration components, keyboard, mouse, video, hvsock). */
export const pipeHeader = layout(
  'vmpipe_proto_header',
  {
    pkt_type: u32,
    /** Exact bytes of data: the descriptor only knows the padded length. */
    data_size: u32,
  },
  { size: 8 },
)

export const PipePacketType = { DATA: 1, PARTIAL: 2, SETUP_GPA_DIRECT: 3, TEARDOWN_GPA_DIRECT: 4 } as const

/** Most data that a pipe packet carries. */
export const MAX_PIPE_DATA_BYTES = 16_384
