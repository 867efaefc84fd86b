import { constants } from 'node:fs'
import { access, lstat, readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { PortError } from '../errors.ts'

const MEANING: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the disk',
  EISDIR: 'is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  ELOOP: 'too many symbolic links',
}

/** An operating system error as ours, with the path; our own errors pass through. */
export function translate(error: unknown, path: string): Error {
  if (error instanceof PortError) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const readOnly = code === 'EROFS' || code === 'EACCES' || code === 'EPERM'
  const text = MEANING[code] ?? (error instanceof Error ? error.message : String(error))
  return new PortError(readOnly ? 'read-only' : 'io', `${path}: ${text}`, { cause: error })
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT'
}

/** The bytes of a text of `readText`. */
export function textBytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

/** A root folder to read from, and whose paths never lead out of it. */
export class RootFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** @throws PortError `no-root`, `not-a-root`. */
  static async open(path: string): Promise<RootFolder> {
    try {
      const real = await realpath(path)
      if (!(await stat(real)).isDirectory()) throw new PortError('not-a-root', `${path}: is not a directory`)
      return new RootFolder(real)
    } catch (error) {
      if (isMissing(error)) throw new PortError('no-root', `${path}: no such folder`)
      throw translate(error, path)
    }
  }

  /**
   * The place of a path in the root, symbolic links followed as far as it exists.
   * @throws PortError `outside-root` when a link leads out of the root folder.
   */
  async resolve(path: string): Promise<string> {
    const wanted = join(this.path, path)
    const missing: string[] = []
    for (let at = wanted; ; at = dirname(at)) {
      const real = await realpath(at).catch((error: unknown) => {
        if (isMissing(error)) return undefined
        throw translate(error, at)
      })
      if (real !== undefined) {
        if (real !== this.path && !real.startsWith(this.path.endsWith(sep) ? this.path : this.path + sep))
          throw new PortError('outside-root', `${wanted}: a symbolic link leads out of the root folder, to ${real}`)
        return join(real, ...missing.toReversed())
      }
      const link = await lstat(at).catch(() => undefined)
      if (link?.isSymbolicLink()) throw new PortError('outside-root', `${at}: a symbolic link that leads nowhere`)
      missing.push(at.slice(dirname(at).length + 1))
    }
  }

  /** The bytes of a file, or undefined when there is none. @throws PortError `in-the-way` for anything but a plain file. */
  async read(path: string): Promise<Uint8Array | undefined> {
    const real = await this.resolve(path)
    try {
      if (!(await stat(real)).isFile()) throw new PortError('in-the-way', `${real}: is no plain file`)
      return await readFile(real)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw translate(error, real)
    }
  }

  /** A file's text, a character for each byte, so that any file comes back as it was; see {@link textBytes}. */
  async readText(path: string): Promise<string | undefined> {
    const bytes = await this.read(path)
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1')
  }

  /** Whether a path is itself a symbolic link. */
  async isLink(path: string): Promise<boolean> {
    const at = join(await this.resolve(dirname(path)), basename(path))
    return (await lstat(at).catch(() => undefined))?.isSymbolicLink() === true
  }

  /** Refuses before anything is begun when a path's folder cannot be written. @throws PortError `read-only`. */
  async assertWritable(path: string): Promise<void> {
    let at = dirname(await this.resolve(path))
    while (!(await lstat(at).catch(() => undefined))) at = dirname(at)
    await access(at, constants.W_OK).catch((error: unknown) => {
      throw translate(error, at)
    })
  }
}
