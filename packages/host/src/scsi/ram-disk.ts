import { BisError } from '@bis/hyperv-types'
import type { DiskBackend } from './backend.ts'

export type RamDiskErrorCode = 'out-of-range' | 'read-only' | 'unaligned'

export class RamDiskError extends BisError<RamDiskErrorCode> {
  override readonly name = 'RamDiskError'
}

export interface RamDiskOptions {
  readonly sizeBytes: number
  readonly logicalSectorSize?: 512 | 4096
  readonly physicalSectorSize?: 512 | 4096
  readonly blockSize?: number
  readonly diskId?: Uint8Array
  readonly readOnly?: boolean
}

const SLAB_BYTES = 2 ** 20
const PAGE_BYTES = 4096

/** A part of the disk that something was written to, and windows on its pages, so that reading one makes none. */
interface Slab {
  readonly bytes: Uint8Array
  readonly pages: readonly Uint8Array[]
}

/**
 * A disk in memory: everything is done at once. It takes memory where something was written, in slabs of 1 MiB; the rest,
 * and what was trimmed, reads as zero.
 */
export class RamDisk implements DiskBackend {
  readonly logicalSectorSize: number
  readonly physicalSectorSize: number
  readonly blockSize: number
  readonly diskId: Uint8Array
  readOnly: boolean
  #sizeBytes: number
  /** By their place on the disk; most may be missing. */
  readonly #slabs: (Slab | undefined)[] = []

  constructor(options: RamDiskOptions) {
    this.logicalSectorSize = options.logicalSectorSize ?? 512
    this.physicalSectorSize = options.physicalSectorSize ?? Math.max(4096, this.logicalSectorSize)
    this.blockSize = options.blockSize ?? this.physicalSectorSize
    this.diskId = options.diskId ?? new Uint8Array(16)
    this.readOnly = options.readOnly ?? false
    this.#sizeBytes = options.sizeBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Bytes of memory that the content takes. */
  get allocatedBytes(): number {
    return this.#slabs.reduce((sum, slab) => sum + (slab === undefined ? 0 : SLAB_BYTES), 0)
  }

  /** Grows with zeros, or cuts off. */
  resize(sizeBytes: number): void {
    if (sizeBytes < this.#sizeBytes) this.#clear(sizeBytes, this.#sizeBytes - sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  read(offset: number, target: Uint8Array): undefined {
    this.#check(offset, target.length)
    const { length } = target
    if (length === PAGE_BYTES && offset % PAGE_BYTES === 0) {
      const page = this.#slabs[Math.floor(offset / SLAB_BYTES)]?.pages[(offset % SLAB_BYTES) / PAGE_BYTES]
      if (page === undefined) target.fill(0)
      else target.set(page)
      return
    }
    for (let done = 0; done < length; ) {
      const at = (offset + done) % SLAB_BYTES
      const part = Math.min(SLAB_BYTES - at, length - done)
      const slab = this.#slabs[Math.floor((offset + done) / SLAB_BYTES)]
      if (slab === undefined) target.fill(0, done, done + part)
      else target.set(slab.bytes.subarray(at, at + part), done)
      done += part
    }
  }

  write(offset: number, source: Uint8Array): undefined {
    this.#check(offset, source.length, true)
    for (let done = 0; done < source.length; ) {
      const at = (offset + done) % SLAB_BYTES
      const part = Math.min(SLAB_BYTES - at, source.length - done)
      const whole = part === source.length ? source : source.subarray(done, done + part)
      this.#slab(Math.floor((offset + done) / SLAB_BYTES)).bytes.set(whole, at)
      done += part
    }
  }

  flush(): undefined {}

  trim(offset: number, length: number): undefined {
    this.#check(offset, length, true)
    this.#clear(offset, length)
  }

  writeZeroes(offset: number, length: number): undefined {
    this.trim(offset, length)
  }

  #slab(index: number): Slab {
    const found = this.#slabs[index]
    if (found !== undefined) return found
    const bytes = new Uint8Array(SLAB_BYTES)
    const pages = Array.from({ length: SLAB_BYTES / PAGE_BYTES }, (_, page) =>
      bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES),
    )
    const slab = { bytes, pages }
    this.#slabs[index] = slab
    return slab
  }

  #clear(offset: number, length: number): void {
    const end = offset + length
    const last = Math.min(this.#slabs.length, Math.ceil(end / SLAB_BYTES))
    for (let index = Math.floor(offset / SLAB_BYTES); index < last; index++) {
      const start = index * SLAB_BYTES
      if (start >= offset && start + SLAB_BYTES <= end) this.#slabs[index] = undefined
      else this.#slabs[index]?.bytes.fill(0, Math.max(0, offset - start), Math.min(SLAB_BYTES, end - start))
    }
  }

  #check(offset: number, length: number, writing = false): void {
    if (!(offset >= 0 && offset + length <= this.#sizeBytes)) {
      throw new RamDiskError('out-of-range', `${length} bytes at ${offset} of a disk of ${this.#sizeBytes}`)
    }
    if (offset % this.logicalSectorSize !== 0 || length % this.logicalSectorSize !== 0) {
      throw new RamDiskError('unaligned', `${length} bytes at ${offset}: sectors have ${this.logicalSectorSize} bytes`)
    }
    if (writing && this.readOnly) throw new RamDiskError('read-only', 'the disk is read-only')
  }
}
