import { BisError } from '@bis/hyperv-types'

export type HostErrorCode = 'duplicate-offer' | 'bad-offer' | 'bad-capture' | 'stopped'

/** The host was asked for something it cannot do; what guests do wrong never ends in one. */
export class HostError extends BisError<HostErrorCode> {
  override readonly name = 'HostError'
}
