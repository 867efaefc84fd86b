import type { WriteOptions } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { ScsiOpcode } from '@bis/hyperv-types/scsi'

const TWO_32 = 0x1_0000_0000
/** Zeros written at a time. */
const ZERO_BYTES = 2 ** 20

/** The disk that is zeroed. */
export interface ZeroedDisk {
  readonly blockSize: number
  /** Longest WRITE SAME in blocks; 0 when the disk has no such command. */
  readonly maxWriteSameBlocks: number
  /** @throws DeviceError `not-supported` when the disk refuses the command */
  command(cdb: readonly number[], dataOut: Uint8Array): Promise<unknown>
  write(offset: number, source: Uint8Array, options: WriteOptions): Promise<void>
  flush(): Promise<void>
}

/** Zeroes ranges of a disk by WRITE SAME; by writing zeros on one that has no such command, or has refused it once. */
export class Zeroing {
  readonly #disk: ZeroedDisk
  #refused = false

  constructor(disk: ZeroedDisk) {
    this.#disk = disk
  }

  /** @param offset and length in bytes: whole blocks within the disk */
  async zero(offset: number, length: number, options: WriteOptions): Promise<void> {
    const disk = this.#disk
    const { blockSize } = disk
    const perCommand = this.#refused ? 0 : disk.maxWriteSameBlocks * blockSize
    if (perCommand === 0) return this.#writeOut(offset, length, options)
    const zeros = new Uint8Array(blockSize)
    for (let at = offset; at < offset + length; ) {
      options.signal?.throwIfAborted()
      // Commands end at multiples of the limit, where blocks that can be given back end too.
      const end = Math.min(offset + length, (Math.floor(at / perCommand) + 1) * perCommand)
      try {
        await disk.command(writeSame16(at / blockSize, (end - at) / blockSize), zeros)
      } catch (error) {
        if (!(error instanceof DeviceError) || error.code !== 'not-supported') throw error
        this.#refused = true
        return this.#writeOut(at, offset + length - at, options)
      }
      at = end
    }
    if (options.durable === true) await disk.flush()
  }

  async #writeOut(offset: number, length: number, options: WriteOptions): Promise<void> {
    const zeros = new Uint8Array(Math.min(length, ZERO_BYTES))
    for (let done = 0; done < length; done += zeros.length) {
      await this.#disk.write(offset + done, zeros.subarray(0, Math.min(zeros.length, length - done)), options)
    }
  }
}

/** Source: SBC-3, WRITE SAME(16). */
function writeSame16(lba: number, blocks: number): number[] {
  const cdb = new Uint8Array(16)
  const view = new DataView(cdb.buffer)
  view.setUint8(0, ScsiOpcode.WRITE_SAME_16)
  view.setUint32(2, Math.floor(lba / TWO_32))
  view.setUint32(6, lba % TWO_32)
  view.setUint32(10, blocks)
  return [...cdb]
}
