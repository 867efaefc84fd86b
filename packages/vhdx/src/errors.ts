/**
 * What can go wrong, as a closed set. Callers switch on `code`, never on the message.
 *
 * - `not-an-image`     the bytes are not of the format they should be
 * - `truncated`        the file ends before something it must contain
 * - `bad-checksum`     a structure is there, but none of its copies has a right checksum
 * - `corrupt`          structures contradict the format or each other
 * - `unsupported`      valid, but it needs something this library does not do
 * - `parent-missing`   a differencing image's parent was not found
 * - `parent-mismatch`  the parent found is not the one the child was made from, or was changed since
 * - `parent-cycle`     a chain of parents comes back to itself, or is too deep
 * - `in-use`           the image is open for writing already, or was changed behind our back
 * - `out-of-range`     an offset or length lies outside the disk
 * - `unaligned`        an offset or length is not a whole number of logical sectors
 * - `invalid-option`   an argument the format does not allow
 * - `read-only`        a change was asked of a disk or file opened for reading only
 * - `out-of-space`     the medium under the image is full
 * - `not-found`, `exists`, `permission`, `not-a-file`  what the operating system said of the path
 * - `io`               any other failure of the medium; the cause is attached
 * - `closed`           used after `close()`
 */
export type DiskImageErrorCode =
  | 'not-an-image'
  | 'truncated'
  | 'bad-checksum'
  | 'corrupt'
  | 'unsupported'
  | 'parent-missing'
  | 'parent-mismatch'
  | 'parent-cycle'
  | 'in-use'
  | 'out-of-range'
  | 'unaligned'
  | 'invalid-option'
  | 'read-only'
  | 'out-of-space'
  | 'not-found'
  | 'exists'
  | 'permission'
  | 'not-a-file'
  | 'io'
  | 'closed'

/** The one error class of this package. The message names the place, the numbers, and what to do. */
export class DiskImageError extends Error {
  override readonly name = 'DiskImageError'
  readonly code: DiskImageErrorCode

  constructor(code: DiskImageErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** An offset as people and hex dumps write it. */
export function at(offset: number): string {
  return `0x${offset.toString(16)}`
}
