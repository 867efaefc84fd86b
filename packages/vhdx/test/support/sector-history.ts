import type { VirtualDisk } from '../../src/index.ts'
import { viewOf } from '../../src/shared/bytes.ts'

/** One thing a sector was made to hold: a tag of its own, or 0 for zeros. */
interface Version {
  tag: number
  issued: number
  completed: number
}

/**
 * What each sector may hold after a cut: what the last flush made stable, or anything written to it since. Sectors
 * carry their number and the tag of the write, so that content in a wrong place shows.
 */
export class SectorHistory {
  readonly #sectorSize: number
  readonly #versions = new Map<number, Version[]>()
  readonly #flushes: { issued: number; completed: number }[] = []
  #nextTag = 1

  constructor(sectorSize: number) {
    this.#sectorSize = sectorSize
  }

  /** Content for a write, and what to call when it is issued and when it has resolved. */
  write(offset: number, length: number, now: () => number): { bytes: Uint8Array; done(): void } {
    const tag = this.#nextTag++
    return { bytes: sectorContent(this.#sectorSize, offset, length, tag), done: this.#note(offset, length, tag, now) }
  }

  /** A trim or zeroing: old content or zeros until a flush, if `certain` zeros after. */
  zero(offset: number, length: number, now: () => number): { done(): void } {
    return { done: this.#note(offset, length, 0, now) }
  }

  flush(now: () => number): { done(): void } {
    const flush = { issued: now(), completed: Number.POSITIVE_INFINITY }
    this.#flushes.push(flush)
    return { done: () => (flush.completed = now()) }
  }

  /** Throws at the first sector of the disk that holds what it must not. */
  async check(disk: VirtualDisk, cut: number): Promise<void> {
    const stable = Math.max(
      Number.NEGATIVE_INFINITY,
      ...this.#flushes.filter(({ completed }) => completed <= cut).map(({ issued }) => issued),
    )
    const buffer = new Uint8Array(1024 * 1024)
    const view = viewOf(buffer)
    for (let offset = 0; offset < disk.sizeBytes; offset += buffer.length) {
      const length = Math.min(buffer.length, disk.sizeBytes - offset)
      await disk.read(offset, buffer.subarray(0, length))
      for (let at = 0; at < length; at += this.#sectorSize) {
        const sector = (offset + at) / this.#sectorSize
        const tag = view.getUint32(at, true)
        const last = view.getUint32(at + this.#sectorSize - 8, true)
        const home = view.getUint32(at + 4, true)
        if (last !== tag) throw new Error(`sector ${sector} is torn: tags ${tag} and ${last}`)
        if (tag !== 0 && home !== sector)
          throw new Error(`sector ${sector} holds content of sector ${home}, tag ${tag}`)
        const allowed = this.#allowed(sector, stable, cut)
        if (!allowed.includes(tag))
          throw new Error(`sector ${sector} holds tag ${tag}; only ${allowed.join(', ')} may be there`)
      }
    }
  }

  #allowed(sector: number, stable: number, cut: number): number[] {
    const versions = this.#versions.get(sector) ?? []
    let base = -1
    versions.forEach((version, i) => {
      if (version.completed < stable) base = i
    })
    const since = versions
      .slice(Math.max(0, base))
      .filter(({ issued }) => issued <= cut)
      .map(({ tag }) => tag)
    return base < 0 ? [0, ...since] : since
  }

  #note(offset: number, length: number, tag: number, now: () => number): () => void {
    const issued = now()
    const added: Version[] = []
    for (let at = 0; at < length; at += this.#sectorSize) {
      const sector = (offset + at) / this.#sectorSize
      const version = { tag, issued, completed: Number.POSITIVE_INFINITY }
      added.push(version)
      const versions = this.#versions.get(sector)
      if (versions === undefined) this.#versions.set(sector, [version])
      else versions.push(version)
    }
    return () => {
      const completed = now()
      for (const version of added) version.completed = completed
    }
  }
}

/** Sectors that carry their number and a tag, in every eight bytes. */
export function sectorContent(sectorSize: number, offset: number, length: number, tag: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const view = viewOf(bytes)
  for (let at = 0; at < length; at += 8) {
    view.setUint32(at, tag, true)
    view.setUint32(at + 4, Math.floor((offset + at) / sectorSize), true)
  }
  return bytes
}
