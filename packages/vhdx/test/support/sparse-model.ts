import type { Random } from './random.ts'

/** What a disk should hold: sectors by number, all others zero. */
export class SparseModel {
  readonly sectorSize: number
  readonly #sectors = new Map<number, Uint8Array>()

  constructor(sectorSize: number) {
    this.sectorSize = sectorSize
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; done += this.sectorSize) {
      this.#sectors.set((offset + done) / this.sectorSize, bytes.slice(done, done + this.sectorSize))
    }
  }

  zero(offset: number, length: number): void {
    for (let done = 0; done < length; done += this.sectorSize) this.#sectors.delete((offset + done) / this.sectorSize)
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length; done += this.sectorSize) {
      const sector = this.#sectors.get((offset + done) / this.sectorSize)
      if (sector !== undefined) bytes.set(sector, done)
    }
    return bytes
  }

  /** Sector numbers that hold something. */
  get written(): number[] {
    return [...this.#sectors.keys()]
  }

  truncate(size: number): void {
    for (const sector of this.#sectors.keys()) if (sector * this.sectorSize >= size) this.#sectors.delete(sector)
  }

  clone(): SparseModel {
    const copy = new SparseModel(this.sectorSize)
    for (const [sector, bytes] of this.#sectors) copy.#sectors.set(sector, bytes)
    return copy
  }
}

/** Places that tend to find mistakes: around block borders, the start, and the end. */
export function interestingRange(
  random: Random,
  disk: { sizeBytes: number; blockSize: number; logicalSectorSize: number },
  maxLength: number,
): [offset: number, length: number] {
  const { sizeBytes, blockSize, logicalSectorSize: sector } = disk
  const sectors = Math.floor(maxLength / sector)
  const length = Math.min(sizeBytes, sector * (1 + random.below(random.chance(0.5) ? Math.min(16, sectors) : sectors)))
  const blocks = Math.ceil(sizeBytes / blockSize)
  const around = random.chance(0.6)
    ? random.below(blocks) * blockSize + (random.below(9) - 4) * sector
    : random.chance(0.2)
      ? sizeBytes - length
      : random.below(Math.floor(sizeBytes / sector)) * sector
  const offset = Math.max(0, Math.min(sizeBytes - length, around))
  return [offset - (offset % sector), length]
}
