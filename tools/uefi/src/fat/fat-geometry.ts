import { viewOf } from '../byte-source.ts'

/** Where the parts of a FAT volume lie; offsets and sizes in bytes. */
export interface FatGeometry {
  readonly bits: 12 | 16 | 32
  readonly sectorSize: number
  readonly clusterBytes: number
  readonly clusterCount: number
  readonly fatOffset: number
  readonly fatBytes: number
  readonly rootOffset: number
  readonly rootBytes: number
  readonly rootCluster: number
  readonly dataOffset: number
}

/** @returns undefined when the sector does not begin a FAT volume of at most `size` bytes */
export function parseBootSector(sector: Uint8Array, size: number): FatGeometry | undefined {
  const view = viewOf(sector)
  const sectorSize = view.getUint16(11, true)
  const clusterSectors = view.getUint8(13)
  const reserved = view.getUint16(14, true)
  const fats = view.getUint8(16)
  const rootBytes = view.getUint16(17, true) * 32
  const sectors = view.getUint16(19, true) || view.getUint32(32, true)
  const fatSectors = view.getUint16(22, true) || view.getUint32(36, true)
  if (view.getUint16(510, true) !== 0xaa55) return undefined
  if (![512, 1024, 2048, 4096].includes(sectorSize) || !isPowerOfTwo(clusterSectors)) return undefined
  if (reserved === 0 || fats === 0 || fats > 2 || fatSectors === 0 || sectors * sectorSize > size) return undefined
  const rootOffset = (reserved + fats * fatSectors) * sectorSize
  const dataOffset = rootOffset + Math.ceil(rootBytes / sectorSize) * sectorSize
  const clusterBytes = clusterSectors * sectorSize
  const clusterCount = Math.floor((sectors * sectorSize - dataOffset) / clusterBytes)
  if (clusterCount <= 0) return undefined
  // By the count alone small FAT32 volumes would not be; firmware and kernels go by the 16-bit FAT size.
  const bits = view.getUint16(22, true) === 0 ? 32 : clusterCount < 4085 ? 12 : 16
  const fatBytes = fatSectors * sectorSize
  if (fatBytes * 8 < (clusterCount + 2) * bits) return undefined
  const rootCluster = view.getUint32(44, true)
  const fatOffset = reserved * sectorSize
  return {
    bits,
    sectorSize,
    clusterBytes,
    clusterCount,
    fatOffset,
    fatBytes,
    rootOffset,
    rootBytes,
    rootCluster,
    dataOffset,
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0
}
