import type { Extent, ExtentOptions, VirtualDisk } from '../virtual-disk.ts'
import type { BlockStore } from './block-store.ts'
import { ABSENT, isPartial, ZERO } from './block-store.ts'

/** The allocation map of a block-structured image, neighbours of one kind joined. */
export async function* blockExtents(
  disk: VirtualDisk,
  store: BlockStore,
  options: ExtentOptions,
): AsyncGenerator<Extent, void, undefined> {
  const from = options.offset ?? 0
  const to = Math.min(disk.sizeBytes, options.length === undefined ? disk.sizeBytes : from + options.length)
  const joined = new Joiner()
  for await (const part of ownParts(disk, store, from, to)) {
    if (part.kind !== 'parent' || options.own === true) yield* joined.add(part)
    else for await (const inherited of inParent(disk.parent, part)) yield* joined.add(inherited)
  }
  yield* joined.end()
}

async function* ownParts(
  disk: VirtualDisk,
  store: BlockStore,
  from: number,
  to: number,
): AsyncGenerator<Extent, void, undefined> {
  const { blockSize } = store
  const sector = disk.logicalSectorSize
  const endBlock = Math.ceil(to / blockSize)
  for (let offset = from; offset < to; ) {
    const block = Math.floor(offset / blockSize)
    const mapped = await store.nextMapped(block, endBlock)
    if (mapped > block) {
      const end = Math.min(to, mapped * blockSize)
      yield { offset, length: end - offset, kind: 'parent' }
      offset = end
      continue
    }
    const start = block * blockSize
    const end = Math.min(to, start + blockSize)
    const place = store.peek(block) ?? (await store.get(block))
    if (isPartial(place)) {
      for (const run of await store.sectorRuns(
        block,
        Math.floor((offset - start) / sector),
        Math.ceil((end - start) / sector),
      )) {
        const runStart = Math.max(offset, start + run.from * sector)
        const runEnd = Math.min(end, start + run.to * sector)
        yield { offset: runStart, length: runEnd - runStart, kind: run.here ? 'data' : 'parent' }
      }
    } else {
      yield { offset, length: end - offset, kind: place === ZERO ? 'zero' : place === ABSENT ? 'parent' : 'data' }
    }
    offset = end
  }
}

/** The part of a parent's map that a child looks through to; past the parent's end, and without one, there are zeros. */
async function* inParent(parent: VirtualDisk | undefined, part: Extent): AsyncGenerator<Extent, void, undefined> {
  const parentEnd = parent?.sizeBytes ?? 0
  const inside = Math.max(0, Math.min(part.length, parentEnd - part.offset))
  if (parent !== undefined && inside > 0) yield* parent.extents({ offset: part.offset, length: inside })
  if (inside < part.length) yield { offset: part.offset + inside, length: part.length - inside, kind: 'zero' }
}

class Joiner {
  #held: Extent | undefined;

  *add(extent: Extent): Generator<Extent> {
    const held = this.#held
    if (held !== undefined && held.kind === extent.kind && held.offset + held.length === extent.offset) {
      this.#held = { ...held, length: held.length + extent.length }
      return
    }
    if (held !== undefined) yield held
    this.#held = extent
  }

  *end(): Generator<Extent> {
    if (this.#held !== undefined) yield this.#held
  }
}
