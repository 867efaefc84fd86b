import { ScsiOpcode, Sense } from '@bis/hyperv-types/scsi'
import type { DiskBackend } from './backend.ts'
import { decodeBlockRange } from './block-range.ts'
import type { Disk } from './disk.ts'
import { inRange } from './read-write.ts'
import type { ScsiRequest } from './request.ts'
import { finish } from './transfer.ts'
import { maxWriteSameBlocks } from './vital-pages.ts'

const NO_DATA_OUT_BUFFER = 0x01
const UNMAP_OR_ANCHOR = 0x18
/** Written at a time, a multiple of every sector size. */
const FILL_BYTES = 2 ** 20

/** WRITE SAME(10), (16). Page B2h announces no unmapping by it, so those bits are refused. Source: SBC-3 5.43, 5.44. */
export function writeSame(unit: Disk, request: ScsiRequest): Promise<void> | undefined {
  decodeBlockRange(request)
  const flags = request.byte(1)
  if ((flags & UNMAP_OR_ANCHOR) !== 0) return request.check(Sense.INVALID_FIELD_IN_CDB, 1)
  if (request.blocks === 0) request.blocks = Math.max(0, unit.sectorCount - request.lba)
  if (!inRange(unit, request)) return request.check(Sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
  if (request.blocks > maxWriteSameBlocks(unit)) return request.check(Sense.INVALID_FIELD_IN_CDB)
  if (unit.backend.readOnly) return request.check(Sense.WRITE_PROTECTED)
  const pattern = new Uint8Array(unit.sectorSize)
  const zeros = request.opcode === ScsiOpcode.WRITE_SAME_16 && (flags & NO_DATA_OUT_BUFFER) !== 0
  if (!zeros) {
    if (request.data.length < pattern.length) return request.check(Sense.INVALID_FIELD_IN_CDB)
    request.data.read(0, pattern)
  }
  const transferred = zeros ? 0 : pattern.length
  return finish(request, () => fill(unit, request, pattern), transferred, true)
}

function fill(unit: Disk, { lba, blocks }: ScsiRequest, pattern: Uint8Array): Promise<void> | undefined {
  const { backend, sectorSize } = unit
  const offset = lba * sectorSize
  const length = blocks * sectorSize
  if (length === 0) return undefined
  if (backend.writeZeroes !== undefined && pattern.every((byte) => byte === 0))
    return backend.writeZeroes(offset, length)
  const content = new Uint8Array(Math.min(length, FILL_BYTES))
  for (let at = 0; at < content.length; at += sectorSize) content.set(pattern, at)
  if (length === content.length) return backend.write(offset, content)
  return fillInPieces(backend, offset, length, content)
}

async function fillInPieces(backend: DiskBackend, offset: number, length: number, content: Uint8Array): Promise<void> {
  for (let done = 0; done < length; done += content.length) {
    await backend.write(offset + done, content.subarray(0, Math.min(content.length, length - done)))
  }
}
