import type { RingMemory } from './access.ts'
import { RingAccess } from './access.ts'
import type { RingConsumer } from './consumer.ts'
import { RingError } from './errors.ts'
import { RING_PAGE_BYTES } from './layout.ts'
import type { RingProducer } from './producer.ts'
import { ScriptConsumer } from './script-consumer.ts'
import { ScriptProducer } from './script-producer.ts'
import { longestPacket } from './size.ts'

/**
 * A ring whose pages do not follow each other in memory, as a guest may list them in its GPADL. Slower than a ring in one
 * piece, and the same to the peer.
 * @param pages windows of 4096 bytes in the order of the ring, the control page first
 * @throws RingError `bad-ring-size`, `bad-alignment`
 */
export function scatteredProducer(pages: readonly Uint8Array[]): RingProducer {
  return new ScriptProducer(new ScatteredAccess(pages))
}

/** The reading end likewise. @param longest bytes of the longest packet taken */
export function scatteredConsumer(pages: readonly Uint8Array[], longest: number): RingConsumer {
  const memory = new ScatteredAccess(pages)
  const scratch = Math.ceil(Math.min(longest, longestPacket(memory.dataBytes)) / 8) * 8
  return new ScriptConsumer(memory, new Uint8Array(scratch))
}

/** Control words by the control page's own {@link RingAccess}, data page by page. */
class ScatteredAccess implements RingMemory {
  readonly dataBytes: number
  readonly #control: RingAccess
  readonly #pages: readonly Uint8Array[]
  readonly #views: readonly DataView[]

  constructor(pages: readonly Uint8Array[]) {
    const [control, ...data] = pages
    if (control === undefined || data.length === 0 || pages.some((page) => page.byteLength !== RING_PAGE_BYTES)) {
      throw new RingError('bad-ring-size', `a ring of ${pages.length} pages: it takes a control page and data pages`)
    }
    if (pages.some((page) => page.byteOffset % 8 !== 0)) {
      throw new RingError('bad-alignment', 'a ring with a page whose offset is not a multiple of 8')
    }
    this.dataBytes = data.length * RING_PAGE_BYTES
    this.#control = new RingAccess(control)
    this.#pages = data
    this.#views = data.map((page) => new DataView(page.buffer, page.byteOffset, page.byteLength))
  }

  loadWriteIndex(): number {
    return this.#control.loadWriteIndex()
  }

  storeWriteIndex(index: number): void {
    this.#control.storeWriteIndex(index)
  }

  loadReadIndex(): number {
    return this.#control.loadReadIndex()
  }

  storeReadIndex(index: number): void {
    this.#control.storeReadIndex(index)
  }

  loadInterruptMask(): number {
    return this.#control.loadInterruptMask()
  }

  storeInterruptMask(mask: 0 | 1): void {
    this.#control.storeInterruptMask(mask)
  }

  loadPendingSendSize(): number {
    return this.#control.loadPendingSendSize()
  }

  storePendingSendSize(bytes: number): void {
    this.#control.storePendingSendSize(bytes)
  }

  loadPendingSendSizeFeature(): boolean {
    return this.#control.loadPendingSendSizeFeature()
  }

  storePair(at: number, low: number, high: number): void {
    const view = this.#views[Math.floor(at / RING_PAGE_BYTES)]
    const offset = at % RING_PAGE_BYTES
    view?.setInt32(offset, low, true)
    view?.setInt32(offset + 4, high, true)
  }

  copyIn(at: number, from: Uint8Array, fromOffset: number, length: number): void {
    let done = 0
    while (done < length) {
      const place = (at + done) % this.dataBytes
      const offset = place % RING_PAGE_BYTES
      const count = Math.min(length - done, RING_PAGE_BYTES - offset)
      const start = fromOffset + done
      this.#pages[Math.floor(place / RING_PAGE_BYTES)]?.set(from.subarray(start, start + count), offset)
      done += count
    }
  }

  copyOut(at: number, to: Uint8Array, toOffset: number, length: number): void {
    let done = 0
    while (done < length) {
      const place = (at + done) % this.dataBytes
      const offset = place % RING_PAGE_BYTES
      const count = Math.min(length - done, RING_PAGE_BYTES - offset)
      const page = this.#pages[Math.floor(place / RING_PAGE_BYTES)]
      if (page !== undefined) to.set(page.subarray(offset, offset + count), toOffset + done)
      done += count
    }
  }
}
