import { BisError } from '@bis/hyperv-types'

export type PortErrorCode =
  | 'unknown-release'
  | 'unsupported-release'
  | 'built-in'
  | 'no-root'
  | 'not-a-root'
  | 'no-labels'
  | 'outside-root'
  | 'in-the-way'
  | 'not-installed'
  | 'other-release'
  | 'bad-file'
  | 'busy'
  | 'interrupted'
  | 'read-only'
  | 'io'

/** The port cannot be staged, checked or removed; nothing in the root folder was changed. */
export class PortError extends BisError<PortErrorCode> {
  override readonly name = 'PortError'
}
