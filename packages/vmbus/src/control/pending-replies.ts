import type { Clock } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'

/** What the host owes an answer for, once a request about it was posted. */
export type ReplyKind = 'open' | 'gpadl-created' | 'gpadl-torndown' | 'modify' | 'connection'

export interface ReplyWait {
  readonly kind: ReplyKind
  /** What the answer names: the open id, the GPADL, the channel. */
  readonly id: number
  readonly channelId: number
  /** For messages: `OPEN_RESULT for channel 5`. */
  readonly what: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

interface Waiter extends ReplyWait {
  end(): void
  resolve(status: number): void
  reject(error: Error): void
}

/**
 * The answers the host owes. Each is matched by kind, id and channel, never by order, and each wait ends: by the answer,
 * by a rescind of its channel, by the loss of the connection, by the caller's signal, or by the time.
 */
export class PendingReplies {
  readonly #clock: Clock
  readonly #waiters = new Map<string, Waiter>()
  /** Why nothing is answered any more. */
  #closed: Error | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#waiters.size
  }

  /**
   * Resolves with the status that the host answers.
   * @throws ChannelError `rescinded`, `timeout`, `aborted`, or what {@link failAll} was given.
   */
  wait(request: ReplyWait): Promise<number> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    const key = keyOf(request.kind, request.id)
    if (this.#waiters.has(key)) {
      return Promise.reject(new ChannelError('invalid-state', `${request.what} is already awaited`))
    }
    return new Promise((resolve, reject) => {
      const { signal, what, timeoutMs } = request
      if (signal?.aborted === true) {
        reject(abortedError(what, signal))
        return
      }
      const onAbort = (): void => {
        waiter.end()
        reject(abortedError(what, signal))
      }
      const timer = this.#clock.after(timeoutMs, () => {
        waiter.end()
        reject(new ChannelError('timeout', `no ${what} within ${timeoutMs} ms`))
      })
      const waiter: Waiter = {
        ...request,
        resolve,
        reject,
        end: () => {
          this.#waiters.delete(key)
          timer.cancel()
          signal?.removeEventListener('abort', onAbort)
        },
      }
      signal?.addEventListener('abort', onAbort)
      this.#waiters.set(key, waiter)
    })
  }

  /**
   * The host answered.
   * @param channelId as the answer names it, or undefined when it names none
   * @returns false when nobody asked
   */
  settle(kind: ReplyKind, id: number, channelId: number | undefined, status: number): boolean {
    const waiter = this.#waiters.get(keyOf(kind, id))
    if (waiter === undefined || (channelId !== undefined && waiter.channelId !== channelId)) return false
    waiter.end()
    waiter.resolve(status)
    return true
  }

  /** Ends one wait: its request could not even be posted. */
  fail(kind: ReplyKind, id: number, error: Error): void {
    const waiter = this.#waiters.get(keyOf(kind, id))
    waiter?.end()
    waiter?.reject(error)
  }

  /** The channel was rescinded: of its answers only the one to a GPADL teardown still comes. */
  failChannel(channelId: number, error: Error): void {
    for (const waiter of [...this.#waiters.values()]) {
      if (waiter.channelId !== channelId || waiter.kind === 'gpadl-torndown') continue
      waiter.end()
      waiter.reject(error)
    }
  }

  /** A connection begins: answers may come. */
  open(): void {
    this.#closed = undefined
  }

  /** The connection has ended: no answer comes any more, not to later requests either. */
  failAll(error: Error): void {
    this.#closed = error
    for (const waiter of [...this.#waiters.values()]) {
      waiter.end()
      waiter.reject(error)
    }
  }
}

function keyOf(kind: ReplyKind, id: number): string {
  return `${kind} ${id}`
}

function abortedError(what: string, signal: AbortSignal | undefined): ChannelError {
  return new ChannelError('aborted', `gave up waiting for ${what}`, { cause: signal?.reason })
}
