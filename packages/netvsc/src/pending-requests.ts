import type { Clock, Timer } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'

interface Waiting<T> {
  resolve(value: T): void
  reject(error: Error): void
  readonly timer: Timer
}

/** Requests by number that wait for their answers: each ends once, with the answer, a timeout, or the device's end. */
export class PendingRequests<T> {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #waiting = new Map<number, Waiting<T>>()
  #next = 1
  #closed: Error | undefined

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  get size(): number {
    return this.#waiting.size
  }

  /** @param what for the error: `NVSP INIT` */
  wait(what: string): { readonly id: number; readonly answer: Promise<T> } {
    const id = this.#next
    this.#next = this.#next === 0x7fff_ffff ? 1 : this.#next + 1
    const answer = new Promise<T>((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed)
        return
      }
      const timer = this.#clock.after(this.#timeoutMs, () => {
        this.#waiting.delete(id)
        reject(new DeviceError('timeout', `no answer to ${what} in ${this.#timeoutMs} ms`))
      })
      this.#waiting.set(id, { resolve, reject, timer })
    })
    // Whoever asked hears of it; nobody else needs to.
    answer.catch(() => {})
    return { id, answer }
  }

  has(id: number): boolean {
    return this.#waiting.has(id)
  }

  /** @returns whether somebody waited for it */
  resolve(id: number, value: T): boolean {
    const waiting = this.#take(id)
    waiting?.resolve(value)
    return waiting !== undefined
  }

  reject(id: number, error: Error): void {
    this.#take(id)?.reject(error)
  }

  /** Ends everything, and everything to come. */
  close(error: Error): void {
    this.#closed = error
    for (const id of [...this.#waiting.keys()]) this.reject(id, error)
  }

  #take(id: number): Waiting<T> | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.timer.cancel()
    return waiting
  }
}
