import { RingError } from './errors.ts'
import { packetBytes } from './size.ts'

/** What became of a packet: all but `WRITTEN` and `WRITTEN_SIGNAL` mean that it is not in the ring. */
export const WriteResult = {
  /** In the ring; the consumer needs no signal. */
  WRITTEN: 0,
  /** In the ring, and the consumer must be signalled now. */
  WRITTEN_SIGNAL: 1,
  /** No room. The consumer signals when there is, if the ring has flow control; retry then what was refused. */
  RING_FULL: 2,
  /** The consumer's index is impossible: the ring is dead, `corruption` says why. */
  RING_CORRUPT: 3,
} as const
export type WriteResult = (typeof WriteResult)[keyof typeof WriteResult]

/** For a packet without extra header or without payload. */
export const NO_BYTES = new Uint8Array(0)

/**
 * The writing end of a ring. There is one per ring, used by one thread.
 * A caller whose packet was refused keeps it and, after the next signal, offers all it kept again, oldest first.
 */
export interface RingProducer {
  readonly dataBytes: number
  /** The longest packet this ring can take, trailer excluded. */
  readonly longestPacket: number
  /** Whether the consumer signals when there is room again; without it, a refused packet has to be retried on a timer or on a completion. */
  readonly flowControl: boolean
  /** Why the ring is dead; `undefined` while it lives. */
  readonly corruption: string | undefined
  /** Packets written. */
  readonly packets: number
  /** Signals that were due. */
  readonly signals: number
  /** Times an index was published without need of a signal. */
  readonly suppressedSignals: number
  /** Packets refused for want of room. */
  readonly ringFull: number

  /**
   * Writes one packet and publishes it.
   * @param type `PacketType`
   * @param flags `FLAG_COMPLETION_REQUESTED` or 0
   * @param header extra header between descriptor and payload (range lists), `NO_BYTES` if none
   * @param headerLength its bytes, a multiple of 8
   * @throws RingError `bad-packet` for a range outside its buffer, `packet-too-long` for what no empty ring could take
   */
  write(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array,
    headerLength: number,
    payload: Uint8Array,
    payloadOffset: number,
    payloadLength: number,
  ): WriteResult

  /**
   * Writes one packet without publishing it. A batch ends with `publish`, also when its last packet was refused.
   * @returns `WRITTEN`, `RING_FULL` or `RING_CORRUPT`
   */
  put(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array,
    headerLength: number,
    payload: Uint8Array,
    payloadOffset: number,
    payloadLength: number,
  ): WriteResult

  /**
   * Publishes all packets put since the last time, with one index store and one signal decision.
   * @returns `WRITTEN`, `WRITTEN_SIGNAL` or `RING_CORRUPT`
   */
  publish(): WriteResult

  /** Bytes free now, by a fresh look; a packet needs its length, its trailer, and 1 more. 0 for a dead ring. */
  freeBytes(): number

  /** Takes back the wish to be signalled: the caller gave up what was refused. */
  cancelPending(): void

  /** Ends the work on this ring and lets go of private memory; every later call finds `RING_CORRUPT`. */
  close(): void
}

/**
 * The bytes of a packet without its trailer, after refusing what only a mistaken caller can ask for. Shared by all producers.
 * @throws RingError `bad-packet`, `packet-too-long`
 */
export function checkedLength(
  longest: number,
  header: Uint8Array,
  headerLength: number,
  payload: Uint8Array,
  payloadOffset: number,
  payloadLength: number,
): number {
  // A sign bit in any of the three shows in all of them together; NaN fails the comparisons.
  if (
    (headerLength | payloadOffset | payloadLength) >= 0 &&
    payloadOffset + payloadLength <= payload.length &&
    (headerLength === 0 || (headerLength % 8 === 0 && headerLength <= header.length))
  ) {
    const length = packetBytes(headerLength, payloadLength)
    if (length <= longest) return length
  }
  throw mistake(longest, header, headerLength, payload, payloadOffset, payloadLength)
}

function mistake(
  longest: number,
  header: Uint8Array,
  headerLength: number,
  payload: Uint8Array,
  payloadOffset: number,
  payloadLength: number,
): RingError {
  if (headerLength % 8 !== 0 || !(headerLength >= 0 && headerLength <= header.length)) {
    return new RingError(
      'bad-packet',
      `extra header of ${headerLength} bytes from a buffer of ${header.length}: it must be a multiple of 8 inside it`,
    )
  }
  if (!(payloadOffset >= 0 && payloadLength >= 0 && payloadOffset + payloadLength <= payload.length)) {
    return new RingError(
      'bad-packet',
      `payload [${payloadOffset}, ${payloadOffset + payloadLength}) lies outside its buffer of ${payload.length} bytes`,
    )
  }
  const length = packetBytes(headerLength, payloadLength)
  return new RingError('packet-too-long', `a packet of ${length} bytes: this ring takes at most ${longest}`)
}
