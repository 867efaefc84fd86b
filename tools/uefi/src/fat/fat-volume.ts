import type { ReadBytes } from '../byte-source.ts'
import { viewOf } from '../byte-source.ts'
import { findEntry, parseDirectory } from './fat-directory.ts'
import type { FatGeometry } from './fat-geometry.ts'
import { parseBootSector } from './fat-geometry.ts'

/** A file of a FAT volume. */
export interface FatFile {
  /** With `/` between folders, long names where there are some. */
  readonly path: string
  readonly size: number
  readonly firstCluster: number
}

/** Folders deeper than this, more of their bytes, and more files than that, are not followed: the volume lies. */
const MAX_DEPTH = 32
const MAX_FOLDER_BYTES = 2 ** 25
const MAX_FILES = 100_000
/** Bytes of one folder: 65,536 entries. */
const MAX_FOLDER = 2 ** 21
const FAT_CHUNK = 4096

/** The state of a walk over all folders. */
interface Walk {
  readonly files: FatFile[]
  readonly visited: Set<number>
  bytesLeft: number
}

/** Reads FAT12, FAT16 and FAT32 volumes (Microsoft's FAT specification, 1.03); nothing in them is believed unchecked. */
export class FatVolume {
  readonly #read: ReadBytes
  readonly #geometry: FatGeometry
  readonly #fatChunks = new Map<number, Uint8Array>()

  private constructor(read: ReadBytes, geometry: FatGeometry) {
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
    const walk: Walk = { files: [], visited: new Set(), bytesLeft: MAX_FOLDER_BYTES }
    await this.#walk(await this.#readRoot(), '', 0, walk)
    return walk.files
  }

  /**
   * The file of a path, by long or short names of any case (`EFI/BOOT/BOOTX64.EFI`).
   * @returns undefined when there is none, or it is a folder
   */
  async find(path: string): Promise<FatFile | undefined> {
    const names = path.split('/')
    const found: string[] = []
    let folder = await this.#readRoot()
    for (const [i, name] of names.entries()) {
      const wantFolder = i < names.length - 1
      const entry = findEntry(folder, name, wantFolder)
      if (entry === undefined) return undefined
      found.push(entry.name)
      const firstCluster = this.#firstCluster(entry.firstCluster)
      if (!wantFolder) return { path: found.join('/'), size: entry.size, firstCluster }
      folder = await this.#readChain(firstCluster)
    }
    return undefined
  }

  /** A file's bytes; fewer than its size when its clusters end before. */
  async readFile(file: FatFile): Promise<Uint8Array> {
    return (await this.#readChain(file.firstCluster, file.size)).subarray(0, file.size)
  }

  #readRoot(): Promise<Uint8Array> {
    const { bits, rootOffset, rootBytes, rootCluster } = this.#geometry
    return bits === 32 ? this.#readChain(rootCluster) : this.#read(rootOffset, rootBytes)
  }

  async #walk(folder: Uint8Array, prefix: string, depth: number, walk: Walk): Promise<void> {
    walk.bytesLeft -= folder.length
    for (const entry of parseDirectory(folder)) {
      if (walk.files.length >= MAX_FILES || walk.bytesLeft < 0) return
      const path = prefix + entry.name
      const firstCluster = this.#firstCluster(entry.firstCluster)
      if (!entry.isFolder) walk.files.push({ path, size: entry.size, firstCluster })
      else if (depth < MAX_DEPTH && !walk.visited.has(firstCluster)) {
        walk.visited.add(firstCluster)
        await this.#walk(await this.#readChain(firstCluster), `${path}/`, depth + 1, walk)
      }
    }
  }

  /** The upper half of an entry's cluster number means something else on FAT12 and FAT16. */
  #firstCluster(cluster: number): number {
    return this.#geometry.bits === 32 ? cluster : cluster % 65_536
  }

  /** The clusters of a chain, up to `limit` bytes; runs of neighbours are read at once. A loop ends it. */
  async #readChain(first: number, limit = MAX_FOLDER): Promise<Uint8Array> {
    const { clusterBytes, clusterCount, dataOffset } = this.#geometry
    const wanted = Math.min(Math.ceil(limit / clusterBytes), clusterCount)
    const parts: Uint8Array[] = []
    const starts = new Set<number>()
    let taken = 0
    for (let cluster = first; taken < wanted && this.#isCluster(cluster) && !starts.has(cluster); ) {
      starts.add(cluster)
      let run = 1
      let next = await this.#nextCluster(cluster)
      while (next === cluster + run && taken + run < wanted && this.#isCluster(next)) {
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
