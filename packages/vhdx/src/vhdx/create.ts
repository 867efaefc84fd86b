import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import { isPowerOfTwo, MIB, roundUp, TIB, viewOf } from '../shared/bytes.ts'
import type { Environment } from '../shared/environment.ts'
import { randomGuid } from '../shared/guid.ts'
import type { SectorSize } from '../virtual-disk.ts'
import { BAT_ENTRY_BYTES, encodeBatEntry } from './bat.ts'
import { batGeometry, payloadIndex } from './bat-geometry.ts'
import { encodeFileIdentifier } from './file-identifier.ts'
import { encodeHeader } from './header.ts'
import { BLOCK, HEADER_OFFSETS, MAX_BLOCK, MAX_DISK, MIN_BLOCK, REGION_TABLE_OFFSETS, REGIONS } from './layout.ts'
import { encodeMetadata } from './metadata.ts'
import { encodeRegionTable } from './region-table.ts'

const CREATOR = '@bis/vhdx'
const LOG_OFFSET = MIB
const LOG_LENGTH = MIB
const METADATA_OFFSET = 2 * MIB
const BAT_OFFSET = 3 * MIB
const TABLE_STEP = MIB

export interface VhdxLayout {
  type: 'fixed' | 'dynamic' | 'differencing'
  /** Parent locator item of a differencing image. */
  parentLocator?: Uint8Array
  /** Disk size in bytes: whole logical sectors, up to 64 TiB. */
  sizeBytes: number
  /** Power of two, 1–256 MiB. Default 2 MiB up to 4 TiB of disk, 32 MiB above. */
  blockSize?: number
  /** Default 512. */
  logicalSectorSize?: SectorSize
  /** Default 4096. */
  physicalSectorSize?: SectorSize
  /** 16 bytes. Default random. */
  diskId?: Uint8Array
}

/** Writes an empty image. The medium must be empty; it is flushed at the end. */
export async function createVhdx(backend: Backend, layout: VhdxLayout, environment: Environment): Promise<void> {
  const values = {
    diskSize: layout.sizeBytes,
    blockSize: layout.blockSize ?? (layout.type !== 'differencing' && layout.sizeBytes > 4 * TIB ? 32 * MIB : 2 * MIB),
    logicalSectorSize: layout.logicalSectorSize ?? 512,
    physicalSectorSize: layout.physicalSectorSize ?? 4096,
    diskId: layout.diskId ?? randomGuid(environment),
    leaveBlocksAllocated: layout.type === 'fixed',
    hasParent: layout.parentLocator !== undefined,
    ...(layout.parentLocator === undefined ? {} : { parentLocator: layout.parentLocator }),
  }
  check(values)
  const geometry = batGeometry(values)
  const batLength = roundUp(geometry.entries * BAT_ENTRY_BYTES, MIB)
  const dataOffset = BAT_OFFSET + batLength
  const fixed = layout.type === 'fixed'
  await backend.truncate(dataOffset + (fixed ? geometry.payloadBlocks * values.blockSize : 0))

  // A table of zeros says "not present" everywhere, which a grown file already does.
  if (fixed) await writeFullTable(backend, geometry, dataOffset, values.blockSize)
  await backend.write(METADATA_OFFSET, encodeMetadata(values))
  const regionTable = encodeRegionTable([
    { guid: REGIONS.bat, offset: BAT_OFFSET, length: batLength, required: true },
    { guid: REGIONS.metadata, offset: METADATA_OFFSET, length: MIB, required: true },
  ])
  for (const offset of REGION_TABLE_OFFSETS) await backend.write(offset, regionTable)
  const header = {
    fileWriteGuid: randomGuid(environment),
    dataWriteGuid: randomGuid(environment),
    logGuid: new Uint8Array(16),
    logVersion: 0,
    version: 1,
    logLength: LOG_LENGTH,
    logOffset: LOG_OFFSET,
  }
  await backend.write(HEADER_OFFSETS[0], encodeHeader({ ...header, sequence: 1 }))
  await backend.write(HEADER_OFFSETS[1], encodeHeader({ ...header, sequence: 2 }))
  // The signature last: what was left half made is then no image.
  await backend.flush()
  await backend.write(0, encodeFileIdentifier(CREATOR))
  await backend.flush()
}

function check(values: {
  diskSize: number
  blockSize: number
  logicalSectorSize: number
  physicalSectorSize: number
  diskId: Uint8Array
}): void {
  const { diskSize, blockSize, logicalSectorSize, physicalSectorSize, diskId } = values
  const refuse = (message: string) => {
    throw new DiskImageError('invalid-option', message)
  }
  for (const sector of [logicalSectorSize, physicalSectorSize]) {
    if (sector !== 512 && sector !== 4096) refuse(`sector size ${sector}: VHDX knows 512 and 4096`)
  }
  if (!isPowerOfTwo(blockSize) || blockSize < MIN_BLOCK || blockSize > MAX_BLOCK) {
    refuse(`block size ${blockSize}: VHDX wants a power of two from ${MIN_BLOCK} (1 MiB) to ${MAX_BLOCK} (256 MiB)`)
  }
  checkVhdxSize(diskSize, logicalSectorSize)
  if (diskId.length !== 16) refuse(`disk id of ${diskId.length} bytes: it has 16`)
}

/** Throws for a disk size no VHDX can have. */
export function checkVhdxSize(diskSize: number, logicalSectorSize: number): void {
  if (!Number.isSafeInteger(diskSize) || diskSize <= 0 || diskSize > MAX_DISK || diskSize % logicalSectorSize !== 0) {
    throw new DiskImageError(
      'invalid-option',
      `disk size ${diskSize}: VHDX wants a whole number of ${logicalSectorSize}-byte sectors, up to ${MAX_DISK} (64 TiB)`,
    )
  }
}

/** Entries that place every block one after the other. */
async function writeFullTable(
  backend: Backend,
  geometry: ReturnType<typeof batGeometry>,
  dataOffset: number,
  blockSize: number,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(TABLE_STEP, geometry.entries * BAT_ENTRY_BYTES))
  const view = viewOf(buffer)
  const perStep = buffer.length / BAT_ENTRY_BYTES
  let block = 0
  for (let first = 0; first < geometry.entries; first += perStep) {
    buffer.fill(0)
    const end = Math.min(geometry.entries, first + perStep)
    for (; block < geometry.payloadBlocks && payloadIndex(geometry, block) < end; block++) {
      const position = (payloadIndex(geometry, block) - first) * BAT_ENTRY_BYTES
      encodeBatEntry(view, position, BLOCK.present, dataOffset + block * blockSize)
    }
    await backend.write(BAT_OFFSET + first * BAT_ENTRY_BYTES, buffer.subarray(0, (end - first) * BAT_ENTRY_BYTES))
  }
}
