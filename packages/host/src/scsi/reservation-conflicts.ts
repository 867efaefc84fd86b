import { Opcode } from './codes.ts'
import type { ScsiRequest } from './request.ts'

/** Commands that a reservation never stops. Those of reservations themselves have their own rules. */
const ALWAYS: ReadonlySet<number> = new Set([
  Opcode.testUnitReady,
  Opcode.requestSense,
  Opcode.inquiry,
  Opcode.readCapacity10,
  Opcode.reportLuns,
  Opcode.persistentReserveIn,
  Opcode.persistentReserveOut,
])

/** Commands that only look: stopped by exclusive access, not by write exclusive. */
const READING: ReadonlySet<number> = new Set([
  Opcode.read6,
  Opcode.read10,
  Opcode.read12,
  Opcode.read16,
  Opcode.verify10,
  Opcode.verify12,
  Opcode.verify16,
  Opcode.modeSense6,
  Opcode.modeSense10,
])

const READ_CAPACITY_16 = 0x10

/**
 * Whether a command from an initiator that does not hold the reservation ends in RESERVATION CONFLICT.
 * Source: SPC-4 table 67, SBC-3 table 13.
 */
export function isConflict(request: ScsiRequest, type: number, registered: boolean): boolean {
  const { opcode } = request
  if (ALWAYS.has(opcode)) return false
  if (opcode === Opcode.serviceActionIn16 && (request.byte(1) & 0x1f) === READ_CAPACITY_16) return false
  if (opcode === Opcode.startStopUnit && (request.byte(4) & 0xf1) === 1) return false
  if (opcode === Opcode.preventAllow && (request.byte(4) & 3) === 0) return false
  const registrantsMay = type >= 5
  if (registrantsMay && registered) return false
  // Odd types up to 7 exclude writers only; 3, 6 and 8 exclude everybody.
  const writeExclusive = type === 1 || type === 5 || type === 7
  return !(writeExclusive && READING.has(opcode))
}
