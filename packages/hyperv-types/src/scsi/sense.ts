/** Sense data. Source: SPC-4. */
import { layout, u8, u16be, u32be } from '../struct/index.ts'

/** Fixed format, 18 bytes; all that Hyper-V hosts send. */
export const fixedSense = layout(
  'fixed_sense',
  {
    /** 0x70 for the current command, 0x71 for an earlier one; bit 7 when `information` is valid. */
    response_code: u8,
    segment: u8,
    /** Sense key in bits 3:0. */
    sense_key: u8,
    information: u32be,
    /** 10: the bytes behind this one. */
    additional_length: u8,
    command_specific: u32be,
    asc: u8,
    ascq: u8,
    fru: u8,
    /** Bit 7: the next fields are valid; bit 6: they point into the CDB; bit 3: bits 2:0 name a bit. */
    sense_key_specific: u8,
    field_pointer: u16be,
  },
  { size: 18 },
)
export const SENSE_RESPONSE_CURRENT = 0x70
export const SENSE_RESPONSE_DEFERRED = 0x71
export const SENSE_ADDITIONAL_LENGTH = 10

export const SenseKey = {
  NO_SENSE: 0x0,
  RECOVERED_ERROR: 0x1,
  NOT_READY: 0x2,
  MEDIUM_ERROR: 0x3,
  HARDWARE_ERROR: 0x4,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  DATA_PROTECT: 0x7,
  BLANK_CHECK: 0x8,
  VENDOR_SPECIFIC: 0x9,
  COPY_ABORTED: 0xa,
  ABORTED_COMMAND: 0xb,
  VOLUME_OVERFLOW: 0xd,
  MISCOMPARE: 0xe,
  COMPLETED: 0xf,
} as const
export type SenseKey = (typeof SenseKey)[keyof typeof SenseKey]

/** Key, additional code and qualifier. */
export interface SenseCode {
  readonly key: SenseKey
  readonly asc: number
  readonly ascq: number
}

function code(key: SenseKey, asc: number, ascq: number): SenseCode {
  return Object.freeze({ key, asc, ascq })
}

const { NOT_READY, MEDIUM_ERROR, ILLEGAL_REQUEST, UNIT_ATTENTION, DATA_PROTECT, ABORTED_COMMAND, MISCOMPARE } = SenseKey

