import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import { isPowerOfTwo, KIB, MIB } from '../shared/bytes.ts'
import type { Environment } from '../shared/environment.ts'
import { randomUuid } from '../shared/guid.ts'
import type { ParentPath } from '../virtual-disk.ts'
import { encodeDynamicHeader } from './dynamic-header.ts'
import type { Footer } from './footer.ts'
import { encodeFooter, VHD_TYPE, vhdTime } from './footer.ts'
import { chsGeometry } from './geometry.ts'
import { MAX_VHD_DISK, tableBytes, VHD_SECTOR } from './image.ts'
import { layOutLocators } from './parent-locator.ts'

const HEADER_OFFSET = 512
const BAT_OFFSET = 1536
const TABLE_STEP = MIB

export interface VhdLayout {
  type: 'fixed' | 'dynamic' | 'differencing'
  /** What a differencing image says of its parent. */
  parent?: { id: Uint8Array; timestamp: number; name: string; paths: readonly ParentPath[] }
  /** Disk size in bytes: whole 512-byte sectors, up to 2040 GiB. */
  sizeBytes: number
  /** Of a dynamic image: power of two, 512 KiB–256 MiB. Default 2 MiB, the only one every program reads. */
  blockSize?: number
  /** 16 bytes. Default random. */
  diskId?: Uint8Array
}

/** Writes an empty image. The medium must be empty; it is flushed at the end. */
export async function createVhd(backend: Backend, layout: VhdLayout, environment: Environment): Promise<void> {
  const { type, sizeBytes, blockSize = 2 * MIB } = layout
  check(layout, blockSize)
  const footer = newFooter({
    sizeBytes,
    type: VHD_TYPE[type],
    uniqueId: layout.diskId ?? randomUuid(environment),
    timestamp: vhdTime(environment.now()),
    dataOffset: type === 'fixed' ? undefined : HEADER_OFFSET,
  })
  const end = type === 'fixed' ? sizeBytes : await writeMap(backend, sizeBytes, blockSize, layout.parent)
  if (type !== 'fixed') await backend.write(0, encodeFooter(footer))
  await backend.write(end, encodeFooter(footer))
  await backend.flush()
}

/**
 * A footer that says what every reader needs to take the current size as the disk's size. Programs decide by the
 * creator's name whether to compute it from CHS instead, and 'win ' is the name they all take the size from.
 */
export function newFooter(
  values: Pick<Footer, 'type' | 'uniqueId' | 'timestamp' | 'dataOffset'> & { sizeBytes: number },
): Footer {
  const { sizeBytes, ...rest } = values
  return {
    ...rest,
    ...chsGeometry(sizeBytes),
    features: 2,
    version: 0x00010000,
    creatorApp: 'win ',
    creatorVersion: 0x000a0000,
    creatorHostOs: 'Wi2k',
    originalSize: sizeBytes,
    currentSize: sizeBytes,
    savedState: 0,
  }
}

/** Dynamic header, empty block table and parent locators; gives their end. */
async function writeMap(
  backend: Backend,
  sizeBytes: number,
  blockSize: number,
  parent: VhdLayout['parent'],
): Promise<number> {
  const maxEntries = Math.ceil(sizeBytes / blockSize)
  const length = tableBytes(maxEntries)
  const { locators, texts, end } = layOutLocators(parent?.paths ?? [], BAT_OFFSET + length)
  const header = encodeDynamicHeader({
    batOffset: BAT_OFFSET,
    version: 0x00010000,
    maxEntries,
    blockSize,
    parentId: parent?.id ?? new Uint8Array(16),
    parentTimestamp: parent?.timestamp ?? 0,
    parentName: parent?.name ?? '',
    locators,
  })
  await backend.write(HEADER_OFFSET, header)
  for (const text of texts) await backend.write(text.offset, text.bytes)
  const unused = new Uint8Array(Math.min(TABLE_STEP, length)).fill(0xff)
  for (let done = 0; done < length; done += unused.length) {
    await backend.write(BAT_OFFSET + done, unused.subarray(0, Math.min(unused.length, length - done)))
  }
  return end
}

function check({ sizeBytes, diskId }: VhdLayout, blockSize: number): void {
  checkVhdSize(sizeBytes)
  if (!isPowerOfTwo(blockSize) || blockSize < 512 * KIB || blockSize > 256 * MIB) {
    throw new DiskImageError(
      'invalid-option',
      `block size ${blockSize}: VHD wants a power of two from 512 KiB to 256 MiB`,
    )
  }
  if (diskId !== undefined && diskId.length !== 16)
    throw new DiskImageError('invalid-option', `disk id of ${diskId.length} bytes: it has 16`)
}

/** Throws for a disk size no VHD can have. */
export function checkVhdSize(sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes > MAX_VHD_DISK || sizeBytes % VHD_SECTOR !== 0) {
    throw new DiskImageError(
      'invalid-option',
      `disk size ${sizeBytes}: VHD wants a whole number of 512-byte sectors, up to ${MAX_VHD_DISK} (2040 GiB)`,
    )
  }
}
