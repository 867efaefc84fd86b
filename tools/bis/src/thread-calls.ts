import { CliError, describeError } from './cli-error.ts'

/** What a call may use while it is worked on. */
export interface CallContext {
  /** Aborted when the caller waits no longer. */
  readonly signal: AbortSignal
  /** Tells the caller how far it is. */
  progress(text: string): void
}

/** What this thread does for the other one, by name. Values and results are plain data. */
export type Services = Readonly<Record<string, (value: unknown, context: CallContext) => unknown>>

/** A `Worker`, or the `parentPort` in one. */
export interface ThreadPort {
  postMessage(message: Message): void
  on(event: 'message', listener: (message: Message) => void): unknown
}

type Message =
  | { readonly kind: 'call'; readonly id: number; readonly name: string; readonly value: unknown }
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'progress'; readonly id: number; readonly text: string }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: string; readonly code: CliError['code'] }

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
  progress(text: string): void
}

/** Calls from thread to thread, both ways over one port; an error arrives as the one line that a user sees. */
export class ThreadCalls {
  readonly #port: ThreadPort
  readonly #services: Services
  /** Calls to the other side. */
  readonly #waiting = new Map<number, Waiting>()
  /** Calls from the other side, to abort them by. */
  readonly #working = new Map<number, AbortController>()
  #nextId = 1
  #ended: string | undefined

  constructor(port: ThreadPort, services: Services) {
    this.#port = port
    this.#services = services
    port.on('message', (message) => this.#receive(message))
  }

  /** @throws CliError as the other side did, or `failed` when it has ended */
  async call(name: string, value?: unknown, context?: CallContext): Promise<unknown> {
    if (this.#ended !== undefined) throw new CliError('failed', this.#ended)
    const id = this.#nextId++
    const abort = (): void => this.#port.postMessage({ kind: 'abort', id })
    const done = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, progress: (text) => context?.progress(text) })
    })
    this.#port.postMessage({ kind: 'call', id, name, value })
    if (context?.signal.aborted === true) abort()
    else context?.signal.addEventListener('abort', abort, { once: true })
    try {
      return await done
    } finally {
      this.#waiting.delete(id)
      context?.signal.removeEventListener('abort', abort)
    }
  }

  /** The other side is no more: nothing is waited for. */
  end(reason: string): void {
    this.#ended ??= reason
    for (const { reject } of this.#waiting.values()) reject(new CliError('failed', reason))
  }

  #receive(message: Message): void {
    const { id } = message
    switch (message.kind) {
      case 'call':
        void this.#serve(id, message.name, message.value)
        return
      case 'abort':
        this.#working.get(id)?.abort(new CliError('failed', 'the caller waits no longer'))
        return
      case 'progress':
        this.#waiting.get(id)?.progress(message.text)
        return
      case 'result':
        this.#waiting.get(id)?.resolve(message.result)
        return
      case 'error':
        this.#waiting.get(id)?.reject(new CliError(message.code, message.error))
    }
  }

  async #serve(id: number, name: string, value: unknown): Promise<void> {
    const abort = new AbortController()
    this.#working.set(id, abort)
    const progress = (text: string): void => this.#port.postMessage({ kind: 'progress', id, text })
    try {
      const service = this.#services[name]
      if (service === undefined) throw new CliError('failed', `nobody here knows ${name}`)
      const result = await service(value, { signal: abort.signal, progress })
      this.#port.postMessage({ kind: 'result', id, result })
    } catch (error) {
      const code = error instanceof CliError ? error.code : 'failed'
      this.#port.postMessage({ kind: 'error', id, error: describeError(error), code })
    } finally {
      this.#working.delete(id)
    }
  }
}
