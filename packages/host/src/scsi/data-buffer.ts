import { WindowCache } from './window-cache.ts'

/**
 * Where a command's data goes or comes from: runs of memory in order, normally windows on a guest's memory. The object is
 * used again for the next command. Everything is bounded by `length`; nothing outside the runs is ever touched.
 */
export class DataBuffer {
  /** Bytes in all runs together. */
  length = 0
  /** Number of runs. */
  count = 0
  readonly #bytes: Uint8Array[] = []
  readonly #starts: number[] = []
  readonly #lengths: number[] = []
  readonly #windows: WindowCache

  /** @param windows shared by the buffers of one guest */
  constructor(windows = new WindowCache(1)) {
    this.#windows = windows
  }

  clear(): void {
    this.length = 0
    this.count = 0
  }

  /** Appends `length` bytes of `bytes` from `start` on; joins them to the last run where they follow it. */
  add(bytes: Uint8Array, start: number, length: number): void {
    const last = this.count - 1
    if (last >= 0 && this.#bytes[last] === bytes) {
      const lastLength = this.#lengths[last] ?? 0
      if ((this.#starts[last] ?? 0) + lastLength === start) {
        this.#lengths[last] = lastLength + length
        this.length += length
        return
      }
    }
    this.#bytes[this.count] = bytes
    this.#starts[this.count] = start
    this.#lengths[this.count] = length
    this.count++
    this.length += length
  }

  runLength(index: number): number {
    return this.#lengths[index] ?? 0
  }

  /** The first `length` bytes of a run, in place. */
  window(index: number, length: number): Uint8Array {
    const bytes = this.#bytes[index] ?? EMPTY
    return this.#windows.get(bytes, this.#starts[index] ?? 0, Math.min(length, this.runLength(index)))
  }

  /** Copies into the buffer from `offset` on. @returns the bytes that fitted. */
  write(offset: number, source: Uint8Array, length = source.length): number {
    let done = 0
    let skip = offset
    for (let index = 0; index < this.count && done < length; index++) {
      const run = this.runLength(index)
      if (skip >= run) {
        skip -= run
        continue
      }
      const part = Math.min(run - skip, length - done)
      this.#bytes[index]?.set(source.subarray(done, done + part), (this.#starts[index] ?? 0) + skip)
      done += part
      skip = 0
    }
    return done
  }

  /** Copies out of the buffer, once. @returns the bytes there were. */
  read(offset: number, target: Uint8Array): number {
    let done = 0
    let skip = offset
    for (let index = 0; index < this.count && done < target.length; index++) {
      const run = this.runLength(index)
      if (skip >= run) {
        skip -= run
        continue
      }
      const part = Math.min(run - skip, target.length - done)
      const start = (this.#starts[index] ?? 0) + skip
      target.set((this.#bytes[index] ?? EMPTY).subarray(start, start + part), done)
      done += part
      skip = 0
    }
    return done
  }

  /** Whether every run is a whole number of `unit` bytes, so that a disk can work on the runs in place. */
  isAlignedTo(unit: number): boolean {
    for (let index = 0; index < this.count; index++) if (this.runLength(index) % unit !== 0) return false
    return true
  }
}

const EMPTY = new Uint8Array(0)
