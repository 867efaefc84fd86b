import type { Stats } from 'node:fs'
import { close, constants, fdatasync, fstat, ftruncate, open, read, write } from 'node:fs'
import { promisify } from 'node:util'
import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import { translate } from './system-error.ts'

const openAsync = promisify(open)
const fstatAsync = promisify<number, Stats>(fstat)
const ftruncateAsync = promisify(ftruncate)
const fdatasyncAsync = promisify(fdatasync)
const closeAsync = promisify(close)

/** Files open for writing in this process, so that an image is not opened twice. */
const writers = new Map<string, string>()
/** Files that children read through in this process, and how many do. */
const held = new Map<string, number>()

/** A pipe without a writer would hold the call up for ever. */
const DO_NOT_WAIT = constants.O_NONBLOCK ?? 0

export interface FileOptions {
  readOnly?: boolean
  /** Make the file; it must not exist. */
  create?: boolean
  /** Keep this process from opening the file for writing meanwhile: it is someone's parent. */
  held?: boolean
}

/** A file as a medium. `flush` is fdatasync, which also makes a changed size stable. */
export class FileBackend implements Backend {
  readonly readOnly: boolean
  readonly name: string
  readonly #fd: number
  readonly identity: string
  readonly #held: boolean
  #closed = false

  private constructor(fd: number, path: string, readOnly: boolean, identity: string, isHeld: boolean) {
    this.#fd = fd
    this.name = path
    this.readOnly = readOnly
    this.identity = identity
    this.#held = isHeld
  }

  /**
   * @throws DiskImageError `not-found`, `exists`, `permission`, `not-a-file`, `read-only`, `io`, and `in-use` when
   * this process has the file open for writing already. Other processes are not kept out: the platform has no lock for that.
   */
  static async open(path: string, options: FileOptions = {}): Promise<FileBackend> {
    const readOnly = options.readOnly ?? false
    const create = options.create === true
    const flags =
      (readOnly ? constants.O_RDONLY : constants.O_RDWR) | (create ? constants.O_CREAT | constants.O_EXCL : DO_NOT_WAIT)
    const fd = await openAsync(path, flags, 0o644).catch((error: NodeJS.ErrnoException) => {
      if (create && error.code === 'ENOENT')
        throw new DiskImageError('not-found', `${path}: the folder for it does not exist`, { cause: error })
      throw translate(error, path)
    })
    try {
      const stats = await fstatAsync(fd)
      if (stats.isDirectory()) throw new DiskImageError('not-a-file', `${path}: is a directory`)
      if (stats.isFIFO()) throw new DiskImageError('not-a-file', `${path}: is a pipe; an image is read at any place`)
      const identity = `${stats.dev}:${stats.ino}`
      if (!readOnly) {
        if (writers.has(identity))
          throw new DiskImageError(
            'in-use',
            `${path}: already open for writing in this process as ${writers.get(identity)}; close that first`,
          )
        if (held.has(identity))
          throw new DiskImageError(
            'in-use',
            `${path}: is the parent of a disk that is open in this process; close that first`,
          )
        writers.set(identity, path)
      } else if (options.held === true) {
        if (writers.has(identity))
          throw new DiskImageError(
            'in-use',
            `${path}: is needed as a parent but open for writing in this process; close it first`,
          )
        held.set(identity, (held.get(identity) ?? 0) + 1)
      }
      return new FileBackend(fd, path, readOnly, identity, readOnly && options.held === true)
    } catch (error) {
      await closeAsync(fd).catch(() => {})
      throw translate(error, path)
    }
  }

  async read(offset: number, buffer: Uint8Array): Promise<number> {
    for (let done = 0; done < buffer.length; ) {
      const got = await this.#readOnce(offset + done, buffer, done)
      if (got === 0) return done
      done += got
    }
    return buffer.length
  }

  async write(offset: number, buffer: Uint8Array): Promise<void> {
    for (let done = 0; done < buffer.length; ) done += await this.#writeOnce(offset + done, buffer, done)
  }

  flush(): Promise<void> {
    return fdatasyncAsync(this.#fd).catch(this.#fail)
  }

  truncate(size: number): Promise<void> {
    return ftruncateAsync(this.#fd, size).catch(this.#fail)
  }

  async size(): Promise<number> {
    const stats = await fstatAsync(this.#fd).catch(this.#fail)
    return stats.size
  }

  async modifiedAt(): Promise<number> {
    const stats = await fstatAsync(this.#fd).catch(this.#fail)
    return stats.mtimeMs
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (!this.readOnly) writers.delete(this.identity)
    if (this.#held) release(this.identity)
    await closeAsync(this.#fd).catch(this.#fail)
  }

  #readOnce(offset: number, buffer: Uint8Array, done: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#fd, buffer, done, buffer.length - done, offset, (error, got) => {
        if (error === null) resolve(got)
        else reject(translate(error, this.name))
      })
    })
  }

  #writeOnce(offset: number, buffer: Uint8Array, done: number): Promise<number> {
    return new Promise((resolve, reject) => {
      write(this.#fd, buffer, done, buffer.length - done, offset, (error, put) => {
        if (error === null) resolve(put)
        else reject(translate(error, this.name))
      })
    })
  }

  #fail = (error: unknown): never => {
    throw translate(error, this.name)
  }
}

function release(identity: string): void {
  const rest = (held.get(identity) ?? 1) - 1
  if (rest === 0) held.delete(identity)
  else held.set(identity, rest)
}
