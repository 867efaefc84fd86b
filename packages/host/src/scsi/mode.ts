import { ScsiOpcode, Sense } from '@bis/hyperv-types/scsi'
import type { Disk } from './disk.ts'
import type { ScsiRequest } from './request.ts'

const CACHING_PAGE = 0x08
const ALL_PAGES = 0x3f
const CACHING_BYTES = 12
const WRITE_CACHE_ENABLED = 0x04
const WRITE_PROTECTED = 0x80
const DPO_AND_FUA = 0x10

/** MODE SENSE(6) and (10): the caching page is all there is, and no block descriptor ever. */
export function modeSense(unit: Disk, request: ScsiRequest): undefined {
  const short = request.opcode === ScsiOpcode.MODE_SENSE_6
  const header = short ? 4 : 8
  const allocation = short ? request.byte(4) : request.view.getUint16(7)
  const page = request.byte(2) & 0x3f
  const control = request.byte(2) >>> 6
  if (control === 3) return request.check(Sense.SAVING_PARAMETERS_NOT_SUPPORTED)
  if ((page !== CACHING_PAGE && page !== ALL_PAGES) || (request.byte(3) !== 0 && request.byte(3) !== 0xff)) {
    return request.check(Sense.INVALID_FIELD_IN_CDB, 2)
  }
  if (allocation > request.data.length || allocation < header) {
    return request.check(Sense.INVALID_FIELD_IN_CDB, short ? 4 : 7)
  }
  const answer = new Uint8Array(header + CACHING_BYTES)
  const attributes = (unit.backend.readOnly ? WRITE_PROTECTED : 0) | DPO_AND_FUA
  if (short) answer.set([answer.length - 1, 0, attributes, 0])
  else answer.set([0, answer.length - 2, 0, attributes])
  answer.set([CACHING_PAGE, CACHING_BYTES - 2], header)
  // Control 1 asks which bits may be changed: none.
  if (control !== 1 && unit.writeCache) answer[header + 2] = WRITE_CACHE_ENABLED
  return request.reply(answer, allocation)
}

/** MODE SELECT(6) and (10): takes the caching page back as it is, and refuses every change. */
export function modeSelect(unit: Disk, request: ScsiRequest): undefined {
  const short = request.opcode === ScsiOpcode.MODE_SELECT_6
  const header = short ? 4 : 8
  const length = short ? request.byte(4) : request.view.getUint16(7)
  if ((request.byte(1) & 1) !== 0) return request.check(Sense.INVALID_FIELD_IN_CDB, 1)
  if (length === 0) return request.good()
  if (length !== request.data.length || length < header + CACHING_BYTES) {
    return request.check(Sense.PARAMETER_LIST_LENGTH_ERROR)
  }
  const list = new Uint8Array(length)
  request.data.read(0, list)
  const enabled = ((list[header + 2] ?? 0) & WRITE_CACHE_ENABLED) !== 0
  if (((list[header] ?? 0) & 0x3f) !== CACHING_PAGE || enabled !== unit.writeCache) {
    return request.check(Sense.INVALID_FIELD_IN_PARAMETER_LIST)
  }
  return request.good(length)
}
