import { readZeroPadded } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import { MIB } from './bytes.ts'
import { checkRange, mustBeWritable } from './range.ts'
import type { Backend } from '../backend.ts'
import type { ImageFormat, SectorSize, VirtualDisk } from '../virtual-disk.ts'

const ZEROS = new Uint8Array(MIB)

export interface FlatDiskOptions {
  format: ImageFormat
  sizeBytes: number
  logicalSectorSize: SectorSize
  physicalSectorSize: SectorSize
  diskId: Uint8Array
  readOnly: boolean
}

/** An image whose disk lies in the file byte for byte from offset 0: raw, and fixed VHD. */
export class FlatDisk implements VirtualDisk {
  readonly format: ImageFormat
  readonly type = 'fixed'
  readonly logicalSectorSize: SectorSize
  readonly physicalSectorSize: SectorSize
  readonly blockSize: number
  readonly diskId: Uint8Array
  readonly readOnly: boolean
  readonly #backend: Backend
  readonly #sizeBytes: number
  #wrote = false
  #underWay = 0
  #idle: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(backend: Backend, options: FlatDiskOptions) {
    this.format = options.format
    this.logicalSectorSize = options.logicalSectorSize
    this.physicalSectorSize = options.physicalSectorSize
    this.blockSize = options.physicalSectorSize
    this.diskId = options.diskId
    this.readOnly = options.readOnly
    this.#backend = backend
    this.#sizeBytes = options.sizeBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async read(offset: number, buffer: Uint8Array): Promise<void> {
    this.#mustBeOpen()
    checkRange(this, offset, buffer.length)
    await this.#during(readZeroPadded(this.#backend, offset, buffer))
  }

  async write(offset: number, buffer: Uint8Array): Promise<void> {
    this.#mustBeOpen()
    mustBeWritable(this)
    checkRange(this, offset, buffer.length)
    this.#wrote = true
    await this.#during(this.#backend.write(offset, buffer))
  }

  async flush(): Promise<void> {
    this.#mustBeOpen()
    if (this.#wrote) await this.#during(this.#backend.flush())
  }

  async trim(offset: number, length: number): Promise<void> {
    this.#mustBeOpen()
    mustBeWritable(this)
    checkRange(this, offset, length)
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    checkRange(this, offset, length)
    for (let done = 0; done < length; done += ZEROS.length) {
      await this.write(offset + done, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)))
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
      if (this.#wrote) await this.#backend.flush()
    } finally {
      await this.#backend.close()
    }
  }

  async #during(work: Promise<void>): Promise<void> {
    this.#underWay++
    try {
      await work
    } finally {
      if (--this.#underWay === 0) this.#idle?.()
    }
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new DiskImageError('closed', 'the disk was closed')
  }
}
