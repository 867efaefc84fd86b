import type { NewFile } from './fat/fat-writer.ts'
import { makeFat16 } from './fat/fat-writer.ts'
import { writeGpt } from './gpt/gpt-writer.ts'
import { EFI_SYSTEM_PARTITION } from './gpt/partition-table.ts'

const BLOCK = 512
const FIRST_BLOCK = 64
/** Blocks of the backup table, at the disk's end. */
const BACKUP_BLOCKS = 33

export interface BootDiskOptions {
  /** 4 MiB (the default) to 32 MiB. */
  readonly sizeBytes?: number
  /** GUID of the partition's type. Default: EFI system partition. */
  readonly partitionType?: string
}

/** A whole disk: a GPT, and one partition with a FAT16 volume that holds the files. */
export function makeBootDisk(files: readonly NewFile[], options: BootDiskOptions = {}): Uint8Array {
  const { sizeBytes = 4 * 2 ** 20, partitionType = EFI_SYSTEM_PARTITION } = options
  const bytes = new Uint8Array(sizeBytes)
  const last = sizeBytes / BLOCK - BACKUP_BLOCKS - 1
  const partition = { type: partitionType, id: 'b1500000-0000-4000-8000-000000000002', label: 'efi' }
  writeGpt(bytes, 'b1500000-0000-4000-8000-000000000001', [{ ...partition, first: FIRST_BLOCK, last }])
  bytes.set(makeFat16((last - FIRST_BLOCK + 1) * BLOCK, 'EFISYS', files, FIRST_BLOCK), FIRST_BLOCK * BLOCK)
  return bytes
}
