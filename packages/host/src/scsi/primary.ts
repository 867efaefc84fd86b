import { encodeSense, Sense } from '@bis/hyperv-types/scsi'
import type { Disk } from './disk.ts'
import type { ScsiRequest } from './request.ts'
import { SENSE_BYTES } from './request.ts'
import { finish } from './transfer.ts'

/** TEST UNIT READY, RESERVE(6), RELEASE(6), PREVENT ALLOW MEDIUM REMOVAL: nothing to do on a fixed disk. */
export function noOperation(_unit: Disk, request: ScsiRequest): undefined {
  return request.good()
}

/** FORMAT UNIT: Hyper-V takes it and does nothing. */
export function formatUnit(unit: Disk, request: ScsiRequest): undefined {
  return unit.backend.readOnly ? request.check(Sense.WRITE_PROTECTED) : request.good()
}

/** REQUEST SENSE: a unit attention first, then the sense of the last command that failed. */
export function requestSense(unit: Disk, request: ScsiRequest): undefined {
  const allocation = request.byte(4)
  if (allocation < 8 || allocation > request.data.length) return request.check(Sense.INVALID_FIELD_IN_CDB, 4)
  const answer = new Uint8Array(SENSE_BYTES)
  const attention = unit.takeAttention()
  if (attention !== undefined) answer.set(encodeSense(attention))
  else answer.set(unit.storedSense)
  unit.storedSense.set(encodeSense(Sense.NO_SENSE))
  return request.reply(answer, allocation)
}

/** START STOP UNIT: stopping writes everything back. */
export function startStopUnit(unit: Disk, request: ScsiRequest): Promise<void> | undefined {
  if ((request.byte(1) & 1) !== 0) return request.check(Sense.INVALID_FIELD_IN_CDB, 1)
  if ((request.byte(4) & 1) !== 0) return request.good()
  return finish(request, () => unit.backend.flush(), 0, true)
}

/** SEND DIAGNOSTIC: only the default self-test. */
export function sendDiagnostic(_unit: Disk, request: ScsiRequest): undefined {
  const isDefaultSelfTest = request.byte(1) === 0x04 && request.view.getUint16(3) === 0
  return isDefaultSelfTest ? request.good() : request.check(Sense.INVALID_FIELD_IN_CDB, 1)
}
