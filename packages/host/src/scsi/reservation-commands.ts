import { Sense } from '@bis/hyperv-types/scsi'
import type { Disk } from './disk.ts'
import type { ScsiRequest } from './request.ts'
import type { Nexus, ReservationOutcome } from './reservations.ts'
import { heldByAll, NO_KEY, RESERVATION_TYPES } from './reservations.ts'

const PARAMETER_BYTES = 24
const SPEC_I_PT = 0x08
const APTPL = 0x01

/** PERSISTENT RESERVE IN. Source: SPC-4 6.15. */
export function persistentReserveIn(unit: Disk, request: ScsiRequest): undefined {
  if (unit.nexus === undefined) return request.check(Sense.INVALID_COMMAND_OPERATION_CODE, 0)
  const answer = reserveIn(unit.nexus, request.byte(1) & 0x1f)
  if (answer === undefined) return request.check(Sense.INVALID_FIELD_IN_CDB, 1)
  return request.reply(answer, request.view.getUint16(7))
}

/** PERSISTENT RESERVE OUT. Source: SPC-4 6.16. */
export function persistentReserveOut(unit: Disk, request: ScsiRequest): undefined {
  const { nexus } = unit
  if (nexus === undefined) return request.check(Sense.INVALID_COMMAND_OPERATION_CODE, 0)
  const length = request.view.getUint32(5)
  if (length !== PARAMETER_BYTES || request.data.length < PARAMETER_BYTES) {
    return request.check(Sense.PARAMETER_LIST_LENGTH_ERROR)
  }
  const list = new Uint8Array(PARAMETER_BYTES)
  request.data.read(0, list)
  if (((list[20] ?? 0) & (SPEC_I_PT | APTPL)) !== 0) return request.check(Sense.INVALID_FIELD_IN_PARAMETER_LIST)
  const outcome = reserveOut(nexus, request.byte(1) & 0x1f, request.byte(2), keyAt(list, 0), keyAt(list, 8))
  if (outcome === undefined) return request.check(Sense.INVALID_FIELD_IN_CDB, 1)
  if (outcome === true) return request.good(PARAMETER_BYTES)
  return outcome === false ? request.conflict() : request.check(outcome)
}

function reserveOut(
  nexus: Nexus,
  action: number,
  scopeAndType: number,
  key: string,
  serviceKey: string,
): ReservationOutcome | undefined {
  const { reservations } = nexus
  const type = scopeAndType & 0x0f
  const needsType = action === 1 || action === 2 || action === 4 || action === 5
  if (needsType && (scopeAndType >>> 4 !== 0 || !RESERVATION_TYPES.has(type))) return Sense.INVALID_FIELD_IN_CDB
  switch (action) {
    case 0:
      return reservations.register(nexus, key, serviceKey, false)
    case 1:
      return reservations.reserve(nexus, key, type)
    case 2:
      return reservations.release(nexus, key, type)
    case 3:
      return reservations.clear(nexus, key)
    case 4:
    case 5:
      return reservations.preempt(nexus, key, serviceKey, type)
    case 6:
      return reservations.register(nexus, key, serviceKey, true)
    default:
      return undefined
  }
}

function reserveIn({ reservations }: Nexus, action: number): Uint8Array | undefined {
  const { reservation, registrations } = reservations
  switch (action) {
    case 0: {
      const answer = listOf(reservations.generation, registrations.size * 8)
      for (const [i, key] of [...registrations.values()].entries()) putKey(answer, 8 + i * 8, key)
      return answer
    }
    case 1: {
      const answer = listOf(reservations.generation, reservation === undefined ? 0 : 16)
      if (reservation !== undefined) {
        putKey(answer, 8, heldByAll(reservation.type) ? NO_KEY : reservation.key)
        answer[21] = reservation.type
      }
      return answer
    }
    case 2:
      // Preempt-and-abort handled; type mask valid, all six types.
      return Uint8Array.of(0, 8, 0, 0x80, 0xea, 0x01, 0, 0)
    case 3: {
      const answer = listOf(reservations.generation, registrations.size * 24)
      for (const [i, [nexus, key]] of [...registrations].entries()) {
        const at = 8 + i * 24
        putKey(answer, at, key)
        if (!reservations.holds(nexus)) continue
        answer[at + 12] = 1
        answer[at + 13] = reservation?.type ?? 0
      }
      return answer
    }
    default:
      return undefined
  }
}

function listOf(generation: number, length: number): Uint8Array {
  const answer = new Uint8Array(8 + length)
  const view = new DataView(answer.buffer)
  view.setUint32(0, generation)
  view.setUint32(4, length)
  return answer
}

function keyAt(list: Uint8Array, offset: number): string {
  let text = ''
  for (let i = offset; i < offset + 8; i++) text += (list[i] ?? 0).toString(16).padStart(2, '0')
  return text
}

function putKey(target: Uint8Array, offset: number, key: string): void {
  for (let i = 0; i < 8; i++) target[offset + i] = Number.parseInt(key.slice(i * 2, i * 2 + 2), 16)
}
