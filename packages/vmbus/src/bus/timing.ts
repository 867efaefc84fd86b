import type { ChannelTiming } from '../channel/channel-bus.ts'

/** How long the bus waits for the host, in milliseconds. */
export interface VmbusTiming extends ChannelTiming {
  /** For VERSION_RESPONSE, before the contact is posted again. */
  readonly contactMs: number
  /** For UNLOAD_RESPONSE to an UNLOAD that takes back an unanswered contact. */
  readonly clearingMs: number
  /** For UNLOAD_RESPONSE: hosts flush their disk caches first, which took 50 s on Azure. */
  readonly unloadMs: number
  /** For ALL_OFFERS_DELIVERED. */
  readonly offersMs: number
  /** For the offers of the devices there were before a suspend. */
  readonly resumeMs: number
}

export const DEFAULT_TIMING: VmbusTiming = {
  contactMs: 2000,
  clearingMs: 1000,
  unloadMs: 100_000,
  offersMs: 30_000,
  resumeMs: 10_000,
  replyMs: 30_000,
  rescindMs: 5000,
  fullRingPollMs: 1,
}

/** Between two lines about an unload that takes long. */
export const UNLOAD_PROGRESS_MS = 5000
