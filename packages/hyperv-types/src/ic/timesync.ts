/**
 * Time synchronisation. Times are in 100 ns; the parent's counts from 1601-01-01 UTC.
 * Sources: include/linux/hyperv.h, FreeBSD vmbus_timesync.c, OpenVMM timesync.rs.
 */
import { layout, reserved, u8, u64, u64big } from '../struct/index.ts'

/** Before 4.0. */
export const timesyncMessage = layout(
  'ictimesync_data',
  { parenttime: u64big, childtime: u64big, roundtriptime: u64, flags: u8 },
  { size: 25 },
)

/** From 4.0 on: where the reference counter stood when the parent took its time. */
export const timesyncReferenceMessage = layout(
  'ictimesync_ref_data',
  { parenttime: u64big, vmreferencetime: u64big, flags: u8, leapflags: u8, stratum: u8, reserved: reserved(3) },
  { size: 22 },
)
/** Shortest and longest body seen from 4.0 on: up to the flags, and padded as OpenVMM sends it. */
export const TIMESYNC_REFERENCE_MIN_BYTES = 17
export const TIMESYNC_REFERENCE_SENT_BYTES = 24

export const TimesyncFlag = { PROBE: 0, SYNC: 1, SAMPLE: 2 } as const

/** 1601-01-01 to 1970-01-01, in 100 ns. */
export const EPOCH_1601_TO_1970 = 116_444_736_000_000_000n

/** Versions, major << 16 | minor. */
export const TIMESYNC_1_0 = 0x0001_0000
export const TIMESYNC_3_0 = 0x0003_0000
export const TIMESYNC_4_0 = 0x0004_0000
