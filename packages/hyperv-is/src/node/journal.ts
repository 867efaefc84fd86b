import { lstat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PortError } from '../errors.ts'
import type { FileAttributes } from './file-work.ts'
import type { RootFolder } from './root-folder.ts'
import { translate } from './root-folder.ts'

/** A file as it was: `base64` null when there was none. */
export interface FileBefore extends FileAttributes {
  readonly path: string
  readonly base64: string | null
}

/** How the root was before, for whoever comes after a crash; paths below the root. */
export interface Journal {
  readonly files: readonly FileBefore[]
  /** Folders made, parents first. */
  readonly made: readonly string[]
  /** Folders that may have been removed, deepest first. */
  readonly removed: readonly (FileAttributes & { readonly path: string })[]
}

export const JOURNAL = '.hyperv-is.journal'
/** End of the name under which a file is written before it takes its place. */
export const PARTIAL = '.hyperv-is.new'

/** @returns undefined when no command was interrupted. @throws PortError `bad-file` */
export async function readJournal(root: RootFolder): Promise<Journal | undefined> {
  const path = join(root.path, JOURNAL)
  try {
    const found = await lstat(path).catch(() => undefined)
    if (found === undefined) return undefined
    if (!found.isFile()) throw new PortError('bad-file', `${path}: is no plain file`)
    return parse(path, await readFile(path, 'utf8'))
  } catch (error) {
    throw translate(error, path)
  }
}

function parse(path: string, text: string): Journal {
  try {
    const journal = JSON.parse(text) as Journal
    if ([journal.files, journal.made, journal.removed].every(Array.isArray)) return journal
  } catch {
    // Told below, with the path.
  }
  throw new PortError('bad-file', `${path}: damaged; what an interrupted command left cannot be put back`)
}
