import type { Backend } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import { asciiAt, getU64, isPowerOfTwo, KIB, MIB, putAscii, setU64, viewOf } from '../shared/bytes.ts'
import { formatGuid, sameBytes } from '../shared/guid.ts'
import type { SectorSize } from '../virtual-disk.ts'
import { ITEMS, MAX_BLOCK, MAX_DISK, MAX_TABLE_ENTRIES, MIN_BLOCK } from './layout.ts'
import type { Region } from './region-table.ts'

/** Metadata region, [MS-VHDX] 2.6: a 64 KiB table of items, then the items. */

export const TABLE_BYTES = 64 * KIB
const SIGNATURE = 'metadata'
export const ENTRIES = 32
export const ENTRY_BYTES = 32
const MAX_ITEM = MIB
const FLAG = { user: 1, virtualDisk: 2, required: 4 } as const

export interface MetadataItem {
  guid: Uint8Array
  /** Relative to the region; 0 with length 0: present and empty. */
  offset: number
  length: number
  flags: number
}

export interface Metadata {
  items: MetadataItem[]
  blockSize: number
  leaveBlocksAllocated: boolean
  hasParent: boolean
  diskSize: number
  diskId: Uint8Array
  logicalSectorSize: SectorSize
  physicalSectorSize: SectorSize
  /** The raw parent locator item of a differencing image. */
  parentLocator: Uint8Array | undefined
}

export async function readMetadata(backend: Backend, region: Region): Promise<Metadata> {
  const place = `VHDX metadata table at ${at(region.offset)}`
  const table = new Uint8Array(TABLE_BYTES)
  if ((await backend.read(region.offset, table)) < TABLE_BYTES) {
    throw new DiskImageError('truncated', `${place}: the file ends inside it`)
  }
  const items = decodeTable(table, region.length, place)
  const find = (guid: Uint8Array) => items.find((item) => (item.flags & FLAG.user) === 0 && sameBytes(item.guid, guid))
  const read = async (guid: Uint8Array, name: string, exactly?: number): Promise<Uint8Array> => {
    const item = find(guid)
    if (item === undefined) throw new DiskImageError('corrupt', `${place}: the ${name} item is missing`)
    if (exactly !== undefined && item.length !== exactly) {
      throw new DiskImageError('corrupt', `${place}: the ${name} item has ${item.length} bytes instead of ${exactly}`)
    }
    const bytes = new Uint8Array(item.length)
    if ((await backend.read(region.offset + item.offset, bytes)) < item.length) {
      throw new DiskImageError(
        'truncated',
        `${place}: the file ends inside the ${name} item at ${at(region.offset + item.offset)}`,
      )
    }
    return bytes
  }

  const parameters = viewOf(await read(ITEMS.fileParameters, 'file parameters', 8))
  const blockSize = parameters.getUint32(0, true)
  const parameterFlags = parameters.getUint32(4, true)
  const hasParent = (parameterFlags & 2) !== 0
  const diskSize = getU64(viewOf(await read(ITEMS.diskSize, 'disk size', 8)), 0, true)
  const diskId = await read(ITEMS.diskId, 'disk id', 16)
  const logicalSectorSize = viewOf(await read(ITEMS.logicalSector, 'logical sector size', 4)).getUint32(0, true)
  const physicalSectorSize = viewOf(await read(ITEMS.physicalSector, 'physical sector size', 4)).getUint32(0, true)

  if (!isPowerOfTwo(blockSize) || blockSize < MIN_BLOCK || blockSize > MAX_BLOCK) {
    throw new DiskImageError('corrupt', `${place}: block size ${blockSize} is not a power of two from 1 MiB to 256 MiB`)
  }
  if (!isSectorSize(logicalSectorSize)) {
    throw new DiskImageError('corrupt', `${place}: logical sector size ${logicalSectorSize} is neither 512 nor 4096`)
  }
  if (!isSectorSize(physicalSectorSize)) {
    throw new DiskImageError('corrupt', `${place}: physical sector size ${physicalSectorSize} is neither 512 nor 4096`)
  }
  if (diskSize === 0 || diskSize > MAX_DISK || diskSize % logicalSectorSize !== 0) {
    throw new DiskImageError(
      'corrupt',
      `${place}: disk size ${diskSize} is not a whole number of ${logicalSectorSize}-byte sectors up to 64 TiB`,
    )
  }
  return {
    items,
    blockSize,
    hasParent,
    diskSize,
    diskId,
    logicalSectorSize,
    physicalSectorSize,
    leaveBlocksAllocated: (parameterFlags & 1) !== 0,
    parentLocator: hasParent ? await read(ITEMS.parentLocator, 'parent locator') : undefined,
  }
}

