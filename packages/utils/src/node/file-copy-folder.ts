import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { link, lstat, open, rename, unlink } from 'node:fs/promises'
import { FileCopyError } from '../fcopy/errors.ts'
import type { FileCopyStart, FileCopyTarget, FileCopyWriter } from '../fcopy/file-copy-target.ts'
import type { OpenFolder } from './safe-folder.ts'
import { checkFileName, folderParts, openFolder } from './safe-folder.ts'

export interface FileCopyFolderOptions {
  /** What the host sees as `/`; files go nowhere else. It may itself be reached through symbolic links. */
  readonly root: string
  /** Of new files; default 0o644. */
  readonly mode?: number
}

const DEFAULT_MODE = 0o644
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/**
 * Takes the host's files into a folder. A file is written under a temporary name and gets its own when it is whole; no
 * symbolic link below the root is followed, and only regular files are replaced.
 */
export function fileCopyFolder({ root, mode = DEFAULT_MODE }: FileCopyFolderOptions): FileCopyTarget {
  return { start: (file) => translated(() => start(root, mode, file)) }
}

async function start(root: string, mode: number, file: FileCopyStart): Promise<FileCopyWriter> {
  checkFileName(file.name)
  const folder = await openFolder(root, folderParts(file.folder), file.createPath)
  try {
    await checkExisting(folder, file)
    const temporary = `.bis-fcopy-${randomBytes(8).toString('hex')}`
    const handle = await open(folder.at(temporary), NEW_FILE, mode)
    return new FolderWriter(folder, handle, temporary, file)
  } catch (error) {
    await folder.handle.close()
    throw error
  }
}

/** @throws FileCopyError `exists`, or `denied` for what is no regular file */
async function checkExisting(folder: OpenFolder, { name, overwrite }: FileCopyStart): Promise<void> {
  const found = await lstat(folder.at(name)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return
  if (!found.isFile()) throw new FileCopyError('denied', `${name} is there and is no regular file`)
  if (!overwrite) throw new FileCopyError('exists', `${name} is there already`)
}

class FolderWriter implements FileCopyWriter {
  readonly #folder: OpenFolder
  readonly #handle: FileHandle
  readonly #temporary: string
  readonly #file: FileCopyStart

  constructor(folder: OpenFolder, handle: FileHandle, temporary: string, file: FileCopyStart) {
    this.#folder = folder
    this.#handle = handle
    this.#temporary = temporary
    this.#file = file
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return translated(async () => {
      for (let done = 0; done < data.length; ) {
        const { bytesWritten } = await this.#handle.write(data, done, data.length - done, offset + done)
        done += bytesWritten
      }
    })
  }

  async complete(): Promise<void> {
    const { name, overwrite } = this.#file
    const from = this.#folder.at(this.#temporary)
    const to = this.#folder.at(name)
    await translated(async () => {
      await this.#handle.sync()
      await checkExisting(this.#folder, this.#file)
      if (overwrite) {
        await rename(from, to)
      } else {
        // Unlike rename, link replaces nothing that has come meanwhile.
        await link(from, to)
        await unlink(from)
      }
      await this.#folder.handle.sync().catch(() => {})
    })
    await this.#close()
  }

  async cancel(): Promise<void> {
    await unlink(this.#folder.at(this.#temporary)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    await this.#close()
  }

  async #close(): Promise<void> {
    await this.#handle.close()
    await this.#folder.handle.close()
  }
}

/** The system's errors in the words that the host has for them. */
async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (error instanceof FileCopyError || code === undefined) throw error
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new FileCopyError('no-space', message, { cause: error })
    if (code === 'EEXIST') throw new FileCopyError('exists', message, { cause: error })
    if (code === 'ENAMETOOLONG') throw new FileCopyError('bad-path', message, { cause: error })
    if (['EACCES', 'EPERM', 'EROFS'].includes(code)) throw new FileCopyError('denied', message, { cause: error })
    throw new FileCopyError('io', message, { cause: error })
  }
}
