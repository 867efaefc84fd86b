import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import type { TaskOptions } from '../task.ts'
import type {
  Extent,
  ExtentOptions,
  ImageFormat,
  ImageInfo,
  ImageType,
  SectorSize,
  VirtualDisk,
} from '../virtual-disk.ts'
import { blockExtents } from './block-extents.ts'
import { BlockReader } from './block-reader.ts'
import type { BlockStore } from './block-store.ts'
import { hasData, ZERO } from './block-store.ts'
import { BlockWriter } from './block-writer.ts'
import { Changes } from './changes.ts'
import { compactBlocks } from './compact-blocks.ts'
import type { ImageDescription } from './image-info.ts'
import { imageInfo } from './image-info.ts'
import { IoGate } from './io-gate.ts'
import { checkRange, mustBeWritable } from './range.ts'
import { ZEROS } from './zeros.ts'

/** Blocks whose map entries change in one go before other I/O gets its turn. */
const STEP = 1024

export interface BlockDiskOptions {
  backend: Backend
  store: BlockStore
  format: ImageFormat
  type: ImageType
  sizeBytes: number
  logicalSectorSize: SectorSize
  physicalSectorSize: SectorSize
  diskId: Uint8Array
  readOnly: boolean
  parent: VirtualDisk | undefined
  describe(): ImageDescription
}

/** A disk whose content lies in blocks that a map finds: VHDX, dynamic and differencing VHD. */
export class BlockDisk implements VirtualDisk {
  readonly format: ImageFormat
  readonly type: ImageType
  readonly logicalSectorSize: SectorSize
  readonly physicalSectorSize: SectorSize
  readonly blockSize: number
  readonly diskId: Uint8Array
  readonly readOnly: boolean
  readonly parent: VirtualDisk | undefined

  readonly #describe: () => ImageDescription
  readonly #backend: Backend
  readonly #store: BlockStore
  readonly #reader: BlockReader
  readonly #writer: BlockWriter
  readonly #gate = new IoGate()
  readonly #changes: Changes
  #sizeBytes: number
  #closing: Promise<void> | undefined

