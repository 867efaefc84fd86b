import { RingError } from './errors.ts'
import { DESCRIPTOR_BYTES, MAX_PACKET_BYTES, RING_PAGE_BYTES, TRAILER_BYTES } from './layout.ts'

/** Indices must stay well inside a signed 32-bit number. */
const MAX_RING_BYTES = 2 ** 30

/**
 * Bytes of a packet in the ring without its trailer: descriptor, extra header, payload, padding to 8.
 * @param headerLength bytes of extra header after the descriptor, a multiple of 8
 */
export function packetBytes(headerLength: number, payloadLength: number): number {
  return (DESCRIPTOR_BYTES + headerLength + payloadLength + 7) & ~7
}

/** The longest packet (without trailer) that fits into a ring with this many data bytes: 8 bytes always stay free. */
export function longestPacket(dataBytes: number): number {
  return Math.min(dataBytes - 2 * TRAILER_BYTES, MAX_PACKET_BYTES)
}

/**
 * The smallest ring, control page included, whose data area holds `payloadBytes`.
 * @returns bytes, a multiple of 4096
 */
export function ringBytesFor(payloadBytes: number): number {
  return RING_PAGE_BYTES + Math.max(1, Math.ceil(payloadBytes / RING_PAGE_BYTES)) * RING_PAGE_BYTES
}

/** Bytes of the data area of a ring of `ringBytes`. */
export function ringDataBytes(ringBytes: number): number {
  return ringBytes - RING_PAGE_BYTES
}

/**
 * Checks that a window can be a ring: one control page and at least one data page, in whole pages, 8-byte aligned.
 * @throws RingError `bad-ring-size`, `bad-alignment`
 */
export function checkRing(ring: Uint8Array): void {
  const bytes = ring.byteLength
  if (bytes < 2 * RING_PAGE_BYTES || bytes % RING_PAGE_BYTES !== 0 || bytes > MAX_RING_BYTES) {
    throw new RingError(
      'bad-ring-size',
      `a ring of ${bytes} bytes: it takes a control page and data pages of ${RING_PAGE_BYTES} bytes, up to 1 GiB`,
    )
  }
  if (ring.byteOffset % 8 !== 0) {
    throw new RingError(
      'bad-alignment',
      `a ring at byte ${ring.byteOffset} of its buffer: its offset must be a multiple of 8`,
    )
  }
}

/** The two rings of a channel, seen by the guest. */
export interface RingPair {
  /** Guest to host. */
  readonly outgoing: Uint8Array
  /** Host to guest. */
  readonly incoming: Uint8Array
}

/**
 * Splits a channel's buffer at the downstream page offset of OPEN_CHANNEL.
 * @param downstreamPages pages of the outgoing ring; the incoming one takes the rest
 * @throws RingError `bad-ring-size`, `bad-alignment`
 */
export function splitRingPair(buffer: Uint8Array, downstreamPages: number): RingPair {
  const split = downstreamPages * RING_PAGE_BYTES
  if (!Number.isInteger(downstreamPages) || downstreamPages < 2 || split > buffer.byteLength) {
    throw new RingError(
      'bad-ring-size',
      `downstream ring at page ${downstreamPages} of a buffer of ${buffer.byteLength} bytes: each ring needs at least 2 pages`,
    )
  }
  const pair = { outgoing: buffer.subarray(0, split), incoming: buffer.subarray(split) }
  checkRing(pair.outgoing)
  checkRing(pair.incoming)
  return pair
}
