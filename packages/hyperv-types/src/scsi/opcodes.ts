/** SCSI operation codes. Sources: SPC-4, SBC-3, MMC-6. */
export const ScsiOpcode = {
  TEST_UNIT_READY: 0x00,
  REQUEST_SENSE: 0x03,
  FORMAT_UNIT: 0x04,
  READ_6: 0x08,
  WRITE_6: 0x0a,
  SEEK_6: 0x0b,
  INQUIRY: 0x12,
  MODE_SELECT_6: 0x15,
  RESERVE_6: 0x16,
  RELEASE_6: 0x17,
  MODE_SENSE_6: 0x1a,
  START_STOP_UNIT: 0x1b,
  SEND_DIAGNOSTIC: 0x1d,
  PREVENT_ALLOW_MEDIUM_REMOVAL: 0x1e,
  SET_WINDOW: 0x24,
  READ_CAPACITY_10: 0x25,
  READ_10: 0x28,
  WRITE_10: 0x2a,
  SEEK_10: 0x2b,
  WRITE_AND_VERIFY_10: 0x2e,
  VERIFY_10: 0x2f,
  SYNCHRONIZE_CACHE_10: 0x35,
  WRITE_SAME_10: 0x41,
  UNMAP: 0x42,
  READ_TOC: 0x43,
  GET_CONFIGURATION: 0x46,
  GET_EVENT_STATUS_NOTIFICATION: 0x4a,
  READ_DISC_INFORMATION: 0x51,
  READ_TRACK_INFORMATION: 0x52,
  MODE_SELECT_10: 0x55,
  MODE_SENSE_10: 0x5a,
  PERSISTENT_RESERVE_IN: 0x5e,
  PERSISTENT_RESERVE_OUT: 0x5f,
  ATA_PASS_THROUGH_16: 0x85,
  READ_16: 0x88,
  WRITE_16: 0x8a,
  WRITE_AND_VERIFY_16: 0x8e,
  VERIFY_16: 0x8f,
  SYNCHRONIZE_CACHE_16: 0x91,
  WRITE_SAME_16: 0x93,
  SERVICE_ACTION_IN_16: 0x9e,
  REPORT_LUNS: 0xa0,
  ATA_PASS_THROUGH_12: 0xa1,
  MAINTENANCE_IN: 0xa3,
  READ_12: 0xa8,
  WRITE_12: 0xaa,
  GET_PERFORMANCE: 0xac,
  READ_DVD_STRUCTURE: 0xad,
  WRITE_AND_VERIFY_12: 0xae,
  VERIFY_12: 0xaf,
  SET_STREAMING: 0xb6,
  MECHANISM_STATUS: 0xbd,
} as const
export type ScsiOpcode = (typeof ScsiOpcode)[keyof typeof ScsiOpcode]

/** Service actions of SERVICE_ACTION_IN_16, bits 4:0 of byte 1. */
export const ServiceActionIn16 = { READ_CAPACITY_16: 0x10, GET_LBA_STATUS: 0x12 } as const
/** Service actions of MAINTENANCE_IN. */
export const MaintenanceIn = { REPORT_SUPPORTED_OPERATION_CODES: 0x0c } as const
/** Service actions of PERSISTENT_RESERVE_IN. */
export const PersistentReserveIn = {
  READ_KEYS: 0,
  READ_RESERVATION: 1,
  REPORT_CAPABILITIES: 2,
  READ_FULL_STATUS: 3,
} as const
/** Service actions of PERSISTENT_RESERVE_OUT. */
export const PersistentReserveOut = {
  REGISTER: 0,
  RESERVE: 1,
  RELEASE: 2,
  CLEAR: 3,
  PREEMPT: 4,
  PREEMPT_AND_ABORT: 5,
  REGISTER_AND_IGNORE_EXISTING_KEY: 6,
} as const

/** Bytes of a command by the group of its operation code, or undefined for groups without a fixed length. */
export function cdbLength(opcode: number): 6 | 10 | 12 | 16 | undefined {
  return ([6, 10, 10, undefined, 16, 12, undefined, undefined] as const)[(opcode >>> 5) & 7]
}

const NAMES = new Map<number, string>(
  Object.entries(ScsiOpcode).map(([name, value]) => [
    value,
    name.replace(/_(6|10|12|16)$/, '($1)').replaceAll('_', ' '),
  ]),
)

/** A command for a log line: `READ(10)`. */
export function describeOpcode(opcode: number): string {
  return NAMES.get(opcode) ?? `command 0x${opcode.toString(16).padStart(2, '0')}`
}
