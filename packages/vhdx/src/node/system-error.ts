import type { DiskImageErrorCode } from '../errors.ts'
import { DiskImageError } from '../errors.ts'

const KNOWN: Record<string, [code: DiskImageErrorCode, meaning: string]> = {
  ENOENT: ['not-found', 'no such file'],
  ENOTDIR: ['not-found', 'a part of the path is not a directory'],
  EEXIST: ['exists', 'exists already'],
  EACCES: ['permission', 'permission denied'],
  EPERM: ['permission', 'operation not permitted'],
  EROFS: ['read-only', 'the file system is read-only'],
  EISDIR: ['not-a-file', 'is a directory'],
  ENXIO: ['not-a-file', 'is a socket, or a device that is not there'],
  ENOSPC: ['out-of-space', 'no space left on the device'],
  EDQUOT: ['out-of-space', 'disk quota exceeded'],
  EFBIG: ['out-of-space', 'larger than the file system allows'],
  EBUSY: ['in-use', 'in use'],
  ETXTBSY: ['in-use', 'in use'],
}

/** An operating system error as ours, with the path; our own errors pass through. */
export function translate(error: unknown, path: string): DiskImageError {
  if (error instanceof DiskImageError) return error
  const system = (error as { code?: unknown } | null)?.code
  const known = typeof system === 'string' ? KNOWN[system] : undefined
  if (known !== undefined) return new DiskImageError(known[0], `${path}: ${known[1]}`, { cause: error })
  return new DiskImageError('io', `${path}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  })
}
