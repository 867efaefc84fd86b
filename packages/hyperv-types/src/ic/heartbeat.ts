/** Heartbeat: the guest answers with the sequence number plus one. Source: include/linux/hyperv.h. */
import { layout, reserved, u32, u64big } from '../struct/index.ts'

/** Only `seq_num` need be there. */
export const heartbeatMessage = layout(
  'heartbeat_msg_data',
  { seq_num: u64big, application_state: u32, reserved: reserved(28) },
  { size: 40 },
)
/** Bytes of a heartbeat body on the wire today. */
export const HEARTBEAT_BODY_BYTES = 16

export const HeartbeatApplicationState = { UNKNOWN: 0, HEALTHY: 1, CRITICAL: 2, STOPPED: 3 } as const

/** Versions, major << 16 | minor. */
export const HEARTBEAT_1_0 = 0x0001_0000
export const HEARTBEAT_3_0 = 0x0003_0000
