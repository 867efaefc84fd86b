import { rm, stat } from 'node:fs/promises'
import type { CreateOptions } from '../create.ts'
import { create } from '../create.ts'
import type { CreateChildOptions } from '../create-child.ts'
import { createChild } from '../create-child.ts'
import { DiskImageError } from '../errors.ts'
import type { OpenOptions } from '../open.ts'
import { open } from '../open.ts'
import type { VirtualDisk } from '../virtual-disk.ts'
import { FileBackend } from './file-backend.ts'
import { nameMismatch } from './named-format.ts'
import { findParentFile, parentPaths } from './parent-files.ts'

/**
 * Opens a disk image file. Parents of a differencing image are looked for where it says, relative to its own file first.
 *
 * @throws DiskImageError as `open` and `FileBackend.open`; also `not-an-image` when a file named .vhd or .vhdx is neither
 */
export async function openFile(path: string, options: OpenOptions = {}): Promise<VirtualDisk> {
  const backend = await FileBackend.open(path, { readOnly: options.readOnly ?? false })
  return inFile(path, async () => {
    const disk = await open(backend, { findParent: findParentFile, ...options })
    const mismatch = options.format === undefined ? nameMismatch(path, disk.format) : undefined
    if (mismatch === undefined) return disk
    await disk.close()
    throw mismatch
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

/** Settings of a new child image file. */
export type CreateChildFileOptions = Pick<CreateChildOptions, 'blockSize' | 'environment'>

/**
 * Makes a new differencing image file on a parent and opens it for writing. It refers to its parent by a relative
 * path, so both can be moved together. On failure no file is left.
 *
 * @throws DiskImageError as `createChild` and `FileBackend.open`; `exists` when there is a file
 */
export async function createChildFile(
  path: string,
  parentPath: string,
  options: CreateChildFileOptions = {},
): Promise<VirtualDisk> {
  const parent = await openFile(parentPath, { readOnly: true })
  const parentModifiedAt = (await stat(parentPath)).mtimeMs
  const backend = await FileBackend.open(path, { create: true }).catch(async (error: unknown) => {
    await parent.close()
    throw error
  })
  try {
    return await inFile(path, () =>
      createChild(backend, {
        ...options,
        parent,
        parentModifiedAt,
        paths: parentPaths(path, parentPath),
        findParent: findParentFile,
      }),
    )
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/** Puts the path in front of messages that do not have it. */
export async function inFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof DiskImageError && !error.message.startsWith(path)) {
      throw new DiskImageError(error.code, `${path}: ${error.message}`, { cause: error })
    }
    throw error
  }
}
