import { Sense } from '@bis/hyperv-types/scsi'
import type { Disk } from './disk.ts'
import type { ScsiRequest } from './request.ts'
import { putText } from './text.ts'
import { vitalPage } from './vital-pages.ts'

const STANDARD_BYTES = 104
const COMMAND_QUEUEING = 0x02

/** INQUIRY: standard data and vital product data pages. */
export function inquiry(unit: Disk, request: ScsiRequest): undefined {
  const allocation = checkInquiry(request)
  if (allocation < 0) return undefined
  if ((request.byte(1) & 1) === 0) return request.reply(standardInquiry(unit.inquiryVersion), allocation)
  const page = vitalPage(unit, request.byte(2), request)
  return page === undefined ? request.check(Sense.INVALID_FIELD_IN_CDB, 2) : request.reply(page, allocation)
}

/**
 * What Hyper-V refuses in an INQUIRY, whatever the device.
 * @returns the allocation length, or -1 when the request has been ended.
 */
export function checkInquiry(request: ScsiRequest): number {
  const vital = (request.byte(1) & 1) !== 0
  const allocation = request.view.getUint16(3)
  const field = (request.byte(1) & 2) !== 0 ? 1 : !vital && request.byte(2) !== 0 ? 2 : -1
  const tooShort = allocation < (vital ? 4 : 5) || allocation > request.data.length
  if (field < 0 && !tooShort) return allocation
  request.check(Sense.INVALID_FIELD_IN_CDB, field < 0 ? 3 : field)
  return -1
}

/** Standard data of a disk, as Hyper-V has it. */
export function standardInquiry(version: number): Uint8Array {
  const data = new Uint8Array(STANDARD_BYTES)
  data.set([0, 0, version, 2, STANDARD_BYTES - 5, 0, 0, COMMAND_QUEUEING])
  putText(data, 8, 'Msft    ')
  putText(data, 16, 'Virtual Disk    ')
  putText(data, 32, '1.0 ')
  return data
}

/**
 * INQUIRY to a LUN that is not there: peripheral qualifier 3, device type 1Fh. Names are kept for LUN 0 only, which a
 * guest has to find so that it goes on to REPORT LUNS.
 */
export function absentInquiry(request: ScsiRequest): undefined {
  const allocation = request.view.getUint16(3)
  const refused = (request.byte(1) & 3) !== 0 || request.byte(2) !== 0
  if (refused || allocation < 5 || allocation > request.data.length || request.direction !== 1) {
    return request.check(Sense.INVALID_FIELD_IN_CDB)
  }
  const data = standardInquiry(5)
  data[0] = 0x7f
  data[7] = 0
  if (request.lun !== 0) data.fill(0, 8, 36)
  return request.reply(data, allocation)
}
