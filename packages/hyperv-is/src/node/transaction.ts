import type { Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { PortError } from '../errors.ts'
import type { FileAttributes, FileWork } from './file-work.ts'
import { realFileWork } from './file-work.ts'
import type { FileBefore, Journal } from './journal.ts'
import { JOURNAL, PARTIAL, readJournal } from './journal.ts'
import type { RootFolder } from './root-folder.ts'
import { translate } from './root-folder.ts'

/** One thing to be done in a root folder. Without `mode` a file keeps the one it has. */
export type Change =
  | { readonly kind: 'write'; readonly path: string; readonly bytes: Uint8Array; readonly mode?: number }
  | { readonly kind: 'remove'; readonly path: string }
  /** Taken away only when nothing else is in it. */
  | { readonly kind: 'remove-folder'; readonly path: string }
  /** Stays, because the user has changed it. */
  | { readonly kind: 'keep'; readonly path: string }

export interface ApplyOptions {
  /** Put back and reject with its reason when aborted. */
  readonly signal?: AbortSignal | undefined
  readonly work?: FileWork | undefined
}

const FOLDER_MODE = 0o755
const FILE_MODE = 0o644

/**
 * Makes the changes, all or none: the state before is in a journal until the last one is done, and a failure on the way
 * puts it back. What a crash left is put back by {@link recover}, which every command calls first. The journal is on the
 * disk before the first change, and every change before the journal goes.
 * @throws PortError for what could not be done; nothing is changed then.
 */
export async function apply(root: RootFolder, changes: readonly Change[], options: ApplyOptions = {}): Promise<void> {
  const { signal, work = realFileWork } = options
  if (changes.every(({ kind }) => kind === 'keep')) return
  const journal = await plan(root, changes)
  const journalPath = join(root.path, JOURNAL)
  try {
    await writeWhole(work, journalPath, new TextEncoder().encode(JSON.stringify(journal)), { mode: 0o600 })
    await work.syncFolder(root.path)
    for (const path of journal.made) await work.mkdir(join(root.path, path), { mode: FOLDER_MODE })
    for (const change of changes) {
      signal?.throwIfAborted()
      await make(root, change, work)
    }
    await finish(root, journal, work)
  } catch (error) {
    await undo(root, journal, work).catch((again: unknown) => {
      const text = again instanceof Error ? again.message : String(again)
      throw new PortError('io', `${root.path}: half done and not put back (${text}); run the command again`)
    })
    if (signal?.aborted === true) throw error
    const path = (error as NodeJS.ErrnoException).path ?? root.path
    throw translate(error, path.replace(PARTIAL, ''))
  }
}

/** Puts back what an interrupted command left. @returns whether there was anything. */
export async function recover(root: RootFolder, work: FileWork = realFileWork): Promise<boolean> {
  const journal = await readJournal(root)
  const journalPath = join(root.path, JOURNAL)
  try {
    // Without a journal nothing was begun; a crash may have left a part of one.
    if (journal === undefined) await ignoring(['ENOENT'], work.unlink(journalPath + PARTIAL))
    else await undo(root, journal, work)
    return journal !== undefined
  } catch (error) {
    throw translate(error, journalPath)
  }
}

/** What the changes will touch, as it is now. @throws PortError when one of them cannot be made. */
export async function plan(root: RootFolder, changes: readonly Change[]): Promise<Journal> {
  const files: FileBefore[] = []
  const made = new Set<string>()
  const removed: Journal['removed'][number][] = []
  for (const { kind, path: wanted } of changes) {
    if (kind === 'keep') continue
    await root.assertWritable(wanted)
    const path = await root.resolve(wanted)
    const found = await stat(path).catch(() => undefined)
    if (kind === 'remove-folder') {
      if (found?.isDirectory()) removed.push({ path: relative(root.path, path), ...attributesOf(found) })
      continue
    }
    if (found !== undefined && !found.isFile()) throw new PortError('in-the-way', `${path}: is no plain file`)
    const base64 = found === undefined ? null : (await readFile(path)).toString('base64')
    files.push({ path: relative(root.path, path), ...attributesOf(found), base64 })
    if (kind === 'write')
      for (const folder of await missingFolders(dirname(path))) made.add(relative(root.path, folder))
  }
  return { files, made: [...made].sort((a, b) => a.length - b.length), removed }
}

function attributesOf(found: Stats | undefined): FileAttributes {
  if (found === undefined) return { mode: FILE_MODE }
  return { mode: found.mode & 0o7777, owner: { uid: found.uid, gid: found.gid } }
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
    const now = attributesOf(await stat(path).catch(() => undefined))
    await writeWhole(work, path, change.bytes, { ...now, mode: change.mode ?? now.mode })
  } else if (change.kind === 'remove') await ignoring(['ENOENT'], work.unlink(path))
  else if (change.kind === 'remove-folder') await ignoring(NOT_EMPTY, work.rmdir(path))
}

const GONE = ['ENOENT', 'ENOTDIR']
const NOT_EMPTY = ['ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST']

async function undo(root: RootFolder, journal: Journal, work: FileWork): Promise<void> {
  await ignoring(['ENOENT'], work.unlink(join(root.path, JOURNAL) + PARTIAL))
  for (const { path, ...attributes } of journal.removed.toReversed())
    await ignoring(['EEXIST'], work.mkdir(await root.resolve(path), attributes))
  const files = await Promise.all(journal.files.map(async (file) => ({ ...file, real: await root.resolve(file.path) })))
  for (const { real } of files) await ignoring(GONE, work.unlink(real + PARTIAL))
  // The new ones first: on a full disk they are the room for the old.
  for (const { real, base64 } of files) if (base64 === null) await ignoring(GONE, work.unlink(real))
  for (const { real, base64, ...before } of files) {
    if (base64 === null) continue
    const bytes = Buffer.from(base64, 'base64')
    const now = await readFile(real).catch(() => undefined)
    const mode = (await stat(real).catch(() => undefined))?.mode ?? 0
    if (now?.equals(bytes) !== true || (mode & 0o7777) !== before.mode) await writeWhole(work, real, bytes, before)
  }
  for (const path of journal.made.toReversed()) await ignoring(NOT_EMPTY, work.rmdir(await root.resolve(path)))
  await finish(root, journal, work)
}

/** Everything on the disk, then the journal away. */
async function finish(root: RootFolder, journal: Journal, work: FileWork): Promise<void> {
  const paths = [...journal.files, ...journal.removed].map(({ path }) => path)
  const folders = new Set([...paths, ...journal.made].map((path) => dirname(join(root.path, path))))
  for (const folder of [...folders].sort()) await ignoring(GONE, work.syncFolder(folder))
  await ignoring(['ENOENT'], work.unlink(join(root.path, JOURNAL)))
  await work.syncFolder(root.path)
}

/** A reader sees the old file or the new one, never a part. */
async function writeWhole(work: FileWork, path: string, bytes: Uint8Array, attributes: FileAttributes): Promise<void> {
  await ignoring(['ENOENT'], work.unlink(path + PARTIAL))
  await work.writeFile(path + PARTIAL, bytes, attributes)
  await work.rename(path + PARTIAL, path)
}

async function ignoring(codes: readonly string[], work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  })
}
