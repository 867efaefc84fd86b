import { RingError } from './errors.ts'
import { DESCRIPTOR_BYTES } from './layout.ts'
import type { Packet } from './packet.ts'
import { longestPacket, ringDataBytes } from './size.ts'

/** What `next` found. */
export const ReadResult = {
  EMPTY: 0,
  /** `packet` holds it. */
  PACKET: 1,
  /** A packet longer than this consumer takes; it is skipped, and of `packet` only `length` may be used. */
  OVERSIZED: 2,
  /** The ring is dead, `corruption` says why. Nothing more is ever read from it. */
  CORRUPT: 3,
} as const
export type ReadResult = (typeof ReadResult)[keyof typeof ReadResult]

/** Added to what `read` answers when the producer waits for room and has it now: signal it. */
export const SIGNAL_PRODUCER = 4

/** Why `drain` came back. */
export const DrainResult = {
  /** The ring is empty and unmasked: the producer signals its next packet. */
  EMPTY: 0,
  /** The budget is spent, or a drain is under way already. The ring stays masked: call again, no signal will come. */
  MORE: 1,
  CORRUPT: 3,
} as const
export type DrainResult = (typeof DrainResult)[keyof typeof DrainResult]

/** Receives what `drain` finds. */
export interface RingHandler {
  /** May use `packet` during the call only. */
  onPacket(packet: Packet): void
  /** A packet of `packet.length` bytes, more than this consumer takes, was skipped. */
  onOversized(packet: Packet): void
  /** The producer waits for room and has it now: signal it. */
  signalProducer(): void
}

/**
 * The reading end of a ring. There is one per ring, used by one thread, and it alone writes the interrupt mask.
 * Whatever the peer does ends in a result, never in an exception.
 */
export interface RingConsumer {
  readonly dataBytes: number
  /** The longest packet this consumer takes, in bytes, trailer excluded. */
  readonly longestPacket: number
  /** The packet last taken; reused. */
  readonly packet: Packet
  /** Why the ring is dead; `undefined` while it lives. */
  readonly corruption: string | undefined
  /** Packets taken. */
  readonly packets: number
  /** Packets skipped as too long. */
  readonly oversized: number
  /** Signals to a blocked producer that were due. */
  readonly signals: number
  readonly masked: boolean

  /** Copies the next packet into private memory, checks it, and presents it as `packet`. Frees nothing before `commit`. */
  next(): ReadResult

  /**
   * `next` and `commit` in one, for a reader of single packets. Room goes back only when there was a packet.
   * @returns a `ReadResult`, and `SIGNAL_PRODUCER` more when that is due
   */
  read(): number

  /**
   * Gives the room of all packets taken back to the producer.
   * @returns whether the producer must be signalled
   */
  commit(): boolean

  /** Asks for no signals from now on. */
  mask(): void

  /**
   * Asks for signals again and looks once more.
   * @returns whether there is something to read: then no signal will come for it, so mask and read on
   */
  unmask(): boolean

  /** Ends the work on this ring and lets go of the private memory: `packet` is void, and every later call finds `CORRUPT`. */
  close(): void

  /** Bytes that wait to be read, by a fresh look; 0 for a dead ring. */
  readable(): number

  /**
   * Masks, reads to the end, unmasks, looks again. Gives room back after each quarter of the ring and at the end.
   * When the handler throws, the packet counts as taken and the ring stays masked; drain again or close the channel.
   * @param budget packets to handle at most, oversized ones included
   */
  drain(handler: RingHandler, budget: number): DrainResult
}

/**
 * Bytes of private memory for packets up to `longest`: more than the ring can hold is never needed.
 * @throws RingError `bad-longest-packet`
 */
export function scratchBytes(ring: Uint8Array, longest: number): number {
  if (!(longest >= DESCRIPTOR_BYTES)) {
    throw new RingError(
      'bad-longest-packet',
      `packets of up to ${longest} bytes: the descriptor alone has ${DESCRIPTOR_BYTES}`,
    )
  }
  return Math.ceil(Math.min(longest, longestPacket(ringDataBytes(ring.byteLength))) / 8) * 8
}
