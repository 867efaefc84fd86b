import type { ReadBytes } from '../byte-source.ts'
import { viewOf } from '../byte-source.ts'

/** A file of a FAT volume. */
export interface FatFile {
  /** With `/` between folders, long names where there are some. */
  readonly path: string
  readonly size: number
  readonly firstCluster: number
}

interface Geometry {
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

/** Folders deeper than this, and more files than that, are not followed: the volume lies. */
const MAX_DEPTH = 32
const MAX_FILES = 100_000
const FAT_CHUNK = 4096

/** Reads FAT12, FAT16 and FAT32 volumes (Microsoft's FAT specification, 1.03); nothing in them is believed unchecked. */
export class FatVolume {
  readonly #read: ReadBytes
  readonly #geometry: Geometry
  readonly #fatChunks = new Map<number, Uint8Array>()

  private constructor(read: ReadBytes, geometry: Geometry) {
    this.#read = read
    this.#geometry = geometry
  }

  /** @returns undefined when the bytes are no FAT volume of at most `size` bytes. */
  static async open(read: ReadBytes, size: number): Promise<FatVolume | undefined> {
    if (size < 65_536) return undefined
    const geometry = parseBootSector(await read(0, 4096), size)
    return geometry === undefined ? undefined : new FatVolume(read, geometry)
  }

  get type(): string {
    return `FAT${this.#geometry.bits}`
  }

  /** Every file, folders first come first. */
  async files(): Promise<FatFile[]> {
    const files: FatFile[] = []
    const { bits, rootOffset, rootBytes, rootCluster } = this.#geometry
    const root = bits === 32 ? await this.#readChain(rootCluster) : await this.#read(rootOffset, rootBytes)
    await this.#walk(root, '', 0, files)
    return files
  }

  async readFile(file: FatFile): Promise<Uint8Array> {
    return (await this.#readChain(file.firstCluster, file.size)).subarray(0, file.size)
  }

  async #walk(folder: Uint8Array, prefix: string, depth: number, files: FatFile[]): Promise<void> {
    for (const entry of parseDirectory(folder)) {
      if (files.length >= MAX_FILES) return
      const path = prefix + entry.name
      if (!entry.isFolder) files.push({ path, size: entry.size, firstCluster: entry.firstCluster })
      else if (depth < MAX_DEPTH)
        await this.#walk(await this.#readChain(entry.firstCluster), `${path}/`, depth + 1, files)
    }
  }

  /** The clusters of a chain, up to `limit` bytes; runs of neighbours are read at once. A loop ends at the volume's size. */
  async #readChain(first: number, limit = 2 ** 24): Promise<Uint8Array> {
    const { clusterBytes, clusterCount, dataOffset } = this.#geometry
    const wanted = Math.min(Math.ceil(limit / clusterBytes), clusterCount)
    const parts: Uint8Array[] = []
    let taken = 0
    for (let cluster = first; taken < wanted && this.#isCluster(cluster); ) {
      let run = 1
      let next = await this.#nextCluster(cluster)
      while (next === cluster + run && taken + run < wanted) {
        run++
        next = await this.#nextCluster(cluster + run - 1)
      }
      parts.push(await this.#read(dataOffset + (cluster - 2) * clusterBytes, run * clusterBytes))
      taken += run
      cluster = next
    }
    return concat(parts)
  }

  #isCluster(cluster: number): boolean {
    return cluster >= 2 && cluster < this.#geometry.clusterCount + 2
  }

  async #nextCluster(cluster: number): Promise<number> {
    const { bits } = this.#geometry
    if (bits === 12) {
      const at = cluster + Math.floor(cluster / 2)
      const word = (await this.#fatByte(at)) | ((await this.#fatByte(at + 1)) << 8)
      return cluster % 2 === 0 ? word & 0xfff : word >> 4
    }
    const width = bits / 8
    const view = viewOf(await this.#fatChunk(cluster * width))
    const at = (cluster * width) % FAT_CHUNK
    return bits === 16 ? view.getUint16(at, true) : view.getUint32(at, true) & 0x0fff_ffff
  }

  async #fatByte(at: number): Promise<number> {
    return (await this.#fatChunk(at))[at % FAT_CHUNK] ?? 0
  }

  async #fatChunk(at: number): Promise<Uint8Array> {
    const index = Math.floor(at / FAT_CHUNK)
    let chunk = this.#fatChunks.get(index)
    if (chunk === undefined) {
      const { fatOffset, fatBytes } = this.#geometry
      chunk = new Uint8Array(FAT_CHUNK)
      chunk.set(await this.#read(fatOffset + index * FAT_CHUNK, Math.min(FAT_CHUNK, fatBytes - index * FAT_CHUNK)))
      this.#fatChunks.set(index, chunk)
    }
    return chunk
  }
}

function parseBootSector(sector: Uint8Array, size: number): Geometry | undefined {
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
  const bits = clusterCount < 4085 ? 12 : clusterCount < 65_525 ? 16 : 32
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

interface DirectoryEntry {
  readonly name: string
  readonly isFolder: boolean
  readonly size: number
  readonly firstCluster: number
}

function* parseDirectory(bytes: Uint8Array): Generator<DirectoryEntry> {
  const view = viewOf(bytes)
  let longName = ''
  for (let at = 0; at + 32 <= bytes.length; at += 32) {
    const lead = view.getUint8(at)
    const attributes = view.getUint8(at + 11)
    if (lead === 0) return
    if (lead === 0xe5) longName = ''
    else if (attributes === 0x0f) longName = longNamePart(view, at) + (lead & 0x40 ? '' : longName)
    else {
      const name = longName === '' ? shortName(bytes, at) : longName
      longName = ''
      if ((attributes & 0x08) !== 0 || lead === 0x2e) continue
      yield {
        name,
        isFolder: (attributes & 0x10) !== 0,
        size: view.getUint32(at + 28, true),
        firstCluster: view.getUint16(at + 20, true) * 65_536 + view.getUint16(at + 26, true),
      }
    }
  }
}

const LONG_NAME_OFFSETS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]

function longNamePart(view: DataView, at: number): string {
  let part = ''
  for (const offset of LONG_NAME_OFFSETS) {
    const unit = view.getUint16(at + offset, true)
    if (unit === 0 || unit === 0xffff) break
    part += String.fromCharCode(unit)
  }
  return part
}

function shortName(bytes: Uint8Array, at: number): string {
  const text = (from: number, to: number): string =>
    new TextDecoder('latin1').decode(bytes.subarray(at + from, at + to)).trimEnd()
  const extension = text(8, 11)
  return extension === '' ? text(0, 8) : `${text(0, 8)}.${extension}`
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0] !== undefined) return parts[0]
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
