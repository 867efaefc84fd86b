import { allZero, KIB, MIB, roundDown } from './shared/bytes.ts'
import type { TaskOptions } from './task.ts'
import { step } from './task.ts'
import type { VirtualDisk } from './virtual-disk.ts'

const BUFFER = 2 * MIB
/** Reads and writes under way at once. */
const WORKERS = 4
/** Runs of zeros shorter than this are written with their neighbours. */
const ZERO_GRAIN = 64 * KIB

/** A piece to copy, numbered in order. */
interface Piece {
  number: number
  offset: number
  length: number
}

/** Copies content onto a disk that reads as zero. What is zero, by map or by content, is not written. */
export async function copyDisk(source: VirtualDisk, target: VirtualDisk, options: TaskOptions): Promise<void> {
  const pieces = dataPieces(source, options)
  const inOrder = new Turns()
  let failed = false
  const work = async () => {
    const buffer = new Uint8Array(BUFFER)
    try {
      for (let next = await pieces.next(); next.done !== true && !failed; next = await pieces.next()) {
        const { number, offset, length } = next.value
        const part = buffer.subarray(0, length)
        await source.read(offset, part)
        // Writes begin in order, so that new blocks lie in the file as on the disk.
        const writing = inOrder.run(number, () => writeNonZero(target, offset, part))
        await writing
      }
    } catch (error) {
      failed = true
      inOrder.open()
      throw error
    }
  }
  const results = await Promise.allSettled(Array.from({ length: WORKERS }, work))
  await pieces.return(undefined)
  for (const result of results) if (result.status === 'rejected') throw result.reason
  step(options, source.sizeBytes, source.sizeBytes)
}

async function* dataPieces(source: VirtualDisk, options: TaskOptions): AsyncGenerator<Piece, void, undefined> {
  let number = 0
  for await (const extent of source.extents()) {
    if (extent.kind !== 'data') continue
    const end = extent.offset + extent.length
    for (let offset = extent.offset; offset < end; ) {
      step(options, offset, source.sizeBytes)
      // Pieces end at multiples of the buffer, where blocks end too.
      const length = Math.min(end, roundDown(offset, BUFFER) + BUFFER) - offset
      yield { number: number++, offset, length }
      offset += length
    }
  }
}

function writeNonZero(target: VirtualDisk, offset: number, bytes: Uint8Array): Promise<unknown> {
  const writes: Promise<void>[] = []
  for (let from = 0; from < bytes.length; ) {
    let to = from
    while (to < bytes.length && !allZero(bytes.subarray(to, to + ZERO_GRAIN)))
      to = Math.min(bytes.length, to + ZERO_GRAIN)
    if (to > from) writes.push(target.write(offset + from, bytes.subarray(from, to)))
    from = to + ZERO_GRAIN
  }
  return Promise.all(writes)
}

/** Starts numbered jobs in their order; they need not end in it. */
class Turns {
  #next = 0
  #isOpen = false
  readonly #waiting = new Map<number, () => void>()

  async run<T>(number: number, job: () => Promise<T>): Promise<T> {
    if (number !== this.#next && !this.#isOpen) await new Promise<void>((resolve) => this.#waiting.set(number, resolve))
    const done = job()
    this.#next = number + 1
    this.#waiting.get(this.#next)?.()
    this.#waiting.delete(this.#next)
    return done
  }

  /** Lets everybody through, when order no longer matters. */
  open(): void {
    this.#isOpen = true
    for (const go of this.#waiting.values()) go()
    this.#waiting.clear()
  }
}
