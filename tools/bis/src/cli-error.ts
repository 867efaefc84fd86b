import { BisError } from '@bis/hyperv-types'

export type CliErrorCode = 'usage' | 'input' | 'failed'

/** What the user asked for cannot be done; the message is the one line they see. */
export class CliError extends BisError<CliErrorCode> {
  override readonly name = 'CliError'
}

/** Exit statuses: 2 for a command line that makes no sense, 1 for everything else that went wrong. */
export function exitStatus(error: unknown): number {
  return error instanceof CliError && error.code === 'usage' ? 2 : 1
}

/** What the operating system says, in words a user can act on. */
const SYSTEM: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'is a directory',
  EEXIST: 'exists already',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOSPC: 'no space left on the disk',
  EROFS: 'the file system is read-only',
  EADDRINUSE: 'is in use already',
  ENAMETOOLONG: 'the name is too long',
  ENOTDIR: 'a part of the path is not a directory',
}

/** The one line for an error, whoever threw it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, path, address } = error as NodeJS.ErrnoException & { address?: string }
  const system = code === undefined ? undefined : SYSTEM[code]
  if (system !== undefined && error.name === 'Error') return `${path ?? address ?? 'file'}: ${system}`
  return error.message.split('\n', 1)[0] ?? error.name
}
