import type { Clock } from '@bis/hyperv-types'
import type { BouncePool } from './bounce-pool.ts'
import { StorvscRequest } from './request.ts'

/** Waits for a free request or bounce buffer. */
export interface Waiter {
  /** Goes on with what it has. @returns whether it still waits. */
  pump(): boolean
}

/** The fixed number of requests of one controller, the bounce buffers that they carry, and whoever waits for either. */
export class RequestPool {
  readonly bounce: BouncePool
  readonly #clock: Clock
  readonly #waiters = new Set<Waiter>()
  #all: readonly StorvscRequest[] = []
  #free: StorvscRequest[] = []
  #inHand = 0
  /** Nothing is given out: before the controller is up, and while it is suspended. */
  #frozen = true
  #drained: (() => void) | undefined
  #inTurn = false
  #pumpDue = false

  constructor(clock: Clock, bounce: BouncePool) {
    this.#clock = clock
    this.bounce = bounce
  }

  /** Makes as many requests, in place of those of before. */
  fill(depth: number): void {
    this.#all = Array.from({ length: depth }, (_, i) => new StorvscRequest(i + 1))
    this.#free = this.#all.toReversed()
    this.#inHand = 0
  }

  get all(): readonly StorvscRequest[] {
    return this.#all
  }

  /** Requests taken and not given back. */
  get inHand(): number {
    return this.#inHand
  }

  /** The request that has this transaction id now. */
  find(transactionId: number): StorvscRequest | undefined {
    const request = this.#all[(transactionId & 0xffff) - 1]
    return request?.transactionId === transactionId ? request : undefined
  }

  /**
   * A request of one's own, with a bounce buffer of so many bytes if any; undefined when there is none, then {@link wait}.
   * @throws MemoryError when the guest has no pages for a buffer, and none is in use that could come back
   */
  take(bounceBytes: number): StorvscRequest | undefined {
    if (this.#frozen || this.#free.length === 0) return undefined
    const bounce = bounceBytes === 0 ? undefined : this.bounce.take(bounceBytes)
    if (bounceBytes > 0 && bounce === undefined) return undefined
    const request = this.#free.pop()
    if (request === undefined) return undefined
    this.#inHand++
    request.take()
    request.bounce = bounce
    return request
  }

  /** Takes a request back that has ended, or was never submitted. One that was abandoned comes back with its late answer. */
  release(request: StorvscRequest): void {
    if (request.state === 'abandoned' || request.state === 'free') return
    if (request.bounce !== undefined) this.bounce.give(request.bounce)
    request.free()
    this.#free.push(request)
    this.#inHand--
    if (this.#waiters.size > 0 && !this.#pumpDue) {
      this.#pumpDue = true
      if (!this.#inTurn) this.#clock.soon(() => this.pump())
    }
    if (this.#inHand === 0) this.#drained?.()
  }

  /** Calls `waiter.pump` when a request or bounce buffer may be free. */
  wait(waiter: Waiter): void {
    this.#waiters.add(waiter)
  }

  /** Stops waiting. */
  forget(waiter: Waiter): void {
    this.#waiters.delete(waiter)
  }

  /** Lets everyone who waits look again. */
  pump(): void {
    this.#pumpDue = false
    for (const waiter of [...this.#waiters]) if (!waiter.pump()) this.#waiters.delete(waiter)
  }

  /** Answers of the host are being handled. */
  get inTurn(): boolean {
    return this.#inTurn
  }

  /** From now on releases are many: whoever waits is told at the end of the turn. */
  beginTurn(): void {
    this.#inTurn = true
  }

  endTurn(): void {
    if (this.#pumpDue) this.pump()
    this.#inTurn = false
  }

  /** No request can be taken until {@link thaw}. */
  freeze(): void {
    this.#frozen = true
  }

  /** Resolves when none is in hand; for one who waits at a time. */
  drained(): Promise<void> {
    if (this.#inHand === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drained = () => {
        this.#drained = undefined
        resolve()
      }
    })
  }

  thaw(): void {
    this.#frozen = false
    this.pump()
  }
}
