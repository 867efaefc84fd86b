import { BootLoaderError } from './boot-loader-error.ts'
import type { ReadableDisk } from './byte-source.ts'
import { byteReader } from './disk-contents.ts'
import { findEfiBootImage } from './el-torito.ts'
import type { FatFile } from './fat/fat-volume.ts'
import { FatVolume } from './fat/fat-volume.ts'
import type { Partition } from './gpt/partition-table.ts'
import { readPartitionTable } from './gpt/partition-table.ts'

/** Where firmware looks for the loader of each processor (UEFI specification 2.10, table 3-5). */
export const LOADER_PATHS = {
  x64: 'EFI/BOOT/BOOTX64.EFI',
  aa64: 'EFI/BOOT/BOOTAA64.EFI',
  ia32: 'EFI/BOOT/BOOTIA32.EFI',
} as const

export type Architecture = keyof typeof LOADER_PATHS

export interface BootLoaderOptions {
  /** Default: `x64`. */
  readonly architecture?: Architecture
  /** Largest loader that is read, in bytes. Default: 64 MiB. */
  readonly maxBytes?: number
}

export interface BootLoader {
  /** As the volume spells it. */
  readonly path: string
  readonly bytes: Uint8Array
  /** The EFI system partition; absent on optical discs (El Torito) and disks that are one volume. */
  readonly partition?: Partition
  /** `FAT12`, `FAT16` or `FAT32`. */
  readonly fileSystem: string
  /** What is wrong with the primary GPT, when its backup was used. */
  readonly damage?: string
}

/** More are not looked at: the table lies. */
const MAX_SYSTEM_PARTITIONS = 8

interface Place {
  readonly what: string
  readonly offset: number
  readonly size: number
  readonly partition?: Partition
  readonly damage?: string
}

/**
 * Finds a disk's loader as UEFI firmware does without boot variables: the removable-media path on each EFI system
 * partition (GPT by type GUID, MBR by type 0xEF), on the El Torito EFI image of an optical disc, or on a disk that is
 * one FAT volume. Whether the file can be run is not looked at.
 * @throws BootLoaderError what is missing or damaged
 * @throws DeviceError the disk could not be read
 */
export async function findBootLoader(disk: ReadableDisk, options: BootLoaderOptions = {}): Promise<BootLoader> {
  const { architecture = 'x64', maxBytes = 2 ** 26 } = options
  const wanted = LOADER_PATHS[architecture]
  const complaints: BootLoaderError[] = []
  for (const place of await placesOf(disk)) {
    const volume = await FatVolume.open(byteReader(disk, place.offset), place.size)
    if (volume === undefined) {
      complaints.push(new BootLoaderError('no-file-system', `${disk.name}: no FAT file system on ${place.what}`))
      continue
    }
    const file = await volume.find(wanted)
    if (file === undefined) {
      complaints.push(new BootLoaderError('no-loader', await noLoader(disk, volume, place.what, wanted)))
      continue
    }
    const { partition, damage } = place
    return {
      path: file.path,
      bytes: await readLoader(disk, volume, file, maxBytes),
      ...(partition === undefined ? {} : { partition }),
      fileSystem: volume.type,
      ...(damage === undefined ? {} : { damage }),
    }
  }
  // One without the file says more than one that is no volume.
  const [first] = complaints
  throw complaints.find(({ code }) => code === 'no-loader') ?? first ?? missing(disk, 'no-system-partition')
}

async function placesOf(disk: ReadableDisk): Promise<readonly Place[]> {
  const { blockSize, blockCount } = disk.geometry
  const size = blockSize * blockCount
  const image = blockSize === 2048 ? await findEfiBootImage(byteReader(disk), size) : undefined
  if (image !== undefined) return [{ what: 'the El Torito EFI image', offset: image, size: size - image }]
  const { scheme, partitions, damage } = await readPartitionTable(byteReader(disk), blockSize, size)
  if (scheme !== 'GPT' && damage !== undefined) {
    throw new BootLoaderError('damaged-partition-table', `${disk.name}: no copy of the GPT can be used: ${damage}`)
  }
  const system = partitions.filter(({ type, offset, size: length }) => {
    return type === 'efi' && length > 0 && offset + length <= size
  })
  const places = system.slice(0, MAX_SYSTEM_PARTITIONS).map((partition) => {
    const { number, offset, size: length } = partition
    const noted = damage === undefined ? {} : { damage }
    return { what: `partition ${number}`, offset, size: length, partition, ...noted }
  })
  if (places.length > 0) return places
  // A disk that is one FAT volume may look like an MBR: its boot sector ends as that does.
  const whole = await FatVolume.open(byteReader(disk), size)
  if (whole !== undefined) return [{ what: 'the whole disk', offset: 0, size }]
  throw missing(disk, scheme === 'none' ? 'no-partition-table' : 'no-system-partition')
}

function missing(disk: ReadableDisk, code: 'no-partition-table' | 'no-system-partition'): BootLoaderError {
  const what = code === 'no-partition-table' ? 'no partition table' : 'no EFI system partition within the disk'
  return new BootLoaderError(code, `${disk.name}: ${what}`)
}

/** Says also which other processors the volume has loaders for. */
async function noLoader(disk: ReadableDisk, volume: FatVolume, where: string, wanted: string): Promise<string> {
  const others: string[] = []
  for (const path of Object.values(LOADER_PATHS)) if ((await volume.find(path)) !== undefined) others.push(path)
  const rest = others.length === 0 ? '' : `; there is ${others.join(' and ')}, for other processors`
  return `${disk.name}: no ${wanted} on ${where}${rest}`
}

async function readLoader(disk: ReadableDisk, volume: FatVolume, file: FatFile, maxBytes: number): Promise<Uint8Array> {
  const { path, size } = file
  if (size > maxBytes) {
    throw new BootLoaderError('loader-too-large', `${disk.name}: ${path} has ${size} bytes, more than ${maxBytes}`)
  }
  const bytes = await volume.readFile(file)
  if (bytes.length < size || size === 0) {
    throw new BootLoaderError(
      'damaged-loader',
      `${disk.name}: ${bytes.length} of the ${size} bytes of ${path} are there`,
    )
  }
  return bytes
}
