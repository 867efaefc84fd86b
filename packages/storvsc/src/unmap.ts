import type { BlockGeometry } from '@bis/hyperv-types'
import { ScsiOpcode } from '@bis/hyperv-types/scsi'

const TWO_32 = 0x1_0000_0000

/** An UNMAP command with its parameter list. */
export interface UnmapCommand {
  readonly cdb: readonly number[]
  readonly dataOut: Uint8Array
}

/** The commands that give back a run of blocks, within the limits that the disk has named. Source: SBC-3, UNMAP. */
export function* unmapCommands(
  lba: number,
  blocks: number,
  { maxBlocks, maxRanges }: NonNullable<BlockGeometry['trim']>,
): Generator<UnmapCommand> {
  const perCommand = maxBlocks * maxRanges
  for (let done = 0; done < blocks; done += perCommand) {
    const dataOut = parameterList(lba + done, Math.min(perCommand, blocks - done), maxBlocks)
    yield { cdb: [ScsiOpcode.UNMAP, 0, 0, 0, 0, 0, 0, dataOut.length >>> 8, dataOut.length & 0xff, 0], dataOut }
  }
}

/** One run of blocks, in as many descriptors as it takes. */
function parameterList(lba: number, blocks: number, maxBlocks: number): Uint8Array {
  const count = Math.ceil(blocks / maxBlocks)
  const list = new Uint8Array(8 + count * 16)
  const view = new DataView(list.buffer)
  view.setUint16(0, list.length - 2)
  view.setUint16(2, count * 16)
  for (let i = 0; i < count; i++) {
    const first = lba + i * maxBlocks
    view.setUint32(8 + i * 16, Math.floor(first / TWO_32))
    view.setUint32(12 + i * 16, first % TWO_32)
    view.setUint32(16 + i * 16, Math.min(maxBlocks, blocks - i * maxBlocks))
  }
  return list
}
