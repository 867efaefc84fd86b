import { BisError } from '@bis/hyperv-types'

export type BootLoaderErrorCode =
  | 'no-partition-table'
  | 'damaged-partition-table'
  | 'no-system-partition'
  | 'no-file-system'
  | 'no-loader'
  | 'damaged-loader'
  | 'loader-too-large'

/** A disk that firmware cannot boot from; the code says what is missing. */
export class BootLoaderError extends BisError<BootLoaderErrorCode> {
  override readonly name = 'BootLoaderError'
}
