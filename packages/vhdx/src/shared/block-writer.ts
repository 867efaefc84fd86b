import type { Backend } from '../backend.ts'
import type { BlockStore } from './block-store.ts'
import { ABSENT, dataOffset, hasData, isPartial } from './block-store.ts'
import { settleAll } from './settle.ts'
import type { Allocation } from './space.ts'
import { writeZeros } from './zeros.ts'

/** A block that a write gives space to: which part of it the write covers, and whether the map knows it yet. */
interface NewBlock {
  block: number
  space: Allocation
  from: number
  to: number
  /** The rest of the block stays the parent's. */
  partial: boolean
  mapped: boolean
  done(): void
}

/** A partial block that a write adds sectors to, in bytes from its start. */
interface Touched {
  block: number
  from: number
  to: number
}

/** Writes through the map, giving space to blocks that have none. */
export class BlockWriter {
  readonly #backend: Backend
  readonly #store: BlockStore
  readonly #hasParent: boolean
  readonly #sectorSize: number
  /** Blocks being given space now; who waits for one looks at the map again afterwards. */
  readonly #allocating = new Map<number, Promise<void>>()

  constructor(options: { backend: Backend; store: BlockStore; hasParent: boolean; sectorSize: number }) {
    this.#backend = options.backend
    this.#store = options.store
    this.#hasParent = options.hasParent
    this.#sectorSize = options.sectorSize
  }

  async write(offset: number, buffer: Uint8Array, diskSize: number): Promise<void> {
    const store = this.#store
    const { blockSize } = store
    const runs: { at: number; offset: number; length: number }[] = []
    const fresh: NewBlock[] = []
    const touched: Touched[] = []
    try {
      for (let done = 0; done < buffer.length; ) {
        const position = offset + done
        const block = Math.floor(position / blockSize)
        const from = position - block * blockSize
        const to = Math.min(blockSize, from + buffer.length - done)
        let place = store.peek(block) ?? (await store.get(block))
        // Blocks are claimed in rising order, so two writes never wait for each other in a circle.
        for (let other = this.#allocating.get(block); other !== undefined; other = this.#allocating.get(block)) {
          await other
          place = await store.get(block)
        }
        let dataAt: number
        if (hasData(place)) {
          dataAt = dataOffset(place)
          if (isPartial(place) || store.tracksSectors) touched.push({ block, from, to })
        } else {
          const whole = from === 0 && to === Math.min(blockSize, diskSize - block * blockSize)
          const created = this.#claim(block, from, to, this.#hasParent && place === ABSENT && !whole)
          fresh.push(created)
          dataAt = created.space.offset
        }
        const last = runs.at(-1)
        if (last !== undefined && last.offset + last.length === dataAt + from) last.length += to - from
        else runs.push({ at: done, offset: dataAt + from, length: to - from })
        done += to - from
      }
      if (fresh.length > 0) await store.prepare(fresh.map(({ space }) => space))
      const jobs = runs.map((run) => this.#backend.write(run.offset, buffer.subarray(run.at, run.at + run.length)))
      for (const { space, from, to, partial } of fresh) {
        // A used slot holds what another block left there.
        if (!space.fresh && !partial) {
          jobs.push(
            writeZeros(this.#backend, space.offset, from),
            writeZeros(this.#backend, space.offset + to, blockSize - to),
          )
        }
      }
      await settleAll(jobs)
      // Only now may the map point there: a commit under way must not find data that is not written.
      await this.#map(fresh, touched)
    } finally {
      for (const { block, space, mapped, done } of fresh) {
        if (!mapped) store.cancel(space.offset)
        this.#allocating.delete(block)
        done()
      }
    }
  }

  #claim(block: number, from: number, to: number, partial: boolean): NewBlock {
    const space = this.#store.allocate()
    let done = () => {}
    this.#allocating.set(block, new Promise((resolve) => (done = resolve)))
    return { block, space, from, to, partial, mapped: false, done }
  }

  async #map(fresh: readonly NewBlock[], touched: readonly Touched[]): Promise<void> {
    const sector = this.#sectorSize
    for (const one of fresh) {
      if (one.partial) await this.#store.setPartial(one.block, one.space.offset, one.from / sector, one.to / sector)
      else await this.#store.setPresent(one.block, one.space.offset)
      one.mapped = true
    }
    for (const { block, from, to } of touched) await this.#store.markSectors(block, from / sector, to / sector)
  }
}
