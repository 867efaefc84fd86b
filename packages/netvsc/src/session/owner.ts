import type { Clock, Logger, ReceiveHandler } from '@bis/hyperv-types'
import type { NetvscSettings } from '../settings.ts'
import type { NetvscStatistics } from '../statistics.ts'

/** The interface that a session is a life of: what it gives, and what it is told. */
export interface SessionOwner {
  readonly clock: Clock
  readonly log: Logger
  readonly settings: NetvscSettings
  readonly statistics: NetvscStatistics
  handler(): ReceiveHandler | undefined
  /** A burst is over: there may be room for what was stalled. */
  roomAgain(): void
  /** An RNDIS status of the host. */
  indicated(status: number, data: Uint8Array): void
  /** The host gives a virtual function, or takes it away. */
  association(allocated: boolean, serial: number): void
  /** The host has moved the data path on its own. */
  dataPathMoved(toFunction: boolean): void
  failed(error: Error): void
}

/** What stays the same when the device is started again. */
export interface SessionConfig {
  readonly mtu: number
  /** Version to ask for; undefined for the newest that the host speaks. */
  readonly version?: number
  readonly rssKey: ArrayLike<number>
  readonly rssTable?: readonly number[]
  readonly coalesce: boolean
}

/** Counts and tells a message that the host should not have sent. */
export function reportViolation({ statistics, log }: SessionOwner, what: string): void {
  statistics.protocolErrors++
  log.log('warning', `the host sent ${what}`, 'protocol')
}
