/**
 * SynIC pages: each virtual processor has one page of 16 message slots and one of 16 × 2048 event flags, a slot and a
 * row of flags for each SINT. Sources: include/asm-generic/hyperv-tlfs.h, OpenVMM hvdef.
 */
import { array, bits, bytes, layout, reserved, u8, u32, u64 } from '../struct/index.ts'
import { HV_MESSAGE_PAYLOAD_BYTES } from './hypercall.ts'
import { SINT_COUNT } from './msr.ts'

export const SynicMessageType = {
  /** The slot is free. */
  NONE: 0,
  /** A VMBus control message. */
  VMBUS: 1,
  UNMAPPED_GPA: 0x8000_0000,
  GPA_INTERCEPT: 0x8000_0001,
  TIMER_EXPIRED: 0x8000_0010,
  INVALID_VP_REGISTER_VALUE: 0x8000_0020,
  UNRECOVERABLE_EXCEPTION: 0x8000_0021,
  UNSUPPORTED_FEATURE: 0x8000_0022,
  EVENTLOG_BUFFERCOMPLETE: 0x8000_0040,
  X64_IOPORT_INTERCEPT: 0x8001_0000,
  X64_MSR_INTERCEPT: 0x8001_0001,
  X64_CPUID_INTERCEPT: 0x8001_0002,
  X64_EXCEPTION_INTERCEPT: 0x8001_0003,
  X64_APIC_EOI: 0x8001_0004,
  X64_LEGACY_FP_ERROR: 0x8001_0005,
} as const

export const synicMessageHeader = layout(
  'hv_message_header',
  {
    message_type: u32,
    /** At most 240. */
    payload_size: u8,
    /** `msg_pending`: more wait for this slot; write EOM when it is free. */
    message_flags: bits(1, { msg_pending: 0 }),
    reserved: reserved(2),
    /** Partition id, or in the low 24 bits a port id. */
    sender: u64,
  },
  { size: 16 },
)

export const synicMessage = layout(
  'hv_message',
  { header: synicMessageHeader, payload: bytes(HV_MESSAGE_PAYLOAD_BYTES) },
  { size: 256 },
)

/** Slot n belongs to SINT n. */
export const synicMessagePage = layout(
  'hv_message_page',
  { sint_message: array(synicMessage, SINT_COUNT) },
  { size: 4096 },
)

export const EVENT_FLAGS_PER_SINT = 2048
/** Bytes of one SINT's flags. */
export const EVENT_FLAGS_BYTES = EVENT_FLAGS_PER_SINT / 8

/** Payload of a TIMER_EXPIRED message; times in 100 ns. */
export const timerMessage = layout(
  'hv_timer_message',
  { timer_index: u32, reserved: reserved(4), expiration_time: u64, delivery_time: u64 },
  { size: 24 },
)
