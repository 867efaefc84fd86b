import type { AdapterCounters } from '../counters.ts'
import type { NvspSession } from '../nvsp/session.ts'
import type { ReceiveScaling } from '../receive/rss.ts'
import type { Offloads } from './offloads.ts'

/** What the adapter is, for the guest's questions, and what the guest's requests do to it. */
export interface ControlledAdapter {
  readonly session: NvspSession
  readonly counters: AdapterCounters
  readonly offloads: Offloads
  readonly scaling: ReceiveScaling
  readonly permanentAddress: Uint8Array
  readonly currentAddress: Uint8Array
  /** Bit/s. */
  readonly linkSpeed: number
  readonly linkUp: boolean
  readonly friendlyName: string
  /** Queues that may be used. */
  readonly maxQueues: number
  /** Queues that are open. */
  readonly queueCount: number
  filter: number
  multicast: readonly Uint8Array[]
  filterChanged(): void
  offloadsChanged(): void
  /** @returns whether the switch lets it have this address */
  setAddress(address: Uint8Array): boolean
}

/** Addresses that a guest may list for multicast. */
export const MOST_MULTICAST = 64
