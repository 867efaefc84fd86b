import type { PageAllocator, PageConstraint, PageRun } from '@bis/hyperv-types'
import { ChannelError, PAGE_SIZE } from '@bis/hyperv-types'
import type { RingConsumer, RingEngine, RingProducer } from '@bis/hyperv-types/ring'
import { initRing, longestPacket, ringDataBytes, splitRingPair } from '@bis/hyperv-types/ring'

/** The two rings of an open channel: one run of pages, guest to host first. */
export interface ChannelRings {
  readonly run: PageRun
  /** Pages of the guest-to-host ring: where the other one begins. */
  readonly downstreamPages: number
  readonly producer: RingProducer
  readonly consumer: RingConsumer
}

export interface RingRequest {
  readonly txRingBytes: number
  readonly rxRingBytes: number
  readonly maxPacketBytes?: number | undefined
  /** Whether the host knows pending send sizes: from 2.4 on. */
  readonly pendingSendSize: boolean
}

/** @throws ChannelError `invalid-argument` for a size that no ring can have */
export function checkRingRequest({ txRingBytes, rxRingBytes, maxPacketBytes }: RingRequest): void {
  for (const [name, bytes] of [
    ['txRingBytes', txRingBytes],
    ['rxRingBytes', rxRingBytes],
  ] as const) {
    if (!Number.isInteger(bytes) || bytes < 2 * PAGE_SIZE || bytes % PAGE_SIZE !== 0) {
      throw new ChannelError(
        'invalid-argument',
        `${name} ${bytes}: it must be a multiple of ${PAGE_SIZE}, at least ${2 * PAGE_SIZE}`,
      )
    }
  }
  if (maxPacketBytes !== undefined && !(Number.isInteger(maxPacketBytes) && maxPacketBytes >= 16)) {
    throw new ChannelError('invalid-argument', `maxPacketBytes ${maxPacketBytes}: a packet has at least 16 bytes`)
  }
}

/**
 * Allocates and empties the rings of a channel. Everything is zero before the host sees it.
 * @throws MemoryError `exhausted`
 */
export function allocateRings(
  pages: PageAllocator,
  constraint: PageConstraint,
  engineAt: (gpa: number) => RingEngine,
  request: RingRequest,
): ChannelRings {
  const downstreamPages = request.txRingBytes / PAGE_SIZE
  const run = pages.allocate(downstreamPages + request.rxRingBytes / PAGE_SIZE, constraint)
  const { outgoing, incoming } = splitRingPair(run.bytes, downstreamPages)
  initRing(outgoing, { pendingSendSize: request.pendingSendSize })
  initRing(incoming, { pendingSendSize: request.pendingSendSize })
  const engine = engineAt(run.gpa)
  const most = longestPacket(ringDataBytes(request.rxRingBytes))
  const longest = Math.min(most, Math.ceil((request.maxPacketBytes ?? most) / 8) * 8)
  return { run, downstreamPages, producer: engine.producer(outgoing), consumer: engine.consumer(incoming, longest) }
}

/** New ends of rings in use, after those before were closed: they go on where the rings stand. */
export function reopenRings(rings: ChannelRings, engineAt: (gpa: number) => RingEngine): ChannelRings {
  const { run, downstreamPages, consumer } = rings
  const { outgoing, incoming } = splitRingPair(run.bytes, downstreamPages)
  const engine = engineAt(run.gpa)
  return { ...rings, producer: engine.producer(outgoing), consumer: engine.consumer(incoming, consumer.longestPacket) }
}
