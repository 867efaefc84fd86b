import type { BounceBuffer } from './bounce-pool.ts'

/** Sense data kept of an answer. */
export const SENSE_BYTES = 20

/** Who started a request, and is told when it has ended. */
export interface RequestOwner {
  /** The outcome is in the request, which goes back to its adapter after this call at the latest. */
  requestDone(request: StorvscRequest): void
}

/**
 * - `free`: in the pool's hands; `building`: its owner fills it, or looks at its outcome; `waiting`: for room in the ring;
 * - `sent`: the host has it; `abandoned`: its owner was told that it has failed, but the host still has it.
 */
export type RequestState = 'free' | 'building' | 'waiting' | 'sent' | 'abandoned'

/** How the adapter ended a request that the host did not answer. */
export type RequestFailure = 'removed' | 'timeout' | 'protocol'

/**
 * One SCSI command on its way: what hv_storvsc_request and the CCB are to FreeBSD. An adapter has a fixed number of them
 * and uses each again and again; the slot and a count of its uses make the transaction id.
 */
export class StorvscRequest {
  /** 1 to the adapter's queue depth. */
  readonly slot: number
  readonly cdb = new Uint8Array(16)
  readonly view = new DataView(this.cdb.buffer)
  path = 0
  target = 0
  lun = 0
  cdbLength = 0
  /** SrbDataDirection. */
  direction = 2
  /** Bytes of data; 0 for none. */
  length = 0
  /** Where the data begins in guest memory. */
  gpa = 0
  /** Page frame numbers when the pages are not contiguous; then of `gpa` only the offset into the page counts. */
  pfns: readonly number[] | undefined = undefined
  /** Whole seconds; 0 for the adapter's own. */
  timeout = 0
  /** Processor that issues the request: chooses the channel. */
  cpu = 0
  owner: RequestOwner | undefined = undefined
  /** What the owner keeps with it. */
  tag: unknown = undefined
  tagOffset = 0
  bounce: BounceBuffer | undefined = undefined
  retries = 0

  /** The outcome. */
  failure: RequestFailure | undefined = undefined
  srbStatus = 0
  scsiStatus = 0
  transferred = 0
  senseLength = 0
  readonly sense = new Uint8Array(SENSE_BYTES)

  /** The adapter's own. */
  deadline = 0
  expiries = 0
  channelIndex = 0
  #state: RequestState = 'free'
  #uses = 0

  constructor(slot: number) {
    this.slot = slot
  }

  /** Low word of the transaction id: never 0, a small integer to the script engine, not the same again for 32768 uses. */
  get transactionId(): number {
    return ((this.#uses & 0x7fff) << 16) | this.slot
  }

  get state(): RequestState {
    return this.#state
  }

  /** On its way: neither the host nor the adapter has ended it. */
  get isUnderWay(): boolean {
    return this.#state === 'sent' || this.#state === 'waiting'
  }

  /** The host may read and write its data. */
  get isWithHost(): boolean {
    return this.#state === 'sent' || this.#state === 'abandoned'
  }

  // Where its state changes.

  /** An owner has it from now on; nothing of an earlier command remains. */
  take(): void {
    this.#state = 'building'
    this.#uses++
    this.reset()
  }

  /** The ring is full. */
  wait(): void {
    this.#state = 'waiting'
  }

  sent(): void {
    this.#state = 'sent'
  }

  /** The host has answered; its owner looks at the outcome. @returns false when the owner was told of a failure before */
  answered(): boolean {
    const late = this.#state === 'abandoned'
    this.#state = 'building'
    return !late
  }

  /** Tells the owner that it has failed. What the host has stays in its hands until it answers or the channel is closed. */
  fail(failure: RequestFailure): void {
    this.failure = failure
    this.#state = this.#state === 'sent' ? 'abandoned' : 'building'
    this.owner?.requestDone(this)
  }

  /** The host answers it no more, by its channel's end; what follows has another transaction id. */
  renew(): void {
    this.#uses++
  }

  /** Back to the pool. */
  free(): void {
    this.bounce = undefined
    this.owner = undefined
    this.#state = 'free'
  }

  /** As new: nothing of an earlier command remains. */
  reset(): void {
    const { view } = this
    view.setUint32(0, 0)
    view.setUint32(4, 0)
    view.setUint32(8, 0)
    view.setUint32(12, 0)
    this.path = 0
    this.target = 0
    this.lun = 0
    this.cdbLength = 0
    this.direction = 2
    this.length = 0
    this.gpa = 0
    this.pfns = undefined
    this.timeout = 0
    this.cpu = 0
    this.tag = undefined
    this.bounce = undefined
    this.retries = 0
    this.clearOutcome()
  }

  clearOutcome(): void {
    this.failure = undefined
    this.srbStatus = 0
    this.scsiStatus = 0
    this.transferred = 0
    this.senseLength = 0
  }
}
