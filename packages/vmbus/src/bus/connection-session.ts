import type { Clock, Logger, Timer } from '@bis/hyperv-types'
import { describeHvStatus, HvStatus } from '@bis/hyperv-types/hypervisor'
import { encodeControlMessage, formatVmbusVersion } from '@bis/hyperv-types/vmbus'
import type { Connection, ConnectionEffect, ConnectionEvent, Farewell, VersionReply } from '../control/connection.ts'
import { step } from '../control/connection.ts'
import type { Poster } from '../control/poster.ts'
import { VmbusError } from '../errors.ts'
import type { VmbusTiming } from './timing.ts'
import { UNLOAD_PROGRESS_MS } from './timing.ts'

export interface SessionParts {
  readonly clock: Clock
  readonly poster: Poster
  readonly log: Logger
  readonly timing: VmbusTiming
  /** Feature flags that contacts offer; an answer cannot add to them. */
  readonly offeredFeatures: number
  /** The whole INITIATE_CONTACT message for a version. */
  contact(version: number): Uint8Array
  /** The host has, or no longer has, what the contact gave it. */
  sharing(shared: boolean): void
  /** A response came that nothing waited for. */
  unsolicited(): void
}

/** Does what the connection's state machine asks for, and tells when what was asked of it is done. */
export class ConnectionSession {
  readonly #parts: SessionParts
  #state: Connection = { at: 'disconnected' }
  #answerTimer: Timer | undefined
  #progressTimer: Timer | undefined
  /** Counts contacts, so that a status that comes late is known to be of an older one. */
  #contacts = 0
  readonly #connecting = new Outcome<void>()
  readonly #offering = new Outcome<void>()
  readonly #unloading = new Outcome<Farewell>()

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  get at(): Connection['at'] {
    return this.#state.at
  }

  /** Negotiated version; 0 while there is no connection. */
  get version(): number {
    return this.#state.at === 'connected' || this.#state.at === 'unloading' ? this.#state.version : 0
  }

  get features(): number {
    return this.#state.at === 'connected' ? this.#state.features : 0
  }

  /** Where control messages go; undefined while there is no connection. */
  get connectionId(): number | undefined {
    return this.#state.at === 'connected' ? this.#state.connectionId : undefined
  }

