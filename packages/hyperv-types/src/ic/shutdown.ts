/** Shutdown: answer first, then act. Source: include/linux/hyperv.h, OpenVMM hyperv_ic_protocol shutdown.rs. */
import { layout, u32, utf16 } from '../struct/index.ts'

export const shutdownMessage = layout(
  'shutdown_msg_data',
  {
    /** As Windows' SHTDN_REASON; bit 31: planned. */
    reason_code: u32,
    timeout_seconds: u32,
    flags: u32,
    display_message: utf16(1024),
  },
  { size: 2060 },
)
/** Bytes in front of the display message: a guest may act on these. */
export const SHUTDOWN_FIXED_BYTES = shutdownMessage.display_message.offset

export const ShutdownFlag = { FORCE: 1, RESTART: 2, HIBERNATE: 4 } as const
export const SHUTDOWN_REASON_PLANNED = 0x8000_0000

/** Versions, major << 16 | minor. */
export const SHUTDOWN_1_0 = 0x0001_0000
export const SHUTDOWN_3_0 = 0x0003_0000
export const SHUTDOWN_3_1 = 0x0003_0001
export const SHUTDOWN_3_2 = 0x0003_0002
