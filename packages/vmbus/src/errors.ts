import { BisError } from '@bis/hyperv-types'

/**
 * - `not-usable`: this machine is no Hyper-V guest, or one without what VMBus needs;
 * - `no-common-version`: the host accepts none of the protocol versions that may be tried;
 * - `post-failed`: the hypervisor refuses a control message for good;
 * - `timeout`: the host did not answer in time;
 * - `disconnected`: the connection ended while something waited for it;
 * - `exhausted`: no channel ids, GPADL handles or MMIO space of the kind asked for are left;
 * - `aborted`: the caller's signal.
 */
export type VmbusErrorCode =
  | 'not-usable'
  | 'no-common-version'
  | 'post-failed'
  | 'timeout'
  | 'disconnected'
  | 'exhausted'
  | 'aborted'

/** The bus as a whole could not do what was asked; what concerns one channel is a ChannelError. */
export class VmbusError extends BisError<VmbusErrorCode> {
  override readonly name = 'VmbusError'
}
