import type { GuestMemory, HostGpadl } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import type { RingConsumer, RingEngine, RingProducer } from '@bis/hyperv-types/ring'
import {
  longestPacket,
  ringEngineFor,
  scatteredConsumer,
  scatteredProducer,
  scriptEngine,
  splitRingPair,
} from '@bis/hyperv-types/ring'

/** The two rings of a channel, seen from the host. */
export interface ChannelRings {
  /** Host to guest. */
  readonly outgoing: RingProducer
  readonly engine: RingEngine
  /** Bytes of the longest packet that the guest-to-host ring can hold. */
  readonly longestPacket: number
  /** Takes up the guest-to-host ring. @param longest bytes of the longest packet taken */
  openIncoming(longest: number): RingConsumer
}

/**
 * Takes up the rings that the guest made: in place when their pages follow each other in memory, page by page when not.
 * @param gpadl one range of whole pages
 * @param engine undefined: what is fastest for the memory
 */
export function openRings(
  memory: GuestMemory,
  gpadl: HostGpadl,
  downstreamPage: number,
  engine: RingEngine | undefined,
): ChannelRings {
  const longest = longestPacket((downstreamPage - 1) * PAGE_SIZE)
  const { contiguous } = gpadl
  if (contiguous === undefined) {
    return { ...scatteredRings(memory, gpadl, downstreamPage), engine: scriptEngine, longestPacket: longest }
  }
  // The guest's outgoing ring is the host's incoming one.
  const { outgoing: guestToHost, incoming: hostToGuest } = splitRingPair(contiguous, downstreamPage)
  const used = engine ?? engineAt(memory, gpadl)
  return {
    outgoing: used.producer(hostToGuest),
    engine: used,
    longestPacket: longest,
    openIncoming: (bytes) => used.consumer(guestToHost, bytes),
  }
}

function engineAt(memory: GuestMemory, gpadl: HostGpadl): RingEngine {
  const region = memory.regionAt((gpadl.pfns[0] ?? 0) * PAGE_SIZE, 0)
  return ringEngineFor(region ?? { byteLength: 0 })
}

function scatteredRings(memory: GuestMemory, gpadl: HostGpadl, downstreamPage: number) {
  const pages = Array.from(gpadl.pfns, (pfn) => memory.bytesAt(pfn * PAGE_SIZE, PAGE_SIZE))
  const guestToHost = pages.slice(0, downstreamPage)
  return {
    outgoing: scatteredProducer(pages.slice(downstreamPage)),
    openIncoming: (bytes: number) => scatteredConsumer(guestToHost, bytes),
  }
}