  /**
   * Negotiates, in the order given.
   * @throws VmbusError `no-common-version`, `timeout`, `post-failed`, `disconnected`, `aborted`.
   */
  async connect(versions: readonly number[], signal?: AbortSignal): Promise<void> {
    const done = this.#connecting.begin()
    const stop = (): void => {
      this.#connecting.fail(new VmbusError('aborted', 'gave up connecting', { cause: signal?.reason }))
      this.#apply({ type: 'unload' })
    }
    if (signal?.aborted === true) stop()
    else this.#apply({ type: 'connect', versions })
    signal?.addEventListener('abort', stop)
    try {
      await done
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /**
   * Asks for the offers; resolves when the host says that it has sent all of them.
   * @throws VmbusError `timeout`, `disconnected`.
   */
  async requestOffers(): Promise<void> {
    const done = this.#offering.begin()
    const { clock, timing } = this.#parts
    const timer = clock.after(timing.offersMs, () => {
      this.#offering.fail(new VmbusError('timeout', `the host did not end its offers within ${timing.offersMs} ms`))
    })
    this.#apply({ type: 'request-offers' })
    try {
      await done
    } finally {
      timer.cancel()
    }
  }

  /**
   * Ends the connection. Unless it was `answered`, the host may still write to what it was given.
   * @throws VmbusError `timeout` when the answer stays out, `post-failed`.
   */
  async unload(): Promise<Farewell> {
    if (this.#state.at === 'disconnected' || this.#state.at === 'failed') return 'lost'
    const done = this.#unloading.begin()
    this.#reportProgress(0)
    this.#apply({ type: 'unload' })
    try {
      return await done
    } finally {
      this.#progressTimer?.cancel()
    }
  }

  /** The host has gone without a farewell: nothing is waited for any more. */
  lost(reason: string): void {
    this.#abandon(new VmbusError('disconnected', `the host has gone: ${reason}`))
  }

  onVersionResponse(reply: VersionReply): void {
    this.#apply({
      type: 'version-response',
      reply: { ...reply, features: reply.features & this.#parts.offeredFeatures },
    })
  }

  onAllOffersDelivered(): void {
    this.#apply({ type: 'all-offers-delivered' })
  }

  onUnloadResponse(): void {
    this.#apply({ type: 'unload-response' })
  }

  #apply(event: ConnectionEvent): void {
    const { state, effects } = step(this.#state, event)
    if (state !== this.#state) {
      this.#answerTimer?.cancel()
      this.#answerTimer = undefined
    }
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: ConnectionEffect): void {
    const { clock, poster, timing } = this.#parts
    switch (effect.do) {
      case 'post-contact':
        void this.#postContact(effect.version, effect.connectionId)
        break
      case 'post-request-offers':
        this.#post(effect.connectionId, encodeControlMessage('REQUEST_OFFERS', {}, this.version))
        break
      case 'post-unload':
        // The version is gone from the state by now; the message is the same in all of them.
        poster
          .post(effect.connectionId, encodeControlMessage('UNLOAD', {}, 0))
          .then((status) => {
            const gone = status === HvStatus.INVALID_CONNECTION_ID && this.at === 'unloading'
            if (gone) this.lost(`HvPostMessage: ${describeHvStatus(status)}`)
          })
          .catch((error: Error) => this.#abandon(error))
        break
      case 'await-answer': {
        const limits = { contact: timing.contactMs, clearing: timing.clearingMs, unload: timing.unloadMs }
        this.#answerTimer?.cancel()
        this.#answerTimer = clock.after(limits[effect.what], () => this.#apply({ type: 'no-answer' }))
        break
      }
      case 'released':
        this.#parts.sharing(false)
        break
      case 'connected':
        this.#connecting.end()
        break
      case 'offers-delivered':
        this.#offering.end()
        break
      case 'failed':
        this.#connecting.fail(new VmbusError(effect.code, effect.reason))
        break
      case 'disconnected':
        this.#disconnected(effect.how)
        break
      case 'unsolicited':
        this.#parts.unsolicited()
        break
    }
  }

  async #postContact(version: number, connectionId: number): Promise<void> {
    const contact = ++this.#contacts
    try {
      const status = await this.#parts.poster.post(connectionId, this.#parts.contact(version), {
        taken: () => {
          this.#parts.sharing(true)
          if (contact === this.#contacts) this.#apply({ type: 'contact-posted' })
        },
      })
      if (status === HvStatus.SUCCESS || contact !== this.#contacts) return
      if (status === HvStatus.INVALID_CONNECTION_ID) {
        this.#apply({ type: 'contact-unreachable' })
      } else {
        const what = `contact for version ${formatVmbusVersion(version)}`
        this.#abandon(new VmbusError('post-failed', `the hypervisor refused the ${what}: ${describeHvStatus(status)}`))
      }
    } catch (error) {
      if (contact === this.#contacts) this.#abandon(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #post(connectionId: number, message: Uint8Array): void {
    this.#parts.poster.post(connectionId, message).then(
      (status) => {
        if (status === HvStatus.SUCCESS) return
        this.#offering.fail(
          new VmbusError('post-failed', `the hypervisor refused a message: ${describeHvStatus(status)}`),
        )
      },
      (error: Error) => this.#offering.fail(error),
    )
  }

  /** The connection cannot be made or kept: the reason goes to whoever waits. */
  #abandon(error: Error): void {
    this.#connecting.fail(error)
    this.#offering.fail(error)
    this.#unloading.fail(error)
    this.#apply({ type: 'lost' })
  }

  #disconnected(how: Farewell): void {
    const lost = new VmbusError('disconnected', 'the connection to the host ended')
    this.#connecting.fail(lost)
    this.#offering.fail(lost)
    if (how === 'answered') this.#parts.sharing(false)
    const { unloadMs } = this.#parts.timing
    if (how === 'silent')
      this.#unloading.fail(new VmbusError('timeout', `the host did not answer UNLOAD within ${unloadMs} ms`))
    else this.#unloading.end(how)
  }

  #reportProgress(elapsed: number): void {
    const { clock, log } = this.#parts
    if (elapsed > 0) log.log('info', `waiting for the host to unload (${elapsed / 1000} s)`)
    this.#progressTimer = clock.after(UNLOAD_PROGRESS_MS, () => this.#reportProgress(elapsed + UNLOAD_PROGRESS_MS))
  }
}

/** Something begun that ends once, well or not; ending what was not begun does nothing. */
class Outcome<T> {
  #resolve: ((value: T) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  begin(): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  end(value: T): void {
    this.#resolve?.(value)
    this.#resolve = this.#reject = undefined
  }

  fail(error: Error): void {
    this.#reject?.(error)
    this.#resolve = this.#reject = undefined
  }
}
