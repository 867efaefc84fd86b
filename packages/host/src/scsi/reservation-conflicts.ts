import { ScsiOpcode } from '@bis/hyperv-types/scsi'
import type { ScsiRequest } from './request.ts'

/** Commands that a reservation never stops. Those of reservations themselves have their own rules. */
const ALWAYS: ReadonlySet<number> = new Set([
  ScsiOpcode.TEST_UNIT_READY,
  ScsiOpcode.REQUEST_SENSE,
  ScsiOpcode.INQUIRY,
  ScsiOpcode.READ_CAPACITY_10,
  ScsiOpcode.REPORT_LUNS,
  ScsiOpcode.PERSISTENT_RESERVE_IN,
  ScsiOpcode.PERSISTENT_RESERVE_OUT,
])

/** Commands that only look: stopped by exclusive access, not by write exclusive. */
const READING: ReadonlySet<number> = new Set([
  ScsiOpcode.READ_6,
  ScsiOpcode.READ_10,
  ScsiOpcode.READ_12,
  ScsiOpcode.READ_16,
  ScsiOpcode.VERIFY_10,
  ScsiOpcode.VERIFY_12,
  ScsiOpcode.VERIFY_16,
  ScsiOpcode.MODE_SENSE_6,
  ScsiOpcode.MODE_SENSE_10,
])

const READ_CAPACITY_16 = 0x10

/**
 * Whether a command from an initiator that does not hold the reservation ends in RESERVATION CONFLICT.
 * Source: SPC-4 table 67, SBC-3 table 13.
 */
export function isConflict(request: ScsiRequest, type: number, registered: boolean): boolean {
  const { opcode } = request
  if (ALWAYS.has(opcode)) return false
  if (opcode === ScsiOpcode.SERVICE_ACTION_IN_16 && (request.byte(1) & 0x1f) === READ_CAPACITY_16) return false
  if (opcode === ScsiOpcode.START_STOP_UNIT && (request.byte(4) & 0xf1) === 1) return false
  if (opcode === ScsiOpcode.PREVENT_ALLOW_MEDIUM_REMOVAL && (request.byte(4) & 3) === 0) return false
  const registrantsMay = type >= 5
  if (registrantsMay && registered) return false
  // Odd types up to 7 exclude writers only; 3, 6 and 8 exclude everybody.
  const writeExclusive = type === 1 || type === 5 || type === 7
  return !(writeExclusive && READING.has(opcode))
}
