import type { BenchMemory } from '../ring/rows.ts'

/** Whether host and switch run in the guests' thread. */
export type HostThread = 'same' | 'second'

/** What the machines are like. */
export interface Arrangement {
  readonly memory: BenchMemory
  readonly host: HostThread
  /** Ports on the switch beside the sender's. */
  readonly ports: number
  /** Channels of each NIC. */
  readonly channels: number
}

/**
 * - `frames`: plain frames;
 * - `flows`: TCP frames of 128 flows, sums filled in, each flow's hash told by the sender, 32 frames of one at a time;
 * - `tcp`: TCP over IPv4 whose checksum the sender leaves to the adapter;
 * - `large-send`: TCP that passes whole to a guest which takes coalesced frames;
 * - `large-send-cut`: TCP that the switch cuts into segments, as the receiver takes no others.
 */
export type Load = 'frames' | 'flows' | 'tcp' | 'large-send' | 'large-send-cut'

/** Frames from a guest through netvsc, VMBus, netvsp and the switch to a second guest. */
export interface NetvscFrameRow extends Arrangement {
  readonly contender: 'netvsc'
  readonly load: Load
  readonly frameBytes: number
  /** For each frame that was sent. Like every figure here the time that a fiftieth of the slices beat. */
  readonly nanoseconds: number
  readonly framesPerSecond: number
  readonly bitsPerSecond: number
  /** The C ring program's time for a packet of 64 bytes divided by this one. Absent without a C compiler. */
  readonly ofCRing?: number
  /** The time of a plain copy of as many bytes divided by this one. */
  readonly ofCopy: number
}

/** The limits, measured in turns with the frames: a plain copy of as many bytes, or the C ring program. */
export interface NetvscLimitRow {
  readonly contender: 'copy' | 'c-ring'
  readonly memory: BenchMemory
  readonly frameBytes: number
  readonly nanoseconds: number
}

/**
 * What millions of frames of 64 bytes put on the heap: everything, what the collector took away again included. What is
 * the same for every frame does not become less in longer bursts; what there is belongs to the bursts.
 */
export interface NetvscHeapRow {
  readonly contender: 'heap'
  readonly memory: BenchMemory
  readonly frames: number
  /** Frames in a batch. */
  readonly burst: number
  readonly allocatedBytes: number
  readonly bytesPerFrame: number
  readonly collections: number
}

export type NetvscRow = NetvscFrameRow | NetvscLimitRow | NetvscHeapRow
