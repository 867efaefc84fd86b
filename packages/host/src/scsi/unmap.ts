import { Sense } from '@bis/hyperv-types/scsi'
import { u64At } from './block-range.ts'
import type { Disk } from './disk.ts'
import type { ScsiRequest } from './request.ts'
import { finish } from './transfer.ts'
import { MAX_UNMAP_DESCRIPTORS } from './vital-pages.ts'

const HEADER_BYTES = 8
const DESCRIPTOR_BYTES = 16

/** UNMAP. All ranges are checked before the first is given back. Source: SBC-3 5.28. */
export function unmap(unit: Disk, request: ScsiRequest): Promise<void> | undefined {
  if (!unit.unmap) return request.check(Sense.INVALID_COMMAND_OPERATION_CODE, 0)
  const length = request.view.getUint16(7)
  if (length === 0) return request.good()
  if (length < HEADER_BYTES || length !== request.data.length) return request.check(Sense.INVALID_FIELD_IN_CDB, 7)
  const list = new Uint8Array(length)
  request.data.read(0, list)
  const view = new DataView(list.buffer)
  const descriptors = view.getUint16(2)
  if (
    view.getUint16(0) !== length - 2 ||
    descriptors !== length - HEADER_BYTES ||
    descriptors % DESCRIPTOR_BYTES !== 0
  ) {
    return request.check(Sense.INVALID_FIELD_IN_PARAMETER_LIST)
  }
  if (descriptors > MAX_UNMAP_DESCRIPTORS * DESCRIPTOR_BYTES)
    return request.check(Sense.INVALID_FIELD_IN_PARAMETER_LIST)
  const sectors = unit.sectorCount
  for (let at = HEADER_BYTES; at < length; at += DESCRIPTOR_BYTES) {
    if (u64At(view, at) + view.getUint32(at + 8) > sectors)
      return request.check(Sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
  }
  if (unit.backend.readOnly) return request.check(Sense.WRITE_PROTECTED)
  return finish(request, () => trimAll(unit, view), length, true)
}

async function trimAll(unit: Disk, view: DataView): Promise<void> {
  for (let at = HEADER_BYTES; at < view.byteLength; at += DESCRIPTOR_BYTES) {
    const blocks = view.getUint32(at + 8)
    if (blocks > 0) await unit.backend.trim(u64At(view, at) * unit.sectorSize, blocks * unit.sectorSize)
  }
}
