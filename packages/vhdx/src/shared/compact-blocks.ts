import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import type { TaskOptions } from '../task.ts'
import { step } from '../task.ts'
import type { BlockStore, Place } from './block-store.ts'
import { dataOffset, hasData, isPartial } from './block-store.ts'
import { allZero, MIB } from './bytes.ts'

const READ_STEP = 4 * MIB

export interface CompactParts {
  sizeBytes(): number
  backend: Backend
  store: BlockStore
  hasParent: boolean
  /** Runs something with no I/O under way. */
  alone<T>(work: () => Promise<T>): Promise<T>
  commit(): Promise<void>
  flush(): Promise<void>
}

/** Frees blocks of zeros, moves blocks from the end of the file into the gaps, cuts the file. Valid after every step. */
export async function compactBlocks(parts: CompactParts, options: TaskOptions): Promise<void> {
  const { store, alone, commit, flush } = parts
  await freeZeroBlocks(parts, options)
  // Freed places may be used only when the commit has made them free for good.
  await commit()
  const blocks = await alone(() => store.blocksToMove())
  for (const [i, block] of blocks.entries()) {
    step(options, parts.sizeBytes() + i * store.blockSize, parts.sizeBytes() + blocks.length * store.blockSize)
    if (!(await alone(() => moveForward(store, block)))) break
    if (store.commitDue) await commit()
  }
  await alone(async () => {
    await commit()
    await store.cutFile(flush)
  })
}

/** False when there is no free place before the block. */
async function moveForward(store: BlockStore, block: number): Promise<boolean> {
  if (block >= store.blockCount) return true
  const place = await store.get(block)
  if (!hasData(place)) return true
  const slot = store.takeSlotBefore(dataOffset(place))
  if (slot === undefined) return false
  await store.relocate(block, slot)
  return true
}

async function freeZeroBlocks(parts: CompactParts, options: TaskOptions): Promise<void> {
  const { store, alone, commit } = parts
  if (parts.hasParent && !store.hasZeroState) return
  const buffer = new Uint8Array(Math.min(READ_STEP, store.blockSize))
  for (
    let block = await store.nextMapped(0, store.blockCount);
    block < store.blockCount;
    block = await store.nextMapped(block + 1, store.blockCount)
  ) {
    step(options, block * store.blockSize, parts.sizeBytes())
    const place = store.peek(block) ?? (await store.get(block))
    if (!(await holdsZeros(parts, block, place, buffer))) continue
    // Once more with nobody writing.
    await alone(async () => {
      if (block < store.blockCount && (await holdsZeros(parts, block, await store.get(block), buffer)))
        await store.clear(block)
    })
    if (store.commitDue) await commit()
  }
}

async function holdsZeros(
  { backend, store, sizeBytes }: CompactParts,
  block: number,
  place: Place,
  buffer: Uint8Array,
): Promise<boolean> {
  if (!hasData(place) || isPartial(place)) return false
  const length = Math.min(store.blockSize, sizeBytes() - block * store.blockSize)
  for (let done = 0; done < length; done += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, length - done))
    await readZeroPadded(backend, place + done, part)
    if (!allZero(part)) return false
  }
  return true
}
