/**
 * vmbus-user, version 1: the SynIC ports of a partition as frames, so that a root in another thread or process can use
 * them. The partition connects, the root listens; memory is shared by file and never passes through here.
 */
import { layout, reserved, u16, u32, u64 } from '../struct/index.ts'

/** `VMBU` in HELLO and HELLO_ACK. */
export const VMBUS_USER_MAGIC = 0x5542_4d56
export const VMBUS_USER_VERSION = 1
/** Most bytes of a frame behind its header. */
export const MAX_FRAME_PAYLOAD = 65_536

/** P→R from the partition to the root, R→P from the root to the partition. */
export const FrameType = {
  /** P→R */
  HELLO: 0x01,
  /** R→P */
  HELLO_ACK: 0x02,
  /** P→R */
  MEMORY: 0x03,
  /** R→P */
  MEMORY_ACK: 0x04,
  /** P→R */
  POST_MESSAGE: 0x10,
  /** P→R */
  SIGNAL_EVENT: 0x11,
  /** R→P */
  MESSAGE: 0x20,
  /** R→P */
  EVENT: 0x21,
  /** P→R */
  RESET: 0x30,
  /** Both; who sends it closes. */
  ERROR: 0x7f,
} as const

/** `result` of HELLO_ACK and MEMORY_ACK, `code` of ERROR. */
export const ResultCode = {
  OK: 0,
  VERSION_NOT_SUPPORTED: 1,
  BAD_FRAME: 2,
  MEMORY_NOT_MAPPED: 3,
  BAD_ADDRESS: 4,
} as const
export type ResultCode = (typeof ResultCode)[keyof typeof ResultCode]

export const frameHeader = layout(
  'frame_header',
  { payload_length: u32, type: u16, reserved: reserved(2) },
  { size: 8 },
)

export const helloFrame = layout(
  'hello',
  { magic: u32, version: u32, processor_count: u32, reserved: reserved(4) },
  { size: 16 },
)

export const helloAckFrame = layout(
  'hello_ack',
  { magic: u32, version: u32, result: u32, reserved: reserved(4) },
  { size: 16 },
)

/** Followed by the regions. */
export const memoryFrame = layout('memory', { region_count: u32, reserved: reserved(4) }, { size: 8 })

/** Followed by the path in UTF-8, padded with zeros to a multiple of 8. */
export const memoryRegionRecord = layout(
  'memory_region',
  { guest_physical_address: u64, region_size: u64, file_offset: u64, path_length: u32, reserved: reserved(4) },
  { size: 32 },
)

export const memoryAckFrame = layout('memory_ack', { result: u32, reserved: reserved(4) }, { size: 8 })

/** Followed by the payload, at most 240 bytes. */
export const postMessageFrame = layout(
  'post_message',
  { connection_id: u32, message_type: u32, virtual_processor: u32, payload_size: u32 },
  { size: 16 },
)

export const signalEventFrame = layout(
  'signal_event',
  { connection_id: u32, event_flag: u16, virtual_processor: u16 },
  { size: 8 },
)

/** Followed by the payload, at most 240 bytes. */
export const messageFrame = layout(
  'message',
  { virtual_processor: u32, sint: u32, message_type: u32, payload_size: u32 },
  { size: 16 },
)

export const eventFrame = layout(
  'event',
  { virtual_processor: u32, sint: u32, event_flag: u32, reserved: reserved(4) },
  { size: 16 },
)

/** Followed by the text in UTF-8. */
export const errorFrame = layout('error', { code: u32, text_length: u32 }, { size: 8 })
