import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import type { VirtualDisk } from '../virtual-disk.ts'
import type { BlockStore } from './block-store.ts'
import { ABSENT, dataOffset, isPartial, ZERO } from './block-store.ts'
import { settleAll } from './settle.ts'

export interface BlockReaderOptions {
  backend: Backend
  store: BlockStore
  parent: VirtualDisk | undefined
  sectorSize: number
}

/** Reads through the map, joining neighbouring pieces, the pieces in parallel. */
export class BlockReader {
  readonly #backend: Backend
  readonly #store: BlockStore
  readonly #parent: VirtualDisk | undefined
  readonly #sectorSize: number

  constructor(options: BlockReaderOptions) {
    this.#backend = options.backend
    this.#store = options.store
    this.#parent = options.parent
    this.#sectorSize = options.sectorSize
  }

  async read(offset: number, buffer: Uint8Array): Promise<void> {
    const { blockSize } = this.#store
    const jobs = new Jobs(this.#backend, this.#parent, buffer)
    for (let done = 0; done < buffer.length; ) {
      const position = offset + done
      const block = Math.floor(position / blockSize)
      const inBlock = position - block * blockSize
      const step = Math.min(blockSize - inBlock, buffer.length - done)
      const place = this.#store.peek(block) ?? (await this.#store.get(block))
      if (place > 0) {
        jobs.fromFile(done, place + inBlock, step)
      } else if (place === ZERO || (place === ABSENT && this.#parent === undefined)) {
        buffer.fill(0, done, done + step)
      } else if (isPartial(place)) {
        const sector = this.#sectorSize
        const from = inBlock / sector
        for (const run of await this.#store.sectorRuns(block, from, (inBlock + step) / sector)) {
          const at = done + (run.from - from) * sector
          const length = (run.to - run.from) * sector
          if (run.here) jobs.fromFile(at, dataOffset(place) + run.from * sector, length)
          else jobs.fromParent(at, block * blockSize + run.from * sector, length)
        }
      } else {
        jobs.fromParent(done, position, step)
      }
      done += step
    }
    await jobs.finished()
  }
}

/** Pieces of one read, those that follow each other in the same source joined. */
class Jobs {
  readonly #backend: Backend
  readonly #parent: VirtualDisk | undefined
  readonly #buffer: Uint8Array
  readonly #jobs: Promise<void>[] = []
  #fromParent = false
  #at = 0
  #offset = 0
  #length = 0

  constructor(backend: Backend, parent: VirtualDisk | undefined, buffer: Uint8Array) {
    this.#backend = backend
    this.#parent = parent
    this.#buffer = buffer
  }

  fromFile(at: number, offset: number, length: number): void {
    this.#add(false, at, offset, length)
  }

  fromParent(at: number, offset: number, length: number): void {
    this.#add(true, at, offset, length)
  }

  async finished(): Promise<void> {
    this.#start()
    if (this.#jobs.length > 0) await settleAll(this.#jobs)
  }

  #add(fromParent: boolean, at: number, offset: number, length: number): void {
    const continues =
      this.#fromParent === fromParent && this.#at + this.#length === at && this.#offset + this.#length === offset
    if (this.#length > 0 && continues) {
      this.#length += length
      return
    }
    this.#start()
    this.#fromParent = fromParent
    this.#at = at
    this.#offset = offset
    this.#length = length
  }

  #start(): void {
    if (this.#length === 0) return
    const part = this.#buffer.subarray(this.#at, this.#at + this.#length)
    this.#jobs.push(
      this.#fromParent ? this.#readParent(this.#offset, part) : readZeroPadded(this.#backend, this.#offset, part),
    )
    this.#length = 0
  }

  /** A child may be larger than its parent; past the parent's end there is nothing. */
  async #readParent(offset: number, part: Uint8Array): Promise<void> {
    const parent = this.#parent
    const inside = parent === undefined ? 0 : Math.max(0, Math.min(part.length, parent.sizeBytes - offset))
    if (parent !== undefined && inside > 0) await parent.read(offset, part.subarray(0, inside))
    part.fill(0, inside)
  }
}
