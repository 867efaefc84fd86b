import type { RingConsumer, RingHandler } from './consumer.ts'
import { DrainResult, ReadResult } from './consumer.ts'

/** The consumer's algorithm, the same for every kind of consumer. */
export function drainRing(ring: RingConsumer, handler: RingHandler, budget: number): DrainResult {
  const commitAfter = ring.dataBytes / 4
  let handled = 0
  let taken = 0
  ring.mask()
  for (;;) {
    const found = ring.next()
    if (found === ReadResult.PACKET || found === ReadResult.OVERSIZED) {
      taken += ring.packet.length
      if (found === ReadResult.PACKET) handler.onPacket(ring.packet)
      else handler.onOversized(ring.packet)
      handled++
      if (handled < budget && taken < commitAfter) continue
    }
    taken = 0
    if (ring.commit()) handler.signalProducer()
    if (ring.corruption !== undefined) return DrainResult.CORRUPT
    if (found === ReadResult.EMPTY) {
      if (!ring.unmask()) return ring.corruption === undefined ? DrainResult.EMPTY : DrainResult.CORRUPT
      ring.mask()
    }
    if (handled >= budget) return DrainResult.MORE
  }
}
