import type { Clock, Timer } from '@bis/hyperv-types'
import { IcError } from './errors.ts'
import type { IcReply } from './ic-message.ts'

/** A request that the guest has and has not answered. */
interface Outstanding {
  readonly id: number
  readonly transactionId: number
  readonly type: number
  readonly timer: Timer | undefined
  resolve(reply: IcReply): void
  reject(error: IcError): void
}

/** The one request on a channel: sent with an id of its own, answered, timed out, or void. */
export class Exchange {
  readonly #clock: Clock
  #outstanding: Outstanding | undefined
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get busy(): boolean {
    return this.#outstanding !== undefined
  }

  /**
   * @param timeoutMs undefined: waits until it is cancelled
   * @param send puts the request on the wire, under these ids
   * @param repeat under the ids of the request before
   * @returns the answer
   */
  start(
    what: string,
    type: number,
    timeoutMs: number | undefined,
    send: (id: number, transactionId: number) => void,
    repeat = false,
  ): Promise<IcReply> {
    if (!repeat) this.#lastId++
    const id = this.#lastId
    const transactionId = id & 0xff
    return new Promise((resolve, reject) => {
      const timer =
        timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, () => this.#timedOut(what, timeoutMs))
      this.#outstanding = { id, transactionId, type, timer, resolve, reject }
      send(id, transactionId)
    })
  }

  /** @returns whether this is the answer to what is outstanding */
  answered(id: number, reply: IcReply): boolean {
    const waiting = this.#outstanding
    if (waiting === undefined || id !== waiting.id) return false
    if (reply.type !== waiting.type || reply.transactionId !== waiting.transactionId) return false
    this.#end()
    waiting.resolve(reply)
    return true
  }

  cancel(error: IcError): void {
    this.#end()?.reject(error)
  }

  #timedOut(what: string, timeoutMs: number): void {
    this.#end()?.reject(new IcError('timeout', `${what}: the guest has not answered in ${timeoutMs / 1000} s`))
  }

  #end(): Outstanding | undefined {
    const ended = this.#outstanding
    ended?.timer?.cancel()
    this.#outstanding = undefined
    return ended
  }
}
