import type {
  ChannelOffer,
  Clock,
  Device,
  GuestMemory,
  Logger,
  MmioSpace,
  PageAllocator,
  PageConstraint,
} from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import type { PendingReplies } from '../control/pending-replies.ts'
import type { Signal } from './signal.ts'

/** What a channel asks of the bus it is on. */
export interface ChannelBus {
  /** Negotiated version, major << 16 | minor; 0 while there is no connection. */
  readonly version: number
  readonly features: number
  readonly clock: Clock
  readonly log: Logger
  readonly memory: GuestMemory
  readonly pages: PageAllocator
  readonly mmio: MmioSpace
  /** Where rings are allocated. */
  readonly ringConstraint: PageConstraint
  /** What works on rings at this address. */
  ringEngine(gpa: number): RingEngine
  readonly processorCount: number
  /** The partition's reference time; undefined while there is none. */
  readonly referenceTime: { now(): bigint } | undefined
  readonly replies: PendingReplies
  readonly timing: ChannelTiming
  /** VP index of a processor. */
  vpIndex(cpu: number): number
  /** The next processor in turn, as `vmbus_chan_cpu_rr`: where sub-channels take their interrupts. */
  nextCpu(): number
  /** Posts a control message on the connection. @throws VmbusError, ChannelError */
  post(message: Uint8Array, signal?: AbortSignal): Promise<void>
  /** A handle that no GPADL of this connection has. */
  takeGpadlHandle(): number
  /** How a channel with this offer signals the host. */
  makeSignal(offer: ChannelOffer, monitored: boolean): Signal
  /** Calls the channel's `run` in a task of its own. */
  schedule(channel: Runnable): void
  /** As {@link ChannelBus.schedule}, after others had a turn. */
  scheduleLater(channel: Runnable): void
}

/** Something with work to do in the bus's tasks. */
export interface Runnable {
  run(): void
}

/** Limits of a channel's waits, in milliseconds. */
export interface ChannelTiming {
  /** For OPEN_RESULT, GPADL_CREATED, GPADL_TORNDOWN and MODIFY_CHANNEL_RESPONSE. */
  readonly replyMs: number
  /** For GPADL_TORNDOWN of a rescinded channel, before its id is released all the same. */
  readonly rescindMs: number
  /** Between tries of a blocked sender whose host knows no pending send sizes. */
  readonly fullRingPollMs: number
}

/** The device that a primary channel belongs to; known once the bus has added it. */
export interface ChannelOwner {
  readonly device: Device | undefined
}
