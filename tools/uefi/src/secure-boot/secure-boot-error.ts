import { BisError } from '@bis/hyperv-types'

export type SecureBootErrorCode = 'malformed-image' | 'malformed-signature' | 'malformed-database'

/** Bytes that firmware would not take: an image, a signature on it, or a list of signatures. */
export class SecureBootError extends BisError<SecureBootErrorCode> {
  override readonly name = 'SecureBootError'
}
