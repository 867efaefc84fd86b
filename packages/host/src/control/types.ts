import type { GpaRange } from '@bis/hyperv-types/vmbus'

/** Where a control message goes: a message slot of one virtual processor. */
export interface MessageTarget {
  readonly vp: number
  readonly sint: number
}

/** What was agreed with the guest, until it unloads or contacts again. */
export interface Connection {
  /** major << 16 | minor. */
  readonly version: number
  /** Feature flags of 6.0 that both sides have. */
  readonly features: number
  readonly target: MessageTarget
  /** Guest-physical address of the interrupt page, before 2.4 only. */
  readonly interruptPage: number | undefined
  /** Guest-physical addresses of the monitor pages; both or neither. */
  readonly monitorPages: MonitorPages | undefined
  readonly clientId: string | undefined
}

export interface MonitorPages {
  readonly hostToGuest: number
  readonly guestToHost: number
}

/** An offer as the control plane keeps it; identity and order never change. */
export interface OfferSpec {
  readonly interfaceId: string
  readonly instanceId: string
  readonly flags: number
  readonly mmioMegabytes: number
  readonly userDefined: Uint8Array
  /** In 100 ns; undefined when the device wants no monitor id. */
  readonly monitorLatency: number | undefined
}

/** Guest memory described by a complete and valid GPADL. */
export interface GpadlMemory {
  readonly handle: number
  readonly ranges: readonly GpaRange[]
  readonly pageCount: number
}

/** A valid request of the guest to open a channel. */
export interface OpenRequest {
  readonly openId: number
  readonly ring: GpadlMemory
  /** Page of the ring buffer where the host-to-guest ring begins. */
  readonly downstreamPage: number
  /** Virtual processor for interrupts; undefined: the guest wants none. */
  readonly targetVp: number | undefined
  /** The flag to set in the guest's event page. */
  readonly eventFlag: number
  /** The connection id by which the guest signals. */
  readonly connectionId: number
  /** The guest asked for its interrupts to go to the paravisor's SINT. */
  readonly redirect: boolean
  readonly userData: Uint8Array
  /** Set when firmware opened the channel outside the offers: the SINT it listens on. */
  readonly reserved: MessageTarget | undefined
}

/**
 * What the guest knows of a channel. `unknown`: not offered on this connection; `revoked`: rescinded, and the guest has
 * not released the id yet.
 */
export type ClientState = 'unknown' | 'offered' | 'revoked'

/** What the device does with a channel. `closing` keeps the rings in use until the device has let go of them. */
export type DeviceState =
  | { readonly at: 'closed' }
  | { readonly at: 'opening'; readonly request: OpenRequest }
  | { readonly at: 'open'; readonly request: OpenRequest }
  | { readonly at: 'closing'; readonly request: OpenRequest; readonly reopen: ReopenMessage | undefined }

/** An OPEN_CHANNEL that came while the device was still closing; judged when its turn comes. */
export type ReopenMessage = () => void

/** Why a message was dropped: the closed set of causes that are counted and logged, each at its own limited rate. */
export type ViolationCause =
  | 'short-message'
  | 'unknown-message'
  | 'wrong-direction'
  | 'not-allowed'
  | 'not-connected'
  | 'unexpected'
  | 'unknown-channel'
  | 'unknown-gpadl'
  | 'bad-gpadl'
  | 'bad-request'
  | 'quota'

/** Bounds of what one guest may have, and what the release speaks. */
export interface ControlLimits {
  readonly maxVersion: number
  readonly features: number
  readonly refuseVersions: readonly number[]
  /** Where guests are told to post from 5.0 on. */
  readonly messageConnectionId: number
  /** Pages that all GPADLs together may name. */
  readonly gpadlPages: number
  readonly gpadls: number
  /** GPADLs whose bodies have not all come. */
  readonly incompleteGpadls: number
  /** Messages held back for a guest that paused the connection. */
  readonly pausedMessages: number
  /** Where to look for a free channel id, from 0 to `limit` - 1. Without it: the lowest. */
  readonly chooseChannelId: ((limit: number) => number) | undefined
  /** Whether the guest has a virtual processor of this index. */
  isProcessor(vp: number): boolean
  /** Whether all of these bytes is guest memory. */
  isMemory(gpa: number, length: number): boolean
}
