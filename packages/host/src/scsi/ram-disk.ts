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

/** A disk in memory: everything is done at once. What was trimmed reads as zero. */
export class RamDisk implements DiskBackend {
  readonly logicalSectorSize: number
  readonly physicalSectorSize: number
  readonly blockSize: number
  readonly diskId: Uint8Array
  readOnly: boolean
  #bytes: Uint8Array

  constructor(options: RamDiskOptions) {
    this.logicalSectorSize = options.logicalSectorSize ?? 512
    this.physicalSectorSize = options.physicalSectorSize ?? Math.max(4096, this.logicalSectorSize)
    this.blockSize = options.blockSize ?? this.physicalSectorSize
    this.diskId = options.diskId ?? new Uint8Array(16)
    this.readOnly = options.readOnly ?? false
    this.#bytes = new Uint8Array(options.sizeBytes)
  }

  get sizeBytes(): number {
    return this.#bytes.length
  }

  /** Grows with zeros, or cuts off. */
  resize(sizeBytes: number): void {
    const bytes = new Uint8Array(sizeBytes)
    bytes.set(this.#bytes.subarray(0, sizeBytes))
    this.#bytes = bytes
  }

  read(offset: number, target: Uint8Array): undefined {
    this.#check(offset, target.length)
    target.set(this.#bytes.subarray(offset, offset + target.length))
  }

  write(offset: number, source: Uint8Array): undefined {
    this.#check(offset, source.length, true)
    this.#bytes.set(source, offset)
  }

  flush(): undefined {}

  trim(offset: number, length: number): undefined {
    this.#check(offset, length, true)
    this.#bytes.fill(0, offset, offset + length)
  }

  writeZeroes(offset: number, length: number): undefined {
    this.trim(offset, length)
  }

  #check(offset: number, length: number, writing = false): void {
    if (!(offset >= 0 && offset + length <= this.#bytes.length)) {
      throw new RamDiskError('out-of-range', `${length} bytes at ${offset} of a disk of ${this.#bytes.length}`)
    }
    if (offset % this.logicalSectorSize !== 0 || length % this.logicalSectorSize !== 0) {
      throw new RamDiskError('unaligned', `${length} bytes at ${offset}: sectors have ${this.logicalSectorSize} bytes`)
    }
    if (writing && this.readOnly) throw new RamDiskError('read-only', 'the disk is read-only')
  }
}
