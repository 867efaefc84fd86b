import type { ChannelRecord } from './channel-record.ts'
import type { Connection, MessageTarget, OpenRequest, ViolationCause } from './types.ts'

/**
 * Everything the control plane does to the world. It calls these after a transition is over and its state consistent,
 * one at a time and in order, so any of them may call the control plane again.
 */
export interface ControlEffects {
  /** Posts a control message to the guest. */
  post(target: MessageTarget, message: Uint8Array): void
  /** A connection is made, or its monitor pages changed. */
  connected(connection: Connection): void
  /** All channels are closed; nothing may touch the guest's interrupt and monitor pages any more. */
  disconnected(): void
  /** Open the device; answer with `openDone`. */
  openChannel(channel: ChannelRecord, request: OpenRequest): void
  /** Stop the device and let go of the rings; answer with `closeDone`. */
  closeChannel(channel: ChannelRecord): void
  /** Interrupts go to another virtual processor from now on. */
  retargetChannel(channel: ChannelRecord, vp: number): void
  /** The device is to stop using guest memory; answer with `gpadlReleased`. */
  releaseGpadl(channel: ChannelRecord, handle: number): void
  /** A revoked channel is gone: released by the guest or its connection, and closed by the device. */
  channelGone(channel: ChannelRecord): void
  /** The guest asks for an hvsock connection. @returns false to refuse at once. */
  transportConnect(endpoint: string, service: string, silo: string | undefined): boolean
  /** The guest broke the protocol; the message was dropped. */
  violation(cause: ViolationCause, text: string): void
}
