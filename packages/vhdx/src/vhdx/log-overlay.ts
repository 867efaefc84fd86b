import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import { SECTOR } from './layout.ts'
import type { LogEffect } from './log-effect.ts'
import { firstEndingAfter } from './log-effect.ts'

/** The image as it would be after replay, for a file that may not be changed: the log's effect in memory over the medium. */
export class LogOverlay implements Backend {
  readonly readOnly = true
  readonly #under: Backend
  readonly #effect: LogEffect
  readonly #size: number

  private constructor(under: Backend, effect: LogEffect, size: number) {
    this.#under = under
    this.#effect = effect
    this.#size = size
  }

  static async over(under: Backend, effect: LogEffect): Promise<LogOverlay> {
    return new LogOverlay(under, effect, Math.max(effect.size, await under.size()))
  }

  async read(offset: number, buffer: Uint8Array): Promise<number> {
    const { sectors, zeroed } = this.#effect
    const length = Math.max(0, Math.min(buffer.length, this.#size - offset))
    const end = offset + length
    const part = buffer.subarray(0, length)
    const got = await this.#under.read(offset, part)
    part.fill(0, got)
    for (let i = firstEndingAfter(zeroed, offset); i < zeroed.length; i++) {
      const range = zeroed[i]
      if (range === undefined || range.offset >= end) break
      part.fill(0, Math.max(0, range.offset - offset), Math.min(length, range.end - offset))
    }
    for (let sector = Math.floor(offset / SECTOR); sector * SECTOR < end; sector++) {
      const data = sectors.get(sector)
      if (data === undefined) continue
      const start = sector * SECTOR
      const from = Math.max(start, offset)
      part.set(data.subarray(from - start, Math.min(start + SECTOR, end) - start), from - offset)
    }
    return length
  }

  async write(): Promise<void> {
    throw new DiskImageError('read-only', 'the image is open for reading only')
  }

  async truncate(): Promise<void> {
    throw new DiskImageError('read-only', 'the image is open for reading only')
  }

  async flush(): Promise<void> {}

  async size(): Promise<number> {
    return this.#size
  }

  close(): Promise<void> {
    return this.#under.close()
  }
}
