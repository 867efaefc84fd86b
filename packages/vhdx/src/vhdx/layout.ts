import { KIB, MIB, TIB } from '../shared/bytes.ts'
import { parseGuid } from '../shared/guid.ts'

/** Places and numbers fixed by the format: [MS-VHDX] sections 2.1–2.6. Everything is little-endian. */

export const SECTOR = 4 * KIB
export const HEADER_OFFSETS = [64 * KIB, 128 * KIB] as const
export const REGION_TABLE_OFFSETS = [192 * KIB, 256 * KIB] as const
export const REGION_TABLE_BYTES = 64 * KIB
/** Regions and blocks begin here at the earliest. */
export const FIRST_FREE = MIB
export const MAX_TABLE_ENTRIES = 2047

export const MIN_BLOCK = MIB
export const MAX_BLOCK = 256 * MIB
export const MAX_DISK = 64 * TIB
/** A chunk is the part of the disk that one sector bitmap block covers: this many logical sectors. */
export const CHUNK_SECTORS = 2 ** 23
export const BITMAP_BLOCK_BYTES = MIB

export const REGIONS = {
  bat: guid('2dc27766-f623-4200-9d64-115e9bfd4a08'),
  metadata: guid('8b7ca206-4790-4b9a-b8fe-575f050f886e'),
} as const

export const ITEMS = {
  fileParameters: guid('caa16737-fa36-4d43-b3b6-33f0aa44e76b'),
  diskSize: guid('2fa54224-cd1b-4876-b211-5dbed83bf4b8'),
  diskId: guid('beca12ab-b2e6-4523-93ef-c309e000c746'),
  logicalSector: guid('8141bf1d-a96f-4709-ba47-f233a8faab5f'),
  physicalSector: guid('cda348c7-445d-4471-9cc9-e9885251c556'),
  parentLocator: guid('a8d35f2d-b30b-454d-abf7-d3d84834ab0c'),
} as const

/** Payload block states in the low three bits of a BAT entry. 4 is reserved. */
export const BLOCK = {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  /** What images of drafts of the format have where the final one has 3. */
  unmappedDraft: 5,
  present: 6,
  partial: 7,
} as const
export type BlockState = (typeof BLOCK)[keyof typeof BLOCK]

function guid(text: string): Uint8Array {
  const bytes = parseGuid(text)
  if (bytes === undefined) throw new TypeError(`not a GUID: ${text}`)
  return bytes
}
