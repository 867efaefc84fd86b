import { BisError } from '@bis/hyperv-types'

export type PartitionErrorCode = 'invalid-option' | 'already-connected' | 'powered-off'

/** A partition was set up or used in a way that no machine allows. */
export class PartitionError extends BisError<PartitionErrorCode> {
  override readonly name = 'PartitionError'
}
