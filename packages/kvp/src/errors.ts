import { BisError } from '@bis/hyperv-types'

/**
 * - `no-pool`: the pool's file is not there (yet); `bad-key`, `bad-value`: empty, or no Unicode text; `too-long`: does not fit;
 * - `locked`: another process held the pool's lock too long; `no-lock`: this system offers no lock;
 * - `unsafe-file`: a link or something else that is no plain file stands where a pool should;
 * - `bad-address`: IP information that is none; `unknown-adapter`: no interface has that id;
 * - `failed`: a helper command failed; `aborted`. What is wrong with the daemon's device is a DeviceError.
 */
export type KvpErrorCode =
  | 'no-pool'
  | 'bad-key'
  | 'bad-value'
  | 'too-long'
  | 'locked'
  | 'no-lock'
  | 'unsafe-file'
  | 'bad-address'
  | 'unknown-adapter'
  | 'failed'
  | 'aborted'

/** What could not be done with key-value pairs. */
export class KvpError extends BisError<KvpErrorCode> {
  override readonly name = 'KvpError'
}
