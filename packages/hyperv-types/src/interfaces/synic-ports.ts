import type { GuestMemory } from '../memory/guest-memory.ts'

/**
 * What became of a message or an event for the guest. `queued`: the message waits for its slot, or is on its way through
 * a transport; `masked`: the SINT is masked or disabled, so an event is lost and a message waits; `full`: too many
 * messages wait already, this one was not taken; `invalid`: no such processor, SINT or flag, or a payload too long;
 * `gone`: the partition has ended.
 */
export type PortDelivery = 'delivered' | 'queued' | 'masked' | 'full' | 'invalid' | 'gone'

/**
 * The root's side of one partition's SynIC. Implemented by the partition (same thread, or through shared memory) and by
 * the socket server; used by the VMBus server.
 */
export interface SynicPorts {
  /** The partition's memory, as the root sees it. */
  readonly memory: GuestMemory
  readonly processorCount: number
  /** The partition's reference time in 100 ns; undefined where a transport does not tell it. */
  referenceTime?(): bigint | undefined
  /** Whether a virtual processor has this index; without it, those from 0 to `processorCount` - 1 do. */
  hasProcessor?(vp: number): boolean
  /** Queues a message (payload at most 240 bytes, copied) for a SINT of a virtual processor; messages keep their order. */
  postMessage(vp: number, sint: number, messageType: number, payload: Uint8Array): PortDelivery
  /** Sets an event flag (0 to 2047) of a SINT and raises the SINT if the flag was clear. */
  signalEvent(vp: number, sint: number, flag: number): PortDelivery
  /** Makes `root` the receiver of what the guest posts and signals. One at a time; returns how to step back. */
  connect(root: SynicRoot): () => void
}

/**
 * What the root does with a guest's hypercalls. Both are called inside the guest's hypercall: they take note and return;
 * the work is done in a task of the root's own.
 */
export interface SynicRoot {
  /** @returns an HV_STATUS: 0, 0x12 invalid connection id, 0x13 insufficient buffers. `payload` is valid during the call. */
  messagePosted(connectionId: number, messageType: number, payload: Uint8Array, vp: number): number
  /** @returns an HV_STATUS: 0 or 0x12 invalid connection id. */
  eventSignaled(connectionId: number, flag: number, vp: number): number
  /** The partition was reset: forget all channels, keep the memory. */
  partitionReset(): void
  /** The guest committed a crash report (HV_X64_MSR_CRASH_CTL). */
  guestCrashed?(report: CrashReport): void
  /** The partition has ended or its transport broke; nothing can be sent any more. */
  partitionGone?(reason: string): void
}

/** The crash registers as the guest left them. */
export interface CrashReport {
  /** HV_X64_MSR_CRASH_P0 to P4. */
  readonly parameters: readonly [bigint, bigint, bigint, bigint, bigint]
  readonly control: bigint
  /** The guest's message, when the control's bit 62 is set and P3, P4 name readable memory. */
  readonly message?: string
}
