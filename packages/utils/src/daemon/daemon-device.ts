import type { CharacterDevice, CharacterFile, Clock, Timer } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { DeviceFile } from './device-file.ts'

/** How a daemon and the kernel half of its driver talk. */
export interface DaemonProtocol<Request> {
  /** Below `/dev`. */
  readonly path: string
  /**
   * A daemon's first message.
   * @returns what it reads in answer, if anything
   * @throws DeviceError `invalid-argument` for a message that registers nobody
   */
  register(message: Uint8Array): Uint8Array | undefined
  encode(request: Request): Uint8Array
  /**
   * The HRESULT of the daemon's answer.
   * @throws DeviceError `invalid-argument` for a message that is no answer
   */
  status(message: Uint8Array): number
}

/**
 * - `none`: nobody has it open; `opened`: a daemon has, and is not registered;
 * - `idle`: registered; `asked`: a request is on its way to it or in its hands;
 * - `owing`: it has a request that counts no more, and will answer it some time.
 */
export type DaemonState = 'none' | 'opened' | 'idle' | 'asked' | 'owing'

/** What became of a request: the daemon's status; no daemon, or it went away; or its time was over. */
export type DaemonReply = number | 'absent' | 'timeout'

interface Pending<Request> {
  readonly request: Request
  readonly timer: Timer
  finish(reply: DaemonReply): void
}

/**
 * The kernel's side of a daemon's character device: one daemon, one request at a time. A daemon answers what it has read
 * before it reads on, so an answer that comes too late is told from the next one's by its place.
 */
export class DaemonDevice<Request> implements CharacterDevice {
  readonly path: string
  /** Answers that came when their request's time was over. */
  lateAnswers = 0
  readonly #protocol: DaemonProtocol<Request>
  readonly #clock: Clock
  readonly #onLate: (status: number) => void
  #state: DaemonState = 'none'
  #file: DeviceFile | undefined
  #pending: Pending<Request> | undefined
  #removed = false

  /** @param onLate told of each answer that came too late */
  constructor(protocol: DaemonProtocol<Request>, clock: Clock, onLate: (status: number) => void = () => {}) {
    this.path = protocol.path
    this.#protocol = protocol
    this.#clock = clock
    this.#onLate = onLate
  }

  get state(): DaemonState {
    return this.#state
  }

  /** Whether a daemon is there to be asked. */
  get registered(): boolean {
    return this.#state !== 'none' && this.#state !== 'opened'
  }

  /** @throws DeviceError `busy` while a daemon has it open, `removed` */
  open(): CharacterFile {
    if (this.#removed) throw new DeviceError('removed', `/dev/${this.path} is gone`)
    if (this.#file !== undefined)
      throw new DeviceError('busy', `/dev/${this.path} is open already: one daemon serves it`)
    const file = new DeviceFile({
      written: (message) => this.#written(message),
      closed: () => this.#closed(file),
    })
    this.#file = file
    this.#state = 'opened'
    return file
  }

  /** Has the daemon do something. What was asked before and is not answered counts no more. */
  ask(request: Request, timeoutMs: number): Promise<DaemonReply> {
    this.#finish('absent')
    if (!this.registered) return Promise.resolve('absent')
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => this.#finish('timeout'))
      this.#pending = { request, timer, finish: resolve }
      this.#deliver()
    })
  }

  /** Takes the device away. */
  remove(): void {
    this.#removed = true
    this.#finish('absent')
    this.#file?.remove()
    this.#file = undefined
    this.#state = 'none'
  }

  #written(message: Uint8Array): void {
    switch (this.#state) {
      case 'opened': {
        const answer = this.#protocol.register(message)
        this.#state = 'idle'
        if (answer !== undefined) this.#file?.put(answer)
        return
      }
      case 'owing': {
        const status = this.#protocol.status(message)
        this.lateAnswers++
        this.#state = 'idle'
        this.#onLate(status)
        this.#deliver()
        return
      }
      case 'asked': {
        // What stands in the queue unread cannot have been answered.
        if (this.#file?.readable === true)
          throw new DeviceError('invalid-argument', 'an answer before its request was read')
        const status = this.#protocol.status(message)
        this.#state = 'idle'
        this.#finish(status)
        return
      }
      default:
        throw new DeviceError('invalid-argument', 'an answer to nothing')
    }
  }

  #deliver(): void {
    if (this.#state !== 'idle' || this.#pending === undefined) return
    this.#state = 'asked'
    this.#file?.put(this.#protocol.encode(this.#pending.request))
  }

  #finish(reply: DaemonReply): void {
    const pending = this.#pending
    if (pending === undefined) return
    this.#pending = undefined
    pending.timer.cancel()
    if (this.#state === 'asked') this.#state = this.#file?.takeBack() === true ? 'idle' : 'owing'
    pending.finish(reply)
  }

  #closed(file: DeviceFile): void {
    if (this.#file !== file) return
    this.#file = undefined
    this.#state = 'none'
    this.#finish('absent')
  }
}
