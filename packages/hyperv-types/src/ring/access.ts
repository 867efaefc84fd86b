import { ControlOffset, FEATURE_PENDING_SEND_SIZE, RING_PAGE_BYTES } from './layout.ts'

const WRITE = ControlOffset.writeIndex / 4
const READ = ControlOffset.readIndex / 4
const MASK = ControlOffset.interruptMask / 4
const PENDING = ControlOffset.pendingSendSize / 4
const FEATURES = ControlOffset.featureBits / 4

/** Up to here a loop over words is faster in V8 than any bulk copy. */
const LOOP_BYTES = 32
/** The same where a bulk copy needs a view made for it. */
const LOOP_BYTES_BEFORE_VIEW = 160

/** What producer and consumer need of a ring's bytes: control words as atomics, data as copies. */
export interface RingMemory {
  /** Size of the data area, in bytes. */
  readonly dataBytes: number
  loadWriteIndex(): number
  storeWriteIndex(index: number): void
  loadReadIndex(): number
  storeReadIndex(index: number): void
  loadInterruptMask(): number
  storeInterruptMask(mask: 0 | 1): void
  loadPendingSendSize(): number
  storePendingSendSize(bytes: number): void
  loadPendingSendSizeFeature(): boolean
  /** Stores 8 bytes at an 8-aligned place of the data area. */
  storePair(at: number, low: number, high: number): void
  copyIn(at: number, from: Uint8Array, fromOffset: number, length: number): void
  copyOut(at: number, to: Uint8Array, toOffset: number, length: number): void
}

/**
 * The only way to a ring's shared memory from script: control words through sequentially consistent atomics, data through
 * copies. Nothing here interprets what it reads, and each call reads a byte once.
 */
export class RingAccess implements RingMemory {
  /** Size of the data area, in bytes. */
  readonly dataBytes: number
  readonly #control: Int32Array
  readonly #data: Uint8Array
  readonly #view: DataView
  /** The whole buffer: `copyWithin` on it copies without making a view. */
  readonly #whole: Uint8Array
  readonly #dataStart: number
  /** The other side of the last copy; callers keep using the same few buffers, most of them two by turns. */
  #peer: Uint8Array
  #peerView: DataView
  #peerStart = -1
  #lastPeer: Uint8Array
  #lastPeerView: DataView
  #lastPeerStart = -1

  constructor(ring: Uint8Array) {
    const { buffer, byteOffset, byteLength } = ring
    this.dataBytes = byteLength - RING_PAGE_BYTES
    this.#dataStart = byteOffset + RING_PAGE_BYTES
    this.#control = new Int32Array(buffer, byteOffset, RING_PAGE_BYTES / 4)
    this.#data = new Uint8Array(buffer, this.#dataStart, this.dataBytes)
    this.#view = new DataView(buffer, this.#dataStart, this.dataBytes)
    this.#whole = new Uint8Array(buffer)
    this.#peer = this.#lastPeer = this.#whole
    this.#peerView = this.#lastPeerView = this.#view
  }

