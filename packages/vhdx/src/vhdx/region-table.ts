import { at, DiskImageError } from '../errors.ts'
import { asciiAt, getU64, MIB, putAscii, setU64, viewOf } from '../shared/bytes.ts'
import { crc32c } from '../shared/crc32c.ts'
import { formatGuid, sameBytes } from '../shared/guid.ts'
import { FIRST_FREE, MAX_TABLE_ENTRIES, REGION_TABLE_BYTES, REGION_TABLE_OFFSETS, REGIONS } from './layout.ts'

/** Region table, [MS-VHDX] 2.2.3: where the block allocation table and the metadata are. Two equal copies. */

const SIGNATURE = 'regi'
const CHECKSUM = 4
const ENTRIES = 16
const ENTRY_BYTES = 32

export interface Region {
  guid: Uint8Array
  offset: number
  length: number
  required: boolean
}

export interface RegionTable {
  /** All regions, unknown optional ones included, in table order. */
  regions: Region[]
  bat: Region
  metadata: Region
}

/** Reads the first copy with a right checksum; throws when none has, or when its entries break the format. */
export function chooseRegionTable(copies: readonly [Uint8Array, Uint8Array]): RegionTable {
  const slot = copies.findIndex(isIntact)
  if (slot < 0) {
    throw new DiskImageError(
      'bad-checksum',
      `both VHDX region tables (at ${at(REGION_TABLE_OFFSETS[0])} and ${at(REGION_TABLE_OFFSETS[1])}) have a wrong signature or checksum; restore the image from a copy`,
    )
  }
  return decode(copies[slot as 0 | 1], `VHDX region table at ${at(REGION_TABLE_OFFSETS[slot as 0 | 1])}`)
}

export function isIntact(bytes: Uint8Array): boolean {
  return asciiAt(bytes, 0, 4) === SIGNATURE && viewOf(bytes).getUint32(CHECKSUM, true) === crc32c(bytes, CHECKSUM)
}

export function encodeRegionTable(regions: readonly Region[]): Uint8Array {
  const bytes = new Uint8Array(REGION_TABLE_BYTES)
  const view = viewOf(bytes)
  putAscii(bytes, 0, SIGNATURE)
  view.setUint32(8, regions.length, true)
  regions.forEach((region, i) => {
    const entry = ENTRIES + i * ENTRY_BYTES
    bytes.set(region.guid, entry)
    setU64(view, entry + 16, region.offset, true)
    view.setUint32(entry + 24, region.length, true)
    view.setUint32(entry + 28, region.required ? 1 : 0, true)
  })
  view.setUint32(CHECKSUM, crc32c(bytes, CHECKSUM), true)
  return bytes
}

function decode(bytes: Uint8Array, place: string): RegionTable {
  const view = viewOf(bytes)
  const count = view.getUint32(8, true)
  if (count > MAX_TABLE_ENTRIES)
    throw new DiskImageError('corrupt', `${place}: ${count} entries, at most ${MAX_TABLE_ENTRIES} fit`)
  const regions: Region[] = []
  for (let i = 0; i < count; i++) {
    const entry = ENTRIES + i * ENTRY_BYTES
    const region = {
      guid: bytes.slice(entry, entry + 16),
      offset: getU64(view, entry + 16, true),
      length: view.getUint32(entry + 24, true),
      required: (view.getUint32(entry + 28, true) & 1) === 1,
    }
    if (
      region.offset < FIRST_FREE ||
      region.offset % MIB !== 0 ||
      region.length % MIB !== 0 ||
      region.length === 0 ||
      !Number.isSafeInteger(region.offset)
    ) {
      throw new DiskImageError(
        'corrupt',
        `${place}: entry ${i} has ${region.length} bytes at ${at(region.offset)}; both must be whole MiB, at 1 MiB or later`,
      )
    }
    if (regions.some((other) => sameBytes(other.guid, region.guid))) {
      throw new DiskImageError('corrupt', `${place}: region ${formatGuid(region.guid)} is there twice`)
    }
    const known = Object.values(REGIONS).some((guid) => sameBytes(guid, region.guid))
    if (!known && region.required) {
      throw new DiskImageError(
        'unsupported',
        `${place}: region ${formatGuid(region.guid)} is unknown and marked required; a newer program is needed`,
      )
    }
    regions.push(region)
  }
  const bat = regions.find(({ guid }) => sameBytes(guid, REGIONS.bat))
  const metadata = regions.find(({ guid }) => sameBytes(guid, REGIONS.metadata))
  if (bat === undefined)
    throw new DiskImageError('corrupt', `${place}: no block allocation table among its ${count} regions`)
  if (metadata === undefined) throw new DiskImageError('corrupt', `${place}: no metadata among its ${count} regions`)
  return { regions, bat, metadata }
}
