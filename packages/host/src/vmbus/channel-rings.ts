import type { HostGpadl } from '@bis/hyperv-types'
import type { RingConsumer, RingEngine, RingProducer } from '@bis/hyperv-types/ring'
import { longestPacket, ringDataBytes, splitRingPair } from '@bis/hyperv-types/ring'

/** The two rings of a channel, seen from the host. */
export interface ChannelRings {
  /** Host to guest. */
  readonly outgoing: RingProducer
  /** Bytes of the longest packet that the guest-to-host ring can hold. */
  readonly longestPacket: number
  /** Takes up the guest-to-host ring. @param longest bytes of the longest packet taken */
  openIncoming(longest: number): RingConsumer
}

/**
 * Takes up the rings that the guest made.
 * @returns undefined when the memory cannot be used as rings
 */
export function openRings(engine: RingEngine, gpadl: HostGpadl, downstreamPage: number): ChannelRings | undefined {
  if (gpadl.contiguous === undefined) return undefined
  // The guest's outgoing ring is the host's incoming one.
  const { outgoing: guestToHost, incoming: hostToGuest } = splitRingPair(gpadl.contiguous, downstreamPage)
  return {
    outgoing: engine.producer(hostToGuest),
    longestPacket: longestPacket(ringDataBytes(guestToHost.byteLength)),
    openIncoming: (longest) => engine.consumer(guestToHost, longest),
  }
}
