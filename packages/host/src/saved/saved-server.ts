import { BisError } from '@bis/hyperv-types'

/**
 * A server's state as plain data that JSON can carry. Bytes are hexadecimal text. It is checked when it is restored, as if
 * the guest had sent it: what it says can end in a refusal or in rescinded devices, in nothing worse.
 */
export interface SavedServer {
  readonly format: 1
  /** Undefined when the guest was not connected. */
  readonly connection?: SavedConnection
  readonly channels: readonly SavedChannel[]
  /** Messages that the guest had posted and that had not been handled. */
  readonly inbox: readonly string[]
}

export interface SavedConnection {
  /** An INITIATE_CONTACT that asks for what was agreed. */
  readonly contact: string
  /** The guest has asked for its offers. */
  readonly offered: boolean
  /** Messages held back for a guest that paused; undefined when it had not. */
  readonly held?: readonly string[]
}

/** A channel that the guest knows. */
export interface SavedChannel {
  readonly interfaceId: string
  readonly instanceId: string
  readonly subIndex: number
  readonly channelId: number
  readonly monitorId?: number
  /** Rescinded, and not released by the guest. */
  readonly revoked: boolean
  readonly gpadls: readonly SavedGpadl[]
  /** Of an open channel whose device could be saved. */
  readonly open?: SavedOpen
  /** It was open, and its device could not be saved. */
  readonly lost: boolean
}

export interface SavedGpadl {
  readonly handle: number
  readonly rangeCount: number
  /** Bytes of the whole range list. */
  readonly listBytes: number
  /** The guest has asked for it to be torn down, and waits for the answer. */
  readonly waiting: boolean
  /** The list as far as it had come. */
  readonly list: string
}

export interface SavedOpen {
  /** An OPEN_CHANNEL that opens it as it was last, the processor included. */
  readonly message: string
  /** What the device's `onSave` gave. */
  readonly device: unknown
}

export type RestoreErrorCode = 'bad-format' | 'bad-state' | 'refused'

/** Saved state that cannot be restored on this server: damaged, or of what this release does not speak. */
export class RestoreError extends BisError<RestoreErrorCode> {
  override readonly name = 'RestoreError'
}
