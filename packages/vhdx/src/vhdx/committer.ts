import type { Backend } from '../backend.ts'
import { MIB, roundDown } from '../shared/bytes.ts'
import type { MetadataPages, SealedGranule } from '../shared/metadata-pages.ts'
import { runsOf } from '../shared/metadata-pages.ts'
import type { Space } from '../shared/space.ts'
import type { LogWriter } from './log-writer.ts'
import { MAX_ENTRY_SECTORS } from './log-writer.ts'

/**
 * Makes everything written so far stable, in the order the format demands ([MS-VHDX] 2.3):
 * payload, then the log entry that points at it, then the map in its place. The last is not waited for:
 * the next commit's first flush makes it stable before that commit's log entry says so.
 */
export async function commit(parts: {
  backend: Backend
  pages: MetadataPages
  space: Space
  log: LogWriter
  bat: { offset: number; length: number }
  flush(): Promise<void>
}): Promise<void> {
  const { backend, pages, space, log, flush } = parts
  const freed = space.takeFreed()
  // Bitmaps first: a block table entry must never be stable before the bits that say what of its block is valid.
  const isTable = ({ offset }: SealedGranule) =>
    offset >= parts.bat.offset && offset < parts.bat.offset + parts.bat.length ? 1 : 0
  let waiting = pages.seal().sort((a, b) => isTable(a) - isTable(b))
  const fileSize = roundDown(space.fileSize, MIB)
  try {
    await flush()
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_ENTRY_SECTORS)
      await log.append(batch, { flushedFileSize: fileSize, lastFileSize: fileSize })
      await flush()
      await apply(backend, batch)
      pages.settled(batch)
      waiting = waiting.slice(batch.length)
      // A further entry of this commit may only be written over a map that is stable.
      if (waiting.length > 0) await flush()
    }
  } catch (error) {
    pages.unseal(waiting)
    space.returnFreed(freed)
    throw error
  }
  space.release(freed)
}

async function apply(backend: Backend, batch: readonly SealedGranule[]): Promise<void> {
  await Promise.all([...runsOf(batch)].map(({ offset, bytes }) => backend.write(offset, bytes)))
}
