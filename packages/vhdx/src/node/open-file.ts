import { rm } from 'node:fs/promises'
import { create } from '../create.ts'
import { DiskImageError } from '../errors.ts'
import { open } from '../open.ts'
import { FileBackend } from './file-backend.ts'
import type { CreateOptions } from '../create.ts'
import type { OpenOptions } from '../open.ts'
import type { VirtualDisk } from '../virtual-disk.ts'

/**
 * Opens a disk image file.
 *
 * @throws DiskImageError as `open` and `FileBackend.open`; also `not-an-image` when a file named .vhd or .vhdx is neither
 */
export async function openFile(path: string, options: OpenOptions = {}): Promise<VirtualDisk> {
  const backend = await FileBackend.open(path, { readOnly: options.readOnly ?? false })
  return inFile(path, async () => {
    const disk = await open(backend, options)
    const named = /\.(vhdx?|avhdx?)$/i.exec(path)?.[1]?.toLowerCase().replace(/^a/, '')
    if (named !== undefined && disk.format === 'raw' && options.format === undefined) {
      await disk.close()
      throw new DiskImageError('not-an-image', `named .${named} but has no ${named.toUpperCase()} signature; open it with format "raw" if it is a raw disk`)
    }
    return disk
  })
}

/**
 * Makes a new image file and opens it for writing. On failure no file is left.
 *
 * @throws DiskImageError as `create` and `FileBackend.open`; `exists` when there is a file
 */
export async function createFile(path: string, options: CreateOptions): Promise<VirtualDisk> {
  const backend = await FileBackend.open(path, { create: true })
  try {
    return await inFile(path, () => create(backend, options))
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/** Puts the path in front of messages that do not have it. */
async function inFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof DiskImageError && !error.message.startsWith(path)) {
      throw new DiskImageError(error.code, `${path}: ${error.message}`, { cause: error })
    }
    throw error
  }
}
