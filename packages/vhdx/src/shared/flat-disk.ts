import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import type { Extent, ExtentOptions, ImageFormat, ImageInfo, SectorSize, VirtualDisk } from '../virtual-disk.ts'
import type { ImageDescription } from './image-info.ts'
import { imageInfo } from './image-info.ts'
import { IoGate } from './io-gate.ts'
import { checkRange, mustBeWritable } from './range.ts'
import { ZEROS } from './zeros.ts'

export interface FlatDiskOptions {
  format: ImageFormat
  sizeBytes: number
  logicalSectorSize: SectorSize
  physicalSectorSize: SectorSize
  diskId: Uint8Array
  readOnly: boolean
  describe(): ImageDescription
  /** Throws for a size the format cannot have. */
  checkSize(sizeBytes: number): void
  /** Makes the file one of a disk of another size; stable when it resolves. */
  resizeFile(sizeBytes: number, before: number): Promise<void>
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
  readonly parent = undefined
  readonly #backend: Backend
  readonly #options: FlatDiskOptions
  readonly #gate = new IoGate()
  #sizeBytes: number
  #wrote = false
  #closing: Promise<void> | undefined

  constructor(backend: Backend, options: FlatDiskOptions) {
    this.format = options.format
    this.logicalSectorSize = options.logicalSectorSize
    this.physicalSectorSize = options.physicalSectorSize
    this.blockSize = options.physicalSectorSize
    this.diskId = options.diskId
    this.readOnly = options.readOnly
    this.#backend = backend
    this.#options = options
    this.#sizeBytes = options.sizeBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  info(): Promise<ImageInfo> {
    return imageInfo(this, this.#backend, this.#options.describe())
  }

  async *extents({ offset = 0, length }: ExtentOptions = {}): AsyncGenerator<Extent, void, undefined> {
    const end = Math.min(this.#sizeBytes, offset + (length ?? this.#sizeBytes))
    if (offset < end) yield { offset, length: end - offset, kind: 'data' }
  }

  async read(offset: number, buffer: Uint8Array): Promise<void> {
    const turn = this.#gate.enter()
    if (turn !== undefined) await turn
    try {
      this.#mustBeOpen()
      checkRange(this, offset, buffer.length)
      await readZeroPadded(this.#backend, offset, buffer)
    } finally {
      this.#gate.leave()
    }
  }

  async write(offset: number, buffer: Uint8Array): Promise<void> {
    const turn = this.#gate.enter()
    if (turn !== undefined) await turn
    try {
      this.#mustBeOpen()
      mustBeWritable(this)
      checkRange(this, offset, buffer.length)
      this.#wrote = true
      await this.#backend.write(offset, buffer)
    } finally {
      this.#gate.leave()
    }
  }

  async flush(): Promise<void> {
    this.#mustBeOpen()
    if (this.#wrote) await this.#backend.flush()
  }

  async trim(offset: number, length: number): Promise<void> {
    this.#mustBeOpen()
    mustBeWritable(this)
    checkRange(this, offset, length)
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    this.#mustBeOpen()
    mustBeWritable(this)
    checkRange(this, offset, length)
    for (let done = 0; done < length; done += ZEROS.length) {
      await this.write(offset + done, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)))
    }
  }

  async resize(sizeBytes: number): Promise<void> {
    await this.#gate.exclusively(async () => {
      this.#mustBeOpen()
      mustBeWritable(this)
      this.#options.checkSize(sizeBytes)
      if (sizeBytes === this.#sizeBytes) return
      this.#wrote = true
      await this.#options.resizeFile(sizeBytes, this.#sizeBytes)
      this.#sizeBytes = sizeBytes
    })
  }

  async compact(): Promise<{ before: number; after: number }> {
    const before = await this.#backend.size()
    return { before, after: before }
  }

  close(): Promise<void> {
    this.#closing ??= this.#gate.exclusively(() => this.#close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      if (this.#wrote) await this.#backend.flush()
    } finally {
      await this.#backend.close()
    }
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new DiskImageError('closed', 'the disk was closed')
  }
}