/** Where the disk size item lies in the file, for a resize. */
export function diskSizePlace(metadata: Metadata, region: Region): number {
  const item = metadata.items.find(({ guid }) => sameBytes(guid, ITEMS.diskSize))
  if (item === undefined) throw new DiskImageError('corrupt', 'the disk size item is missing')
  return region.offset + item.offset
}

export interface MetadataValues {
  blockSize: number
  leaveBlocksAllocated: boolean
  diskSize: number
  diskId: Uint8Array
  logicalSectorSize: SectorSize
  physicalSectorSize: SectorSize
  parentLocator?: Uint8Array
}

/** Table and items as one run of bytes, for the start of the region. */
export function encodeMetadata(values: MetadataValues): Uint8Array {
  const size = new Uint8Array(8)
  setU64(viewOf(size), 0, values.diskSize, true)
  const required = FLAG.required
  const ofDisk = FLAG.required | FLAG.virtualDisk
  const flags = (values.leaveBlocksAllocated ? 1 : 0) | (values.parentLocator === undefined ? 0 : 2)
  const contents: [guid: Uint8Array, flags: number, data: Uint8Array][] = [
    [ITEMS.fileParameters, required, u32(values.blockSize, flags)],
    [ITEMS.diskSize, ofDisk, size],
    [ITEMS.diskId, ofDisk, values.diskId],
    [ITEMS.logicalSector, ofDisk, u32(values.logicalSectorSize)],
    [ITEMS.physicalSector, ofDisk, u32(values.physicalSectorSize)],
  ]
  if (values.parentLocator !== undefined) contents.push([ITEMS.parentLocator, required, values.parentLocator])

  const total = contents.reduce((sum, [, , data]) => sum + data.length, TABLE_BYTES)
  const bytes = new Uint8Array(total)
  const view = viewOf(bytes)
  putAscii(bytes, 0, SIGNATURE)
  view.setUint16(10, contents.length, true)
  let place = TABLE_BYTES
  contents.forEach(([guid, itemFlags, data], i) => {
    const entry = ENTRIES + i * ENTRY_BYTES
    bytes.set(guid, entry)
    view.setUint32(entry + 16, place, true)
    view.setUint32(entry + 20, data.length, true)
    view.setUint32(entry + 24, itemFlags, true)
    bytes.set(data, place)
    place += data.length
  })
  return bytes
}

function decodeTable(table: Uint8Array, regionLength: number, place: string): MetadataItem[] {
  if (asciiAt(table, 0, 8) !== SIGNATURE)
    throw new DiskImageError('corrupt', `${place}: the signature is not "${SIGNATURE}"`)
  const view = viewOf(table)
  const count = view.getUint16(10, true)
  if (count > MAX_TABLE_ENTRIES)
    throw new DiskImageError('corrupt', `${place}: ${count} entries, at most ${MAX_TABLE_ENTRIES} fit`)
  const items: MetadataItem[] = []
  for (let i = 0; i < count; i++) {
    const entry = ENTRIES + i * ENTRY_BYTES
    const item = {
      guid: table.slice(entry, entry + 16),
      offset: view.getUint32(entry + 16, true),
      length: view.getUint32(entry + 20, true),
      flags: view.getUint32(entry + 24, true),
    }
    const empty = item.length === 0 && item.offset === 0
    if (!empty && (item.offset < TABLE_BYTES || item.length > MAX_ITEM || item.offset + item.length > regionLength)) {
      throw new DiskImageError(
        'corrupt',
        `${place}: item ${formatGuid(item.guid)} has ${item.length} bytes at ${at(item.offset)}, outside the region of ${regionLength} bytes`,
      )
    }
    const user = item.flags & FLAG.user
    if (items.some((other) => (other.flags & FLAG.user) === user && sameBytes(other.guid, item.guid))) {
      throw new DiskImageError('corrupt', `${place}: item ${formatGuid(item.guid)} is there twice`)
    }
    const known = user === 0 && Object.values(ITEMS).some((guid) => sameBytes(guid, item.guid))
    if (!known && (item.flags & FLAG.required) !== 0) {
      throw new DiskImageError(
        'unsupported',
        `${place}: item ${formatGuid(item.guid)} is unknown and marked required; a newer program is needed`,
      )
    }
    items.push(item)
  }
  return items
}

function u32(...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * numbers.length)
  const view = viewOf(bytes)
  for (const [i, number] of numbers.entries()) view.setUint32(4 * i, number, true)
  return bytes
}

function isSectorSize(value: number): value is SectorSize {
  return value === 512 || value === 4096
}
