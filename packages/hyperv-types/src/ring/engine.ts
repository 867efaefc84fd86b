import { RingAccess } from './access.ts'
import type { RingConsumer } from './consumer.ts'
import { scratchBytes } from './consumer.ts'
import type { RingProducer } from './producer.ts'
import { ScriptConsumer } from './script-consumer.ts'
import { ScriptProducer } from './script-producer.ts'
import { checkRing } from './size.ts'
import type { MemoryCopy } from './wasm/memory-copy.ts'

/** A way to work on rings. All engines do the same to the shared bytes, so the two ends of a ring may differ in theirs. */
export interface RingEngine {
  readonly kind: 'script' | 'wasm'

  /**
   * The writing end of a ring that exists already (`initRing`); it goes on from the indices found there.
   * @throws RingError `bad-ring-size`, `bad-alignment`
   */
  producer(ring: Uint8Array): RingProducer

  /**
   * The reading end of a ring that exists already.
   * @param longestPacket bytes of the longest packet taken, descriptor and padding included; up to what the ring can hold
   * @throws RingError `bad-ring-size`, `bad-alignment`, `bad-longest-packet`
   */
  consumer(ring: Uint8Array, longestPacket: number): RingConsumer

  /**
   * A zeroed buffer from which packets are written fastest: build payloads and headers in it. Any other buffer does too.
   * Give it back to `free`.
   */
  allocate(bytes: number): Uint8Array

  free(buffer: Uint8Array): void

  /** Copies bytes within the engine's memory, offsets counted from its start. Only where there is one, in WebAssembly. */
  readonly copy?: MemoryCopy
}

/** Plain script; works over any ArrayBuffer or SharedArrayBuffer, a mapped file included. */
export const scriptEngine: RingEngine = {
  kind: 'script',
  producer(ring) {
    checkRing(ring)
    return new ScriptProducer(new RingAccess(ring))
  },
  consumer(ring, longestPacket) {
    checkRing(ring)
    return new ScriptConsumer(new RingAccess(ring), new Uint8Array(scratchBytes(ring, longestPacket)))
  },
  allocate: (bytes) => new Uint8Array(bytes),
  free() {},
}