/** What a disk or DVD says, under the names of the standard. */
export const Sense = {
  NO_SENSE: code(SenseKey.NO_SENSE, 0x00, 0x00),
  LOGICAL_UNIT_BECOMING_READY: code(NOT_READY, 0x04, 0x01),
  INITIALIZING_COMMAND_REQUIRED: code(NOT_READY, 0x04, 0x02),
  MEDIUM_NOT_PRESENT_TRAY_CLOSED: code(NOT_READY, 0x3a, 0x01),
  MEDIUM_NOT_PRESENT_TRAY_OPEN: code(NOT_READY, 0x3a, 0x02),
  MEDIUM_ERROR: code(MEDIUM_ERROR, 0x00, 0x00),
  PERIPHERAL_DEVICE_WRITE_FAULT: code(MEDIUM_ERROR, 0x03, 0x00),
  LOGICAL_BLOCK_GUARD_CHECK_FAILED: code(MEDIUM_ERROR, 0x10, 0x01),
  UNRECOVERED_READ_ERROR: code(MEDIUM_ERROR, 0x11, 0x00),
  PARAMETER_LIST_LENGTH_ERROR: code(ILLEGAL_REQUEST, 0x1a, 0x00),
  INVALID_COMMAND_OPERATION_CODE: code(ILLEGAL_REQUEST, 0x20, 0x00),
  LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE: code(ILLEGAL_REQUEST, 0x21, 0x00),
  INVALID_FIELD_IN_CDB: code(ILLEGAL_REQUEST, 0x24, 0x00),
  LOGICAL_UNIT_NOT_SUPPORTED: code(ILLEGAL_REQUEST, 0x25, 0x00),
  INVALID_FIELD_IN_PARAMETER_LIST: code(ILLEGAL_REQUEST, 0x26, 0x00),
  INVALID_RELEASE_OF_PERSISTENT_RESERVATION: code(ILLEGAL_REQUEST, 0x26, 0x04),
  SAVING_PARAMETERS_NOT_SUPPORTED: code(ILLEGAL_REQUEST, 0x39, 0x00),
  MEDIUM_REMOVAL_PREVENTED: code(ILLEGAL_REQUEST, 0x53, 0x02),
  MEDIUM_MAY_HAVE_CHANGED: code(UNIT_ATTENTION, 0x28, 0x00),
  POWER_ON_OR_RESET: code(UNIT_ATTENTION, 0x29, 0x00),
  POWER_ON: code(UNIT_ATTENTION, 0x29, 0x01),
  BUS_RESET: code(UNIT_ATTENTION, 0x29, 0x02),
  MODE_PARAMETERS_CHANGED: code(UNIT_ATTENTION, 0x2a, 0x01),
  RESERVATIONS_PREEMPTED: code(UNIT_ATTENTION, 0x2a, 0x03),
  RESERVATIONS_RELEASED: code(UNIT_ATTENTION, 0x2a, 0x04),
  REGISTRATIONS_PREEMPTED: code(UNIT_ATTENTION, 0x2a, 0x05),
  CAPACITY_DATA_HAS_CHANGED: code(UNIT_ATTENTION, 0x2a, 0x09),
  THIN_PROVISIONING_SOFT_THRESHOLD_REACHED: code(UNIT_ATTENTION, 0x38, 0x07),
  TARGET_OPERATING_CONDITIONS_CHANGED: code(UNIT_ATTENTION, 0x3f, 0x00),
  CHANGED_OPERATING_DEFINITION: code(UNIT_ATTENTION, 0x3f, 0x02),
  INQUIRY_DATA_HAS_CHANGED: code(UNIT_ATTENTION, 0x3f, 0x03),
  REPORTED_LUNS_DATA_HAS_CHANGED: code(UNIT_ATTENTION, 0x3f, 0x0e),
  WRITE_PROTECTED: code(DATA_PROTECT, 0x27, 0x00),
  LOGICAL_UNIT_SOFTWARE_WRITE_PROTECTED: code(DATA_PROTECT, 0x27, 0x02),
  SPACE_ALLOCATION_FAILED_WRITE_PROTECT: code(DATA_PROTECT, 0x27, 0x07),
  ABORTED_COMMAND: code(ABORTED_COMMAND, 0x00, 0x00),
  MISCOMPARE_DURING_VERIFY: code(MISCOMPARE, 0x1d, 0x00),
} as const

const CODE_NAMES = new Map<number, string>(
  Object.entries(Sense).map(([name, { key, asc, ascq }]) => [(key << 16) | (asc << 8) | ascq, words(name)]),
)
const KEY_NAMES = new Map<number, string>(Object.entries(SenseKey).map(([name, key]) => [key, words(name)]))

function words(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ')
}

/** Sense for a log line: `unit attention 2a/09 (capacity data has changed)`. */
export function describeSense(key: number, asc: number, ascq: number): string {
  const hex = `${asc.toString(16).padStart(2, '0')}/${ascq.toString(16).padStart(2, '0')}`
  const name = CODE_NAMES.get((key << 16) | (asc << 8) | ascq)
  return `${KEY_NAMES.get(key) ?? `sense key ${key}`} ${hex}${name === undefined ? '' : ` (${name})`}`
}

/** The 18 bytes of fixed sense of a failed command. */
export function encodeSense(sense: SenseCode): Uint8Array {
  return fixedSense.encode({
    response_code: SENSE_RESPONSE_CURRENT,
    segment: 0,
    sense_key: sense.key,
    information: 0,
    additional_length: SENSE_ADDITIONAL_LENGTH,
    command_specific: 0,
    asc: sense.asc,
    ascq: sense.ascq,
    fru: 0,
    sense_key_specific: 0,
    field_pointer: 0,
  })
}
