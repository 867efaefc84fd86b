import type { Clock } from '@bis/hyperv-types'
import { sleep } from '@bis/hyperv-types'
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

/**
 * Control messages on their way to the host, in order: one that has to wait for buffers holds back those after it.
 * Source: FreeBSD vmbus.c (`hypercall_post_message` and its delays).
 */
export class Poster {
  readonly #postNow: PostNow
  readonly #clock: Clock
  #tail: Promise<unknown> | undefined
  #waiting = 0
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
    return this.#waiting
  }

  /**
   * Sends a message after those before it.
   * @returns the HV_STATUS; one that passes is not among them
   * @throws VmbusError `post-failed` when buffers stay short through {@link POST_TRIES} tries, `aborted`.
   */
  post(connectionId: number, payload: Uint8Array, options: PostOptions = {}): Promise<number> {
    this.#waiting++
    const sent =
      this.#tail === undefined
        ? this.#send(connectionId, payload, options)
        : this.#after(connectionId, payload, options)
    const settled: Promise<void> = sent.then(
      () => this.#done(settled),
      () => this.#done(settled),
    )
    this.#tail = settled
    return sent
  }

  async #after(connectionId: number, payload: Uint8Array, options: PostOptions): Promise<number> {
    await this.#tail
    return this.#send(connectionId, payload, options)
  }

  #done(settled: Promise<unknown>): void {
    this.#waiting--
    if (this.#tail === settled) this.#tail = undefined
  }

  async #send(connectionId: number, payload: Uint8Array, options: PostOptions): Promise<number> {
    const { signal, taken } = options
    let delay = FIRST_DELAY_MS
    for (let tries = 1; ; tries++) {
      if (signal?.aborted === true) throw aborted(signal)
      const status = this.#postNow(connectionId, payload)
      if (status === HvStatus.SUCCESS) taken?.()
      if (!RETRIED_STATUS.includes(status)) return status
      if (tries === POST_TRIES) {
        const why = `${describeHvStatus(status)} in ${tries} tries`
        throw new VmbusError('post-failed', `the hypervisor takes no control message: ${why}`)
      }
      this.#retries++
      await sleep(this.#clock, delay, signal).catch((cause: unknown) => {
        throw signal?.aborted === true ? aborted(signal) : cause
      })
      delay = Math.min(delay * 2, LONGEST_DELAY_MS)
    }
  }
}

function aborted(signal: AbortSignal): VmbusError {
  return new VmbusError('aborted', 'gave up posting a control message', { cause: signal.reason })
}
