import type { Clock, Timer } from '@bis/hyperv-types'
import { describeHvStatus, HvStatus } from '@bis/hyperv-types/hypervisor'
import { VmbusError } from '../errors.ts'

/** Sends one control message at once. @returns the HV_STATUS. */
export type PostNow = (connectionId: number, payload: Uint8Array) => number

export interface PostOptions {
  readonly signal?: AbortSignal | undefined
  /** Called when the hypervisor has taken the message, before anything can come of it. */
  taken?(): void
}

/** HV_STATUS values that pass: the message has not been taken, but may be later. */
const RETRIED_STATUS: readonly number[] = [HvStatus.INSUFFICIENT_MEMORY, HvStatus.INSUFFICIENT_BUFFERS]
const FIRST_DELAY_MS = 1
const LONGEST_DELAY_MS = 2000
/** As FreeBSD; with the delays about 20 s. */
export const POST_TRIES = 20

interface Waiting extends PostOptions {
  readonly connectionId: number
  readonly payload: Uint8Array
  resolve(status: number): void
  reject(error: Error): void
}

/**
 * Control messages on their way to the host, in order. A message goes at once; one that has to wait for buffers holds back
 * those after it.
 * Source: FreeBSD vmbus.c (`vmbus_msghc_exec` and its delays).
 */
export class Poster {
  readonly #postNow: PostNow
  readonly #clock: Clock
  readonly #queue: Waiting[] = []
  #timer: Timer | undefined
  #tries = 0
  #delay = FIRST_DELAY_MS
  #retries = 0

  constructor(postNow: PostNow, clock: Clock) {
    this.#postNow = postNow
    this.#clock = clock
  }

  /** Posts that had to be tried again so far. */
  get retries(): number {
    return this.#retries
  }

  /** Messages not yet taken by the hypervisor. */
  get waiting(): number {
    return this.#queue.length
  }

  /**
   * Sends a message after those before it.
   * @returns the HV_STATUS; one that passes is not among them
   * @throws VmbusError `post-failed` when buffers stay short through {@link POST_TRIES} tries, `aborted`.
   */
  post(connectionId: number, payload: Uint8Array, options: PostOptions = {}): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...options, connectionId, payload, resolve, reject })
      if (this.#queue.length === 1) this.#pump()
    })
  }

  /** The connection is gone, and with it the reason for what waits. */
  drop(error: Error): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const { reject } of this.#queue.splice(0)) reject(error)
  }

  /** Sends until the queue is empty or its head has to wait. */
  #pump(): void {
    this.#timer = undefined
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      if (this.#send(head)) {
        this.#queue.shift()
        this.#tries = 0
        this.#delay = FIRST_DELAY_MS
      } else {
        this.#retries++
        this.#timer = this.#clock.after(this.#delay, () => this.#pump())
        this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY_MS)
        return
      }
    }
  }

  /** @returns false when it has to be tried again */
  #send({ connectionId, payload, signal, taken, resolve, reject }: Waiting): boolean {
    if (signal?.aborted === true) {
      reject(new VmbusError('aborted', 'gave up posting a control message', { cause: signal.reason }))
      return true
    }
    const status = this.#postNow(connectionId, payload)
    if (RETRIED_STATUS.includes(status)) {
      if (++this.#tries < POST_TRIES) return false
      const why = `${describeHvStatus(status)} in ${POST_TRIES} tries`
      reject(new VmbusError('post-failed', `the hypervisor takes no control message: ${why}`))
      return true
    }
    if (status === HvStatus.SUCCESS) taken?.()
    resolve(status)
    return true
  }
}
