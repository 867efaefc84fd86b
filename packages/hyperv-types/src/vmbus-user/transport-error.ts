import { BisError } from '../errors.ts'

/**
 * - `refused`: the root did not accept the partition, or nothing listens;
 * - `protocol`: the other side broke the framing or the order of frames;
 * - `closed`: the other side went away; `timeout`: it did not answer;
 * - `mapping`: memory could not be shared or mapped; `missing-package`: what maps files is not installed;
 * - `already-connected`, `invalid-option`: our own caller's mistake.
 */
export type TransportErrorCode =
  | 'refused'
  | 'protocol'
  | 'closed'
  | 'timeout'
  | 'mapping'
  | 'missing-package'
  | 'already-connected'
  | 'invalid-option'

/** A transport between partition and root could not be made or broke. */
export class TransportError extends BisError<TransportErrorCode> {
  override readonly name = 'TransportError'
}
