/**
 * Errors of the seams. Callers switch on `code`; `name` is stable, so that two installed copies of this package agree
 * where `instanceof` would not.
 */

/** Base of every error of ours: a layer's `name`, a `code` of that layer's closed set, a message with the numbers in it. */
export abstract class BisError<Code extends string = string> extends Error {
  readonly code: Code

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type WireErrorCode = 'truncated' | 'bad-length' | 'bad-offset' | 'bad-count' | 'bad-value' | 'unknown-type'

/** Bytes from the other side did not parse: the peer's fault, never the caller's. */
export class WireError extends BisError<WireErrorCode> {
  override readonly name = 'WireError'
}

export type MemoryErrorCode = 'out-of-range' | 'unaligned' | 'exhausted' | 'not-allocated' | 'bad-region'

/** A guest-physical address or a page request that this machine's memory cannot satisfy. */
export class MemoryError extends BisError<MemoryErrorCode> {
  override readonly name = 'MemoryError'
}

export type HypervisorFaultCode = 'general-protection' | 'invalid-opcode'

/** The exception that a processor raises: #GP for a register misused, #UD for a hypercall without its page. */
export class HypervisorFault extends BisError<HypervisorFaultCode> {
  override readonly name = 'HypervisorFault'
}

export type ChannelErrorCode =
  | 'rescinded'
  | 'closed'
  | 'refused'
  | 'timeout'
  | 'invalid-state'
  | 'invalid-argument'
  | 'protocol'
  | 'aborted'

/**
 * A channel could not do what was asked. `rescinded`: the host took the device away; `closed`: this side closed it;
 * `refused`: the host answered with a failure status; `protocol`: the peer broke the ring or the protocol.
 */
export class ChannelError extends BisError<ChannelErrorCode> {
  override readonly name = 'ChannelError'
}

export type DeviceErrorCode =
  | 'not-supported'
  | 'attach-failed'
  | 'removed'
  | 'timeout'
  | 'io'
  | 'read-only'
  | 'no-space'
  | 'out-of-range'
  | 'invalid-argument'
  | 'no-media'
  | 'busy'
  | 'protocol'
  | 'aborted'

/** A device could not be attached or could not do a request. */
export class DeviceError extends BisError<DeviceErrorCode> {
  override readonly name = 'DeviceError'
}
