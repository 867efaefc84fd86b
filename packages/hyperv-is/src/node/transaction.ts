import { chmod, mkdir, open, readFile, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { PortError } from '../errors.ts'
import type { RootFolder } from './root-folder.ts'
import { translate } from './root-folder.ts'

/** One thing to be done in a root folder. Without `mode` a file keeps the one it has. */
export type Change =
  | { readonly kind: 'write'; readonly path: string; readonly bytes: Uint8Array; readonly mode?: number }
  | { readonly kind: 'remove'; readonly path: string }
  /** Taken away only when nothing else is in it. */
  | { readonly kind: 'remove-folder'; readonly path: string }

/** What the transaction does to files; tests make it fail. */
export interface FileWork {
  writeFile(path: string, bytes: Uint8Array, mode: number): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  mkdir(path: string): Promise<void>
  rmdir(path: string): Promise<void>
}

export const realFileWork: FileWork = {
  async writeFile(path, bytes, mode) {
    const file = await open(path, 'w', mode)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await chmod(path, mode)
  },
  rename,
  unlink,
  async mkdir(path) {
    await mkdir(path)
  },
  rmdir,
}

/** How the root was before, for whoever comes after a crash; paths below the root. */
interface Journal {
  readonly files: readonly { readonly path: string; readonly mode: number; readonly base64: string | null }[]
  /** Folders made, parents first. */
  readonly made: readonly string[]
  /** Folders that may have been removed, deepest first. */
  readonly removed: readonly string[]
}

const JOURNAL = '.hyperv-is.journal'
const PARTIAL = '.hyperv-is.new'

/**
 * Makes the changes, all or none: the state before is in a journal until the last one is done, and a failure on the way
 * puts it back. What a crash left is put back by {@link recover}, which every command calls first.
 * @throws PortError for what could not be done; nothing is changed then.
 */
export async function apply(root: RootFolder, changes: readonly Change[], work = realFileWork): Promise<void> {
  if (changes.length === 0) return
  const journal = await plan(root, changes)
  const journalPath = join(root.path, JOURNAL)
  try {
    await writeWhole(work, journalPath, new TextEncoder().encode(JSON.stringify(journal)), 0o600)
    for (const path of journal.made) await work.mkdir(join(root.path, path))
    for (const change of changes) await make(root, change, work)
    await work.unlink(journalPath)
  } catch (error) {
    await undo(root, journal, work).catch((again: unknown) => {
      const text = again instanceof Error ? again.message : String(again)
      throw new PortError('io', `${root.path}: half done and not put back (${text}); run the command again`)
    })
    const path = (error as NodeJS.ErrnoException).path ?? root.path
    throw translate(error, path.replace(PARTIAL, ''))
  }
}

/** Puts back what an interrupted command left. @returns whether there was anything. */
export async function recover(root: RootFolder, work = realFileWork): Promise<boolean> {
  const journalPath = join(root.path, JOURNAL)
  try {
    const text = await readFile(journalPath, 'utf8').catch(() => undefined)
    // Without a journal nothing was begun; a crash may have left a part of one.
    if (text === undefined) await ignoring(['ENOENT'], work.unlink(journalPath + PARTIAL))
    else await undo(root, JSON.parse(text) as Journal, work)
    return text !== undefined
  } catch (error) {
    throw translate(error, journalPath)
  }
}

async function plan(root: RootFolder, changes: readonly Change[]): Promise<Journal> {
  const files: Journal['files'][number][] = []
  const made = new Set<string>()
  const removed: string[] = []
  for (const change of changes) {
    await root.assertWritable(change.path)
    const path = await root.resolve(change.path)
    if (change.kind === 'remove-folder') {
      removed.push(relative(root.path, path))
      continue
    }
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined && !found.isFile()) throw new PortError('in-the-way', `${path}: is no plain file`)
    const base64 = found === undefined ? null : (await readFile(path)).toString('base64')
    files.push({ path: relative(root.path, path), mode: (found?.mode ?? 0) & 0o7777, base64 })
    if (change.kind === 'write')
      for (const folder of await missingFolders(dirname(path))) made.add(relative(root.path, folder))
  }
  return { files, made: [...made].sort((a, b) => a.length - b.length), removed }
}

async function missingFolders(folder: string): Promise<string[]> {
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory()) return []
  if (found !== undefined) throw new PortError('in-the-way', `${folder}: is no folder`)
  return [...(await missingFolders(dirname(folder))), folder]
}

async function make(root: RootFolder, change: Change, work: FileWork): Promise<void> {
  const path = await root.resolve(change.path)
  if (change.kind === 'write') {
    const mode = change.mode ?? (await stat(path).catch(() => undefined))?.mode ?? 0o644
    return writeWhole(work, path, change.bytes, mode & 0o7777)
  }
  if (change.kind === 'remove') return ignoring(['ENOENT'], work.unlink(path))
  return ignoring(['ENOENT', 'ENOTEMPTY', 'EEXIST'], work.rmdir(path))
}

async function undo(root: RootFolder, journal: Journal, work: FileWork): Promise<void> {
  const journalPath = join(root.path, JOURNAL)
  await ignoring(['ENOENT'], work.unlink(journalPath + PARTIAL))
  for (const path of journal.removed.toReversed()) await ignoring(['EEXIST'], work.mkdir(await root.resolve(path)))
  for (const { path, mode, base64 } of journal.files) {
    const real = await root.resolve(path)
    await ignoring(['ENOENT', 'ENOTDIR'], work.unlink(real + PARTIAL))
    if (base64 === null) await ignoring(['ENOENT', 'ENOTDIR'], work.unlink(real))
    else await writeWhole(work, real, Buffer.from(base64, 'base64'), mode)
  }
  for (const path of journal.made.toReversed())
    await ignoring(['ENOENT', 'ENOTEMPTY', 'EEXIST'], work.rmdir(await root.resolve(path)))
  await ignoring(['ENOENT'], work.unlink(journalPath))
}

/** A reader sees the old file or the new one, never a part. */
async function writeWhole(work: FileWork, path: string, bytes: Uint8Array, mode: number): Promise<void> {
  await work.writeFile(path + PARTIAL, bytes, mode)
  await work.rename(path + PARTIAL, path)
}

async function ignoring(codes: readonly string[], work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  })
}
