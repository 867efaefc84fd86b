import type { IcVersion } from '../host-release.ts'

/** What the host's end of an integration component does wrong on purpose; may be changed while it runs. */
export interface IcFaults {
  /** Sends nothing at all. */
  readonly silent?: boolean
  /** Versions offered in place of the release's. */
  readonly frameworkVersions?: readonly IcVersion[]
  readonly messageVersions?: readonly IcVersion[]
  /** Counts that stand in the negotiation in place of the true ones: of framework and of message versions. */
  readonly negotiationCounts?: readonly [number, number]
  /** Requests carry the transaction ids of the one before. */
  readonly repeatedIds?: boolean
  /** Sends each request so many times. */
  readonly copies?: number
  /** What the IC header says of the body's length, in place of the truth. */
  readonly bodyLength?: number
  /** What the pipe header says of the data's length, in place of the truth. */
  readonly pipeLength?: number
  /** The last word on the bytes of each message, pipe header first. */
  readonly mutate?: (message: Uint8Array) => Uint8Array
}
