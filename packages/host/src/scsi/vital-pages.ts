import { putU64 } from './block-range.ts'
import type { Disk } from './disk.ts'
import type { ScsiRequest } from './request.ts'
import { putText } from './text.ts'

/** UNMAP takes at most so many ranges at once. */
export const MAX_UNMAP_DESCRIPTORS = 4096
/** A signature by which Microsoft's initiators know page CFh. */
const MICROSOFT_SIGNATURE = [
  0x15, 0x8f, 0xa9, 0x89, 0x28, 0xc9, 0x8b, 0x4d, 0x94, 0xcd, 0xef, 0x51, 0xfa, 0xa9, 0x9d, 0x33,
]

/** A vital product data page of a disk, or undefined when it has none of that number. */
export function vitalPage(unit: Disk, page: number, request: ScsiRequest): Uint8Array | undefined {
  switch (page) {
    case 0x00:
      return pageOf(0x00, supportedPages(unit))
    case 0x80:
      return unit.serial === undefined
        ? undefined
        : pageOf(
            0x80,
            [...unit.serial].map((c) => c.charCodeAt(0)),
          )
    case 0x83:
      return identification(identityOf(unit, request))
    case 0xb0:
      return unit.unmap ? blockLimits(unit) : undefined
    case 0xb1:
      return unit.unmap ? pageOf(0xb1, [0, 1], 0x3c) : undefined
    case 0xb2:
      return unit.unmap ? pageOf(0xb2, [1, 0x80, 2, 0]) : undefined
    case 0xce:
      return pageOf(0xce, [1, 1, 0, 0])
    case 0xcf:
      return pageOf(0xcf, [1, 0, 0, 0, ...MICROSOFT_SIGNATURE])
    default:
      return undefined
  }
}

function identification(id: Uint8Array): Uint8Array {
  return pageOf(0x83, [...t10Designator(id), ...naaDesignator(id)])
}

/** A disk without an identity has that of its place, or guests would take two of them for one. */
function identityOf({ backend }: Disk, { path, target, lun }: ScsiRequest): Uint8Array {
  if (backend.diskId.some((byte) => byte !== 0)) return backend.diskId
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, path, target, lun)
}

/** Longest WRITE SAME, in sectors. */
export function maxWriteSameBlocks(unit: Disk): number {
  return Math.max(1, Math.floor(unit.maxWriteSameBytes / unit.sectorSize))
}

/** Designator by T10 vendor id, binary: "Msft    " and the disk's id. */
export function t10Designator(id: Uint8Array): number[] {
  const text = new Uint8Array(8)
  putText(text, 0, 'Msft    ')
  return [1, 1, 0, 24, ...text, ...id.subarray(0, 16)]
}

/** Header and content of a page; `length` pads the content with zeros. */
export function pageOf(page: number, content: readonly number[], length = content.length, type = 0): Uint8Array {
  const data = new Uint8Array(4 + length)
  data[0] = type
  data[1] = page
  data[2] = length >>> 8
  data[3] = length & 0xff
  data.set(content, 4)
  return data
}

function supportedPages(unit: Disk): number[] {
  const serial = unit.serial === undefined ? [] : [0x80]
  const thin = unit.unmap ? [0xb0, 0xb1, 0xb2] : []
  return [0x00, ...serial, 0x83, ...thin, 0xce, 0xcf]
}

/** NAA 6 with Microsoft's OUI 00-22-48 and parts of the disk's id. */
function naaDesignator(id: Uint8Array): number[] {
  return [1, 3, 0, 16, 0x60, 0x02, 0x24, 0x80, ...id.subarray(0, 6), ...id.subarray(10, 16)]
}

function blockLimits(unit: Disk): Uint8Array {
  const page = pageOf(0xb0, [], 0x3c)
  const view = new DataView(page.buffer)
  const sectors = (bytes: number): number => Math.max(1, Math.floor(bytes / unit.sectorSize))
  view.setUint16(6, sectors(unit.backend.physicalSectorSize))
  view.setUint32(8, sectors(unit.maxTransferBytes))
  view.setUint32(20, 0xffff_ffff)
  view.setUint32(24, MAX_UNMAP_DESCRIPTORS)
  view.setUint32(28, Math.min(sectors(unit.backend.blockSize), 0xffff_ffff))
  view.setUint32(32, 0x8000_0000)
  putU64(view, 36, maxWriteSameBlocks(unit))
  return page
}
