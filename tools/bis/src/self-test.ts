import type { BlockDevice } from '@bis/hyperv-types'
import { readDiskContents } from './filesystem/disk-contents.ts'
import { formatSize } from './size.ts'

/** What the self-test of a device found; a failure is an error. */
export interface SelfTest {
  readonly device: string
  readonly passed: boolean
  readonly text: string
}

/** Reads from both ends and the middle of a disk, and its partition table; writes nothing. */
export async function testDisk(disk: BlockDevice): Promise<SelfTest> {
  const { blockSize, blockCount } = disk.geometry
  try {
    const target = new Uint8Array(Math.min(8, blockCount) * blockSize)
    for (const block of [0, Math.floor(blockCount / 2), blockCount - 8]) {
      const start = Math.max(0, Math.min(block, blockCount - target.length / blockSize))
      await disk.read(start * blockSize, target)
    }
    const { table, volumes } = await readDiskContents(disk)
    const files = volumes.reduce((sum, volume) => sum + volume.files.length, 0)
    const found =
      table.scheme === 'none' ? 'no partition table' : `${table.scheme}, ${table.partitions.length} partitions`
    const text = `${formatSize(blockSize * blockCount)}, ${found}${volumes.length > 0 ? `, ${files} files on FAT` : ''}`
    return { device: disk.name, passed: true, text }
  } catch (error) {
    return { device: disk.name, passed: false, text: error instanceof Error ? error.message : String(error) }
  }
}
