import { BisError } from '@bis/hyperv-types'
import { IcStatus } from '@bis/hyperv-types/ic'

export type FileCopyErrorCode =
  | 'bad-path'
  | 'bad-order'
  | 'exists'
  | 'no-folder'
  | 'no-space'
  | 'denied'
  | 'not-supported'
  | 'io'

/** A file of the host's that is not taken, or not wholly. `bad-order`: the host broke the order of the messages. */
export class FileCopyError extends BisError<FileCopyErrorCode> {
  override readonly name = 'FileCopyError'
}

const STATUS: Readonly<Record<FileCopyErrorCode, number>> = {
  'bad-path': IcStatus.INVALID_ARGUMENT,
  'bad-order': IcStatus.INVALID_ARGUMENT,
  exists: IcStatus.ALREADY_EXISTS,
  'no-folder': IcStatus.E_FAIL,
  'no-space': IcStatus.DISK_FULL,
  denied: IcStatus.E_FAIL,
  'not-supported': IcStatus.NOT_SUPPORTED,
  io: IcStatus.E_FAIL,
}

/** What the host is told: an HRESULT. */
export function statusOf(error: unknown): number {
  return error instanceof FileCopyError ? STATUS[error.code] : IcStatus.E_FAIL
}