  loadWriteIndex(): number {
    return Atomics.load(this.#control, WRITE) >>> 0
  }

  storeWriteIndex(index: number): void {
    Atomics.store(this.#control, WRITE, index)
  }

  loadReadIndex(): number {
    return Atomics.load(this.#control, READ) >>> 0
  }

  storeReadIndex(index: number): void {
    Atomics.store(this.#control, READ, index)
  }

  loadInterruptMask(): number {
    return Atomics.load(this.#control, MASK) >>> 0
  }

  storeInterruptMask(mask: 0 | 1): void {
    Atomics.store(this.#control, MASK, mask)
  }

  loadPendingSendSize(): number {
    return Atomics.load(this.#control, PENDING) >>> 0
  }

  storePendingSendSize(bytes: number): void {
    Atomics.store(this.#control, PENDING, bytes)
  }

  loadPendingSendSizeFeature(): boolean {
    return (Atomics.load(this.#control, FEATURES) & FEATURE_PENDING_SEND_SIZE) !== 0
  }

  /** Stores 8 bytes at an 8-aligned place of the data area, so they cannot wrap. */
  storePair(at: number, low: number, high: number): void {
    this.#view.setInt32(at, low, true)
    this.#view.setInt32(at + 4, high, true)
  }

  /** Copies into the data area from `at` on, around its end. */
  copyIn(at: number, from: Uint8Array, fromOffset: number, length: number): void {
    const first = this.dataBytes - at
    if (length <= first) {
      this.#put(at, from, fromOffset, length)
    } else {
      this.#put(at, from, fromOffset, first)
      this.#put(0, from, fromOffset + first, length - first)
    }
  }

  /** Copies out of the data area from `at` on, around its end. */
  copyOut(at: number, to: Uint8Array, toOffset: number, length: number): void {
    const first = this.dataBytes - at
    if (length <= first) {
      this.#take(at, to, toOffset, length)
    } else {
      this.#take(at, to, toOffset, first)
      this.#take(0, to, toOffset + first, length - first)
    }
  }

  #put(at: number, from: Uint8Array, fromOffset: number, length: number): void {
    if (from !== this.#peer) this.#meet(from)
    if (length <= LOOP_BYTES) {
      const view = this.#peerView
      let done = 0
      for (; done + 4 <= length; done += 4) this.#view.setInt32(at + done, view.getInt32(fromOffset + done, true), true)
      for (; done < length; done++) this.#view.setUint8(at + done, view.getUint8(fromOffset + done))
    } else if (this.#peerStart >= 0) {
      const start = this.#peerStart + fromOffset
      this.#whole.copyWithin(this.#dataStart + at, start, start + length)
    } else if (length === from.length) {
      this.#data.set(from, at)
    } else {
      this.#data.set(from.subarray(fromOffset, fromOffset + length), at)
    }
  }

  #take(at: number, to: Uint8Array, toOffset: number, length: number): void {
    if (to !== this.#peer) this.#meet(to)
    if (length <= (this.#peerStart >= 0 ? LOOP_BYTES : LOOP_BYTES_BEFORE_VIEW)) {
      const view = this.#peerView
      let done = 0
      for (; done + 4 <= length; done += 4) view.setInt32(toOffset + done, this.#view.getInt32(at + done, true), true)
      for (; done < length; done++) view.setUint8(toOffset + done, this.#view.getUint8(at + done))
    } else if (this.#peerStart >= 0) {
      const start = this.#dataStart + at
      this.#whole.copyWithin(this.#peerStart + toOffset, start, start + length)
    } else {
      to.set(this.#data.subarray(at, at + length), toOffset)
    }
  }

  #meet(peer: Uint8Array): void {
    const before = this.#peer
    const view = this.#peerView
    const start = this.#peerStart
    if (peer === this.#lastPeer) {
      this.#peer = peer
      this.#peerView = this.#lastPeerView
      this.#peerStart = this.#lastPeerStart
      this.#lastPeer = before
      this.#lastPeerView = view
      this.#lastPeerStart = start
      return
    }
    this.#lastPeer = before
    this.#lastPeerView = view
    this.#lastPeerStart = start
    this.#peer = peer
    this.#peerView = new DataView(peer.buffer, peer.byteOffset, peer.byteLength)
    this.#peerStart = peer.buffer === this.#whole.buffer ? peer.byteOffset : -1
  }
}

/**
 * Makes a window an empty ring: every byte 0, so nothing of the memory's earlier use reaches the peer, then the feature bit.
 * The guest does this to both rings before it opens the channel.
 */
export function initRing(ring: Uint8Array, options: { readonly pendingSendSize?: boolean } = {}): void {
  ring.fill(0)
  const control = new Int32Array(ring.buffer, ring.byteOffset, RING_PAGE_BYTES / 4)
  Atomics.store(control, FEATURES, options.pendingSendSize === false ? 0 : FEATURE_PENDING_SEND_SIZE)
}
