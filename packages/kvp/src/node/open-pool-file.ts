import { closeSync, constants, fchmodSync, fstatSync, openSync, statSync } from 'node:fs'
import { KvpError } from '../errors.ts'

/** How a pool's file is opened. */
export interface OpenMode {
  readonly write: boolean
  /** Mode of a file that is not there yet; undefined to make none. */
  readonly create: number | undefined
}

/**
 * Opens a pool file: only a plain file, no link to one.
 * @throws KvpError `no-pool`, `unsafe-file`; the system's error for anything else
 */
export function openPoolFile(path: string, { write, create }: OpenMode): number {
  const { O_RDWR, O_RDONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
  const flags = (write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK
  try {
    return plain(path, openSync(path, flags))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP' || code === 'EMLINK' || code === 'ENXIO' || code === 'EISDIR') {
      throw new KvpError('unsafe-file', `${path} is no plain file: a pool is neither a link nor a directory`)
    }
    if (code !== 'ENOENT') throw error
  }
  if (create === undefined) throw new KvpError('no-pool', `${path}: there is no such pool; is the KVP daemon running?`)
  try {
    const descriptor = openSync(path, flags | O_RDWR | O_CREAT | O_EXCL, create)
    // The mode may be wider than the umask lets through, and is never narrowed later.
    fchmodSync(descriptor, create)
    return descriptor
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return openPoolFile(path, { write, create: undefined })
  }
}

function plain(path: string, descriptor: number): number {
  if (fstatSync(descriptor).isFile()) return descriptor
  closeSync(descriptor)
  throw new KvpError('unsafe-file', `${path} is no plain file`)
}

/** Whether a path still leads to an open file. */
export function isSameFile(path: string, descriptor: number): boolean {
  const open = fstatSync(descriptor)
  const named = statSync(path, { throwIfNoEntry: false })
  return named !== undefined && named.ino === open.ino && named.dev === open.dev
}
