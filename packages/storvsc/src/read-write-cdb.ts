import { CdbFlag, ScsiOpcode } from '@bis/hyperv-types/scsi'
import type { StorvscRequest } from './request.ts'

const TWO_32 = 0x1_0000_0000

/** Fills in READ or WRITE: (10) where it can name the blocks, (16) otherwise. */
export function encodeReadWrite(
  request: StorvscRequest,
  write: boolean,
  lba: number,
  blocks: number,
  durable: boolean,
): void {
  const { view } = request
  const flags = durable ? CdbFlag.FUA : 0
  if (lba + blocks <= TWO_32 && blocks <= 0xffff) {
    view.setUint8(0, write ? ScsiOpcode.WRITE_10 : ScsiOpcode.READ_10)
    view.setUint8(1, flags)
    view.setUint32(2, lba)
    view.setUint16(7, blocks)
    request.cdbLength = 10
    return
  }
  view.setUint8(0, write ? ScsiOpcode.WRITE_16 : ScsiOpcode.READ_16)
  view.setUint8(1, flags)
  view.setUint32(2, Math.floor(lba / TWO_32))
  view.setUint32(6, lba % TWO_32)
  view.setUint32(10, blocks)
  request.cdbLength = 16
}
