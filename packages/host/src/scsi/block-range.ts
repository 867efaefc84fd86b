import type { ScsiRequest } from './request.ts'

const TWO_32 = 0x1_0000_0000

/** A 64-bit big-endian number at `offset` of a CDB or list: exact, or Infinity from 2^53 on. */
export function u64At(view: DataView, offset: number): number {
  const high = view.getUint32(offset)
  return high > 0x1f_ffff ? Number.POSITIVE_INFINITY : high * TWO_32 + view.getUint32(offset + 4)
}

/** Writes an exact number as 64 bits, big-endian. */
export function putU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, Math.floor(value / TWO_32))
  view.setUint32(offset + 4, value % TWO_32)
}

/**
 * Decodes the address and count of a READ, WRITE, VERIFY, SYNCHRONIZE CACHE or WRITE SAME into the request, by the length
 * that the opcode's group gives the CDB. Source: SBC-3 5; a count of 0 means 256 blocks in 6-byte CDBs only.
 */
export function decodeBlockRange(request: ScsiRequest): void {
  const { view } = request
  switch (request.opcode >>> 5) {
    case 0:
      request.lba = view.getUint32(0) & 0x1f_ffff
      request.blocks = view.getUint8(4) || 256
      break
    case 4:
      request.lba = u64At(view, 2)
      request.blocks = view.getUint32(10)
      break
    case 5:
      request.lba = view.getUint32(2)
      request.blocks = view.getUint32(6)
      break
    default:
      request.lba = view.getUint32(2)
      request.blocks = view.getUint16(7)
  }
}
