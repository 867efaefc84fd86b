import { Sense } from '@bis/hyperv-types/scsi'
import { putU64 } from './block-range.ts'
import type { Disk } from './disk.ts'
import type { ScsiRequest } from './request.ts'

const READ_CAPACITY_16 = 0x10

/** READ CAPACITY(10): a disk too large for it answers all ones, and the initiator asks again with (16). */
export function capacity10(unit: Disk, request: ScsiRequest): undefined {
  if (request.data.length < 8) return request.overrun(Sense.INVALID_FIELD_IN_CDB)
  const answer = new Uint8Array(8)
  const view = new DataView(answer.buffer)
  view.setUint32(0, Math.min(unit.sectorCount - 1, 0xffff_ffff))
  view.setUint32(4, unit.sectorSize)
  return request.reply(answer, 8)
}

/** READ CAPACITY(16), the only SERVICE ACTION IN(16) there is. Source: SBC-3 5.16. */
export function serviceActionIn(unit: Disk, request: ScsiRequest): undefined {
  if ((request.byte(1) & 0x1f) !== READ_CAPACITY_16) return request.check(Sense.INVALID_FIELD_IN_CDB, 1)
  if (request.data.length < 12) return request.overrun(Sense.INVALID_FIELD_IN_CDB)
  const answer = new Uint8Array(32)
  const view = new DataView(answer.buffer)
  putU64(view, 0, unit.sectorCount - 1)
  view.setUint32(8, unit.sectorSize)
  view.setUint8(13, Math.log2(unit.backend.physicalSectorSize / unit.sectorSize))
  view.setUint8(14, unit.unmap ? 0x80 : 0)
  return request.reply(answer, request.view.getUint32(10))
}
