/** SRB status: a code in bits 5:0 and two flags. Sources: OpenVMM scsi_defs srb.rs, drivers/scsi/storvsc_drv.c. */
export const SrbStatus = {
  PENDING: 0x00,
  SUCCESS: 0x01,
  ABORTED: 0x02,
  ABORT_FAILED: 0x03,
  ERROR: 0x04,
  BUSY: 0x05,
  INVALID_REQUEST: 0x06,
  INVALID_PATH_ID: 0x07,
  NO_DEVICE: 0x08,
  TIMEOUT: 0x09,
  SELECTION_TIMEOUT: 0x0a,
  COMMAND_TIMEOUT: 0x0b,
  MESSAGE_REJECTED: 0x0d,
  BUS_RESET: 0x0e,
  PARITY_ERROR: 0x0f,
  REQUEST_SENSE_FAILED: 0x10,
  NO_HBA: 0x11,
  DATA_OVERRUN: 0x12,
  UNEXPECTED_BUS_FREE: 0x13,
  PHASE_SEQUENCE_FAILURE: 0x14,
  BAD_SRB_BLOCK_LENGTH: 0x15,
  REQUEST_FLUSHED: 0x16,
  INVALID_LUN: 0x20,
  INVALID_TARGET_ID: 0x21,
  BAD_FUNCTION: 0x22,
  ERROR_RECOVERY: 0x23,
  NOT_POWERED: 0x24,
  LINK_DOWN: 0x25,
} as const
export type SrbStatus = (typeof SrbStatus)[keyof typeof SrbStatus]

/** The code of a status byte. */
export const SRB_STATUS_MASK = 0x3f
/** A host should never set it: nothing thaws the queue. */
export const SRB_STATUS_QUEUE_FROZEN = 0x40
export const SRB_STATUS_AUTOSENSE_VALID = 0x80

const NAMES = new Map<number, string>(Object.entries(SrbStatus).map(([name, value]) => [value, name]))

/** A status byte for a log line: `ERROR, autosense (0x84)`. */
export function describeSrbStatus(status: number): string {
  const code = NAMES.get(status & SRB_STATUS_MASK) ?? 'unknown status'
  const autosense = (status & SRB_STATUS_AUTOSENSE_VALID) === 0 ? '' : ', autosense'
  const frozen = (status & SRB_STATUS_QUEUE_FROZEN) === 0 ? '' : ', queue frozen'
  return `${code}${autosense}${frozen} (0x${status.toString(16).padStart(2, '0')})`
}
