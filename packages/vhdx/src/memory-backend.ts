import type { Backend } from './backend.ts'
import { DiskImageError } from './errors.ts'
import { allZero } from './shared/bytes.ts'

const CHUNK = 65_536

/** A medium in memory that holds only chunks that something but zeros was written to, so a sparse 64 TiB image costs what its content costs. */
export class MemoryBackend implements Backend {
  readonly readOnly: boolean
  readonly #chunks = new Map<number, Uint8Array>()
  #size = 0

  /** Copies `content`; the medium starts empty without it. */
  constructor(content?: Uint8Array, options: { readOnly?: boolean } = {}) {
    this.readOnly = options.readOnly ?? false
    if (content !== undefined) this.#put(0, content)
  }

  /** Bytes of memory the content takes. */
  get allocatedBytes(): number {
    return this.#chunks.size * CHUNK
  }

  async read(offset: number, buffer: Uint8Array): Promise<number> {
    const length = Math.max(0, Math.min(buffer.length, this.#size - offset))
    for (let done = 0; done < length; ) {
      const position = offset + done
      const inChunk = position % CHUNK
      const step = Math.min(CHUNK - inChunk, length - done)
      const chunk = this.#chunks.get((position - inChunk) / CHUNK)
      if (chunk === undefined) buffer.fill(0, done, done + step)
      else buffer.set(chunk.subarray(inChunk, inChunk + step), done)
      done += step
    }
    return length
  }

  async write(offset: number, buffer: Uint8Array): Promise<void> {
    this.#mustBeWritable()
    this.#put(offset, buffer)
  }

  async flush(): Promise<void> {}

  async truncate(size: number): Promise<void> {
    this.#mustBeWritable()
    if (size < this.#size) {
      for (const index of this.#chunks.keys()) if (index * CHUNK >= size) this.#chunks.delete(index)
      const inChunk = size % CHUNK
      this.#chunks.get((size - inChunk) / CHUNK)?.fill(0, inChunk)
    }
    this.#size = size
  }

  async size(): Promise<number> {
    return this.#size
  }

  async close(): Promise<void> {}

  #mustBeWritable(): void {
    if (this.readOnly) throw new DiskImageError('read-only', 'this memory medium was made read-only')
  }

  #put(offset: number, buffer: Uint8Array): void {
    for (let done = 0; done < buffer.length; ) {
      const position = offset + done
      const inChunk = position % CHUNK
      const step = Math.min(CHUNK - inChunk, buffer.length - done)
      const index = (position - inChunk) / CHUNK
      let chunk = this.#chunks.get(index)
      const part = buffer.subarray(done, done + step)
      if (chunk === undefined && !allZero(part)) {
        chunk = new Uint8Array(CHUNK)
        this.#chunks.set(index, chunk)
      }
      chunk?.set(part, inChunk)
      done += step
    }
    this.#size = Math.max(this.#size, offset + buffer.length)
  }
}
