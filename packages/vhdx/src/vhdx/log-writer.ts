import type { Backend } from '../backend.ts'
import { SECTOR } from './layout.ts'
import { encodeLogEntry, entrySectors } from './log-entry.ts'

/** Data sectors one entry may hold at most: with its descriptors it stays under half of the smallest log. */
export const MAX_ENTRY_SECTORS = 120

/**
 * Appends entries to the log ring. Each is complete in itself (its tail is its own place), which is right because
 * everything logged before is stable in its place by then. The entry written before is never overwritten,
 * so at any cut of power one whole entry is there.
 */
export class LogWriter {
  readonly #backend: Backend
  readonly #logOffset: number
  readonly #logLength: number
  #guid: Uint8Array
  #position = 0
  #sequence = 0

  constructor(backend: Backend, logOffset: number, logLength: number, guid: Uint8Array) {
    this.#backend = backend
    this.#logOffset = logOffset
    this.#logLength = logLength
    this.#guid = guid
  }

  get guid(): Uint8Array {
    return this.#guid
  }

  /** Begins a new log behind the old one's last entry; a header must name it once it has a stable entry. */
  restart(guid: Uint8Array): void {
    this.#guid = guid
  }

  /** Writes one entry; the caller flushes. After a failure the same place is used again. */
  async append(
    sectors: readonly { offset: number; bytes: Uint8Array }[],
    file: { flushedFileSize: number; lastFileSize: number },
  ): Promise<void> {
    const position = this.#position
    const sequence = this.#sequence + 1
    const bytes = encodeLogEntry({ sequence, tail: position, logGuid: this.#guid, sectors, ...file })
    const first = Math.min(bytes.length, this.#logLength - position)
    await this.#backend.write(this.#logOffset + position, bytes.subarray(0, first))
    if (first < bytes.length) await this.#backend.write(this.#logOffset, bytes.subarray(first))
    this.#sequence = sequence
    this.#position = (position + entrySectors(sectors.length) * SECTOR) % this.#logLength
  }
}
