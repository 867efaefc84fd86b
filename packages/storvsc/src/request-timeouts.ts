import type { Clock, Logger, Timer } from '@bis/hyperv-types'
import type { StorvscRequest } from './request.ts'
import type { RequestPool } from './request-pool.ts'

const TICK_MS = 1000

export interface TimeoutParts {
  readonly clock: Clock
  readonly log: Logger
  readonly requests: RequestPool
  /** Seconds that a request may take which names no time of its own. */
  readonly seconds: number
  /** A request takes long: the host is asked to reset its LUN. */
  resetLun(request: StorvscRequest): void
  /** A request takes too long, reset or not. */
  giveUp(request: StorvscRequest): void
}

/** Watches over the time that requests take, in whole seconds: the first time-out resets the LUN, the second is final. */
export class RequestTimeouts {
  readonly #parts: TimeoutParts
  #tick = 0
  #ticker: Timer | undefined

  constructor(parts: TimeoutParts) {
    this.#parts = parts
  }

  /** Seconds that a request may take. */
  of(request: StorvscRequest): number {
    return request.timeout || this.#parts.seconds
  }

  /** Counts from now on for this request. */
  watch(request: StorvscRequest): void {
    request.expiries = 0
    request.deadline = this.#tick + this.of(request) + 1
    if (this.#ticker === undefined) this.#start()
  }

  /** Until the next request is watched. */
  stop(): void {
    this.#ticker?.cancel()
    this.#ticker = undefined
  }

  #start(): void {
    const { clock, requests } = this.#parts
    this.#ticker = clock.after(TICK_MS, () => {
      this.#ticker = undefined
      this.#tick++
      for (const request of requests.all) {
        if (request.deadline <= this.#tick && request.isUnderWay) this.#expire(request)
      }
      if (requests.inHand > 0) this.#start()
    })
  }

  #expire(request: StorvscRequest): void {
    if (request.expiries++ > 0) {
      this.#parts.giveUp(request)
      return
    }
    const timeout = this.of(request)
    this.#parts.log.log('warning', `request to LUN ${request.lun} takes longer than ${timeout} s`, 'timeout')
    this.#parts.resetLun(request)
    request.deadline = this.#tick + timeout
  }
}
