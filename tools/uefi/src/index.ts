export { type BootDiskOptions, makeBootDisk } from './boot-disk.ts'
export {
  type Architecture,
  type BootLoader,
  type BootLoaderOptions,
  findBootLoader,
  LOADER_PATHS,
} from './boot-loader.ts'
export { BootLoaderError, type BootLoaderErrorCode } from './boot-loader-error.ts'
export { type ReadableDisk, type ReadBytes, viewOf } from './byte-source.ts'
export { byteReader, type DiskContents, type FoundVolume, readDiskContents } from './disk-contents.ts'
export { type FatFile, FatVolume } from './fat/fat-volume.ts'
export { makeFat16, type NewFile } from './fat/fat-writer.ts'
export { type NewPartition, writeGpt } from './gpt/gpt-writer.ts'
export { EFI_SYSTEM_PARTITION, type Partition, type PartitionTable, readPartitionTable } from './gpt/partition-table.ts'
