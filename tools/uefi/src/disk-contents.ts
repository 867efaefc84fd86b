import type { ReadableDisk, ReadBytes } from './byte-source.ts'
import type { FatFile } from './fat/fat-volume.ts'
import { FatVolume } from './fat/fat-volume.ts'
import type { Partition, PartitionTable } from './gpt/partition-table.ts'
import { readPartitionTable } from './gpt/partition-table.ts'

export interface FoundVolume {
  /** Absent when the whole disk is one volume. */
  readonly partition: Partition | undefined
  readonly volume: FatVolume
  readonly files: readonly FatFile[]
}

export interface DiskContents {
  readonly table: PartitionTable
  readonly volumes: readonly FoundVolume[]
}

/** Reads any range of bytes of a disk, from `base` on; the disk itself reads whole blocks. */
export function byteReader(disk: ReadableDisk, base = 0): ReadBytes {
  return async (offset, length) => {
    if (length === 0) return new Uint8Array(0)
    const { blockSize } = disk.geometry
    const from = base + offset
    const start = Math.floor(from / blockSize) * blockSize
    const end = Math.ceil((from + length) / blockSize) * blockSize
    const blocks = new Uint8Array(end - start)
    await disk.read(start, blocks)
    return blocks.subarray(from - start, from - start + length)
  }
}

/** What is on a disk: its partition table, and the FAT volumes with their files. */
export async function readDiskContents(disk: ReadableDisk): Promise<DiskContents> {
  const { blockSize, blockCount } = disk.geometry
  const size = blockSize * blockCount
  const table = await readPartitionTable(byteReader(disk), blockSize, size)
  const places = table.scheme === 'none' ? [{ offset: 0, size, partition: undefined }] : table.partitions.map(placeOf)
  const volumes: FoundVolume[] = []
  for (const { offset, size: length, partition } of places) {
    if (offset + length > size) continue
    const volume = await FatVolume.open(byteReader(disk, offset), length)
    if (volume !== undefined) volumes.push({ partition, volume, files: await volume.files() })
  }
  return { table, volumes }
}

function placeOf(partition: Partition): { offset: number; size: number; partition: Partition | undefined } {
  return { offset: partition.offset, size: partition.size, partition }
}
