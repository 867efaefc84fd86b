import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { access, lstat, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { FileCopyError } from '../fcopy/errors.ts'

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
const FOLDER_MODE = 0o755

/** A folder that stays the same one while it is open, whatever becomes of its name. */
export interface OpenFolder {
  readonly handle: FileHandle
  /** The path of something in it. */
  at(name: string): string
}

/**
 * The parts of a folder's name as the host gives it.
 * @throws FileCopyError `bad-path` for one that is not absolute or leads upwards
 */
export function folderParts(folder: string): string[] {
  if (!folder.startsWith('/')) throw new FileCopyError('bad-path', `${JSON.stringify(folder)} is no absolute path`)
  const parts = folder.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new FileCopyError('bad-path', `${JSON.stringify(folder)} leads upwards`)
  return parts
}

/** @throws FileCopyError `bad-path` for what is no name of a file */
export function checkFileName(name: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/'))
    throw new FileCopyError('bad-path', `${JSON.stringify(name)} is no name of a file`)
}

/**
 * Opens a folder below `root`, one part after the other, following no symbolic link below it. The caller closes it.
 * @throws FileCopyError `no-folder`, `denied`; the system's error for others
 */
export async function openFolder(root: string, parts: readonly string[], create: boolean): Promise<OpenFolder> {
  let folder = await toOpenFolder(await open(root, constants.O_RDONLY | constants.O_DIRECTORY), root)
  for (const part of parts) {
    try {
      const next = await step(folder, part, create)
      await folder.handle.close()
      folder = next
    } catch (error) {
      await folder.handle.close()
      throw error
    }
  }
  return folder
}

async function step(folder: OpenFolder, part: string, create: boolean): Promise<OpenFolder> {
  const path = folder.at(part)
  if (create) await mkdir(path, FOLDER_MODE).catch(ignoreExisting)
  try {
    // Where descriptors have no paths a link is looked for first; O_NOFOLLOW is what counts.
    if ((await lstat(path)).isSymbolicLink()) throw new FileCopyError('denied', `${part} is a symbolic link`)
    return await toOpenFolder(await open(path, DIRECTORY), path)
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        throw new FileCopyError('no-folder', `there is no folder ${part}`)
      case 'ENOTDIR':
      case 'ELOOP':
        throw new FileCopyError('denied', `${part} is no folder`)
      default:
        throw error
    }
  }
}

/** On Linux paths go through the descriptor, so that a folder renamed meanwhile is no way out. */
async function toOpenFolder(handle: FileHandle, path: string): Promise<OpenFolder> {
  const link = `/proc/self/fd/${handle.fd}`
  const base = await access(link).then(
    () => link,
    () => path,
  )
  return { handle, at: (name) => join(base, name) }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