  constructor(options: BlockDiskOptions) {
    const { backend, store, parent } = options
    this.format = options.format
    this.type = options.type
    this.logicalSectorSize = options.logicalSectorSize
    this.physicalSectorSize = options.physicalSectorSize
    this.blockSize = store.blockSize
    this.diskId = options.diskId
    this.readOnly = options.readOnly
    this.#sizeBytes = options.sizeBytes
    this.#backend = backend
    this.#store = store
    this.#changes = new Changes(backend, store)
    this.parent = parent
    this.#describe = options.describe
    this.#reader = new BlockReader({ backend, store, parent, sectorSize: options.logicalSectorSize })
    this.#writer = new BlockWriter({
      backend,
      store,
      hasParent: parent !== undefined,
      sectorSize: options.logicalSectorSize,
    })
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  info(): Promise<ImageInfo> {
    return imageInfo(this, this.#backend, this.#describe())
  }

  extents(options: ExtentOptions = {}): AsyncGenerator<Extent, void, undefined> {
    return blockExtents(this, this.#store, options)
  }

  async read(offset: number, buffer: Uint8Array): Promise<void> {
    const turn = this.#gate.enter()
    if (turn !== undefined) await turn
    try {
      this.#mustBeOpen()
      checkRange(this, offset, buffer.length)
      await this.#reader.read(offset, buffer)
    } finally {
      this.#gate.leave()
    }
  }

  async write(offset: number, buffer: Uint8Array): Promise<void> {
    const turn = this.#gate.enter()
    if (turn !== undefined) await turn
    try {
      this.#mustTakeChanges()
      checkRange(this, offset, buffer.length)
      if (!this.#changes.begun) await this.#changes.begin()
      await this.#writer.write(offset, buffer, this.#sizeBytes)
    } finally {
      this.#gate.leave()
    }
    if (this.#store.commitDue) await this.#changes.commit()
  }

  async flush(): Promise<void> {
    this.#mustBeOpen()
    if (this.#changes.begun) await this.#changes.commit()
  }

  /** Prepares a differencing image for its parent's content getting another id: it is good with either from then on. */
  async expectParent(contentId: Uint8Array): Promise<void> {
    await this.#gate.exclusively(async () => {
      this.#mustTakeChanges()
      await this.#changes.begin()
      const now = await this.parent?.info()
      await this.#store.expectParent(now?.linkage ?? '', contentId)
      await this.#changes.commit()
    })
  }

  async trim(offset: number, length: number): Promise<void> {
    this.#mustTakeChanges()
    checkRange(this, offset, length)
    const store = this.#store
    // Without a zero state, giving a child's block back would show the parent's content.
    if (store.keepsBlocks || (this.parent !== undefined && !store.hasZeroState)) return
    const first = Math.ceil(offset / this.blockSize)
    const end = this.#endOfWhole(offset + length)
    if (first >= end) return
    await this.#changes.begin()
    await this.#inSteps(first, end, async (block) => {
      const place = store.peek(block) ?? (await store.get(block))
      if (hasData(place) || (this.parent !== undefined && place !== ZERO)) await store.clear(block)
    })
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    this.#mustTakeChanges()
    checkRange(this, offset, length)
    if (length === 0) return
    await this.#changes.begin()
    const store = this.#store
    const first = Math.floor(offset / this.blockSize)
    const end = Math.ceil((offset + length) / this.blockSize)
    const wholeFrom = Math.ceil(offset / this.blockSize)
    const wholeEnd = this.#endOfWhole(offset + length)
    const canClear = this.parent === undefined || store.hasZeroState
    const toWrite: number[] = []
    await this.#inSteps(first, end, async (block) => {
      const place = store.peek(block) ?? (await store.get(block))
      const whole = block >= wholeFrom && block < wholeEnd
      if (place === ZERO) return
      if (this.parent === undefined && !hasData(place)) {
        // Absent reads as zero here, but by the VHDX document other programs may return anything.
        if (store.hasZeroState) await store.clear(block)
      } else if (whole && canClear && !store.keepsBlocks) {
        await store.clear(block)
      } else {
        toWrite.push(block)
      }
    })
    for (const block of toWrite) {
      const from = Math.max(offset, block * this.blockSize)
      const to = Math.min(offset + length, (block + 1) * this.blockSize)
      for (let place = from; place < to; place += ZEROS.length) {
        await this.write(place, ZEROS.subarray(0, Math.min(ZEROS.length, to - place)))
      }
    }
  }

  async resize(sizeBytes: number): Promise<void> {
    await this.#gate.exclusively(async () => {
      this.#mustTakeChanges()
      this.#store.checkSize(sizeBytes)
      if (sizeBytes === this.#sizeBytes) return
      await this.#changes.begin()
      await this.#changes.commit()
      const apply = await this.#store.resize(sizeBytes, this.parent?.sizeBytes ?? 0)
      try {
        await apply()
      } catch (error) {
        this.#changes.refuse(
          'the resize failed half-way; the image takes no more changes: close it and open it again',
          error,
        )
        throw error
      }
      this.#sizeBytes = sizeBytes
    })
  }

  async compact(options: TaskOptions = {}): Promise<{ before: number; after: number }> {
    this.#mustTakeChanges()
    const before = await this.#backend.size()
    if (this.#store.keepsBlocks) return { before, after: before }
    await this.#changes.begin()
    await compactBlocks(
      {
        sizeBytes: () => this.#sizeBytes,
        backend: this.#backend,
        store: this.#store,
        hasParent: this.parent !== undefined,
        alone: (work) =>
          this.#gate.exclusively(async () => {
            this.#mustTakeChanges()
            return work()
          }),
        commit: () => this.#changes.commit(),
        flush: () => this.#changes.flushMedium(),
      },
      options,
    )
    return { before, after: await this.#backend.size() }
  }

  close(): Promise<void> {
    this.#closing ??= this.#gate.exclusively(() => this.#close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Visits blocks with no I/O under way, a bounded number at a time. */
  async #inSteps(first: number, end: number, visit: (block: number) => Promise<void>): Promise<void> {
    const size = this.#sizeBytes
    for (let from = first; from < end; from += STEP) {
      await this.#gate.exclusively(async () => {
        this.#mustTakeChanges()
        if (this.#sizeBytes !== size) {
          throw new DiskImageError(
            'out-of-range',
            `the disk was resized from ${size} to ${this.#sizeBytes} bytes during the call; repeat it`,
          )
        }
        const to = Math.min(end, from + STEP)
        for (let block = from; block < to; block++) await visit(block)
      })
      if (this.#store.commitDue) await this.#changes.commit()
    }
  }

  /** The first block not wholly before `end`; the disk's last block is whole if `end` is the disk's. */
  #endOfWhole(end: number): number {
    return end === this.#sizeBytes ? Math.ceil(end / this.blockSize) : Math.floor(end / this.blockSize)
  }

  async #close(): Promise<void> {
    try {
      await this.#changes.finish()
    } finally {
      await this.#backend.close()
      await this.parent?.close()
    }
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new DiskImageError('closed', 'the disk was closed')
  }

  #mustTakeChanges(): void {
    this.#mustBeOpen()
    mustBeWritable(this)
    this.#changes.mustBeTaken()
  }
}
