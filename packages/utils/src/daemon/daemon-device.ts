import type { CharacterDevice, CharacterFile, Clock, Timer } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { DeviceFile } from './device-file.ts'

/** How a daemon and the kernel half of its driver talk. */
export interface DaemonProtocol<Request, Reply> {
  /** Below `/dev`. */
  readonly path: string
  /** Whether reading is refused until the daemon is registered; default it waits. */
  readonly registersFirst?: boolean
  /**
   * Whether a request without a daemon waits for one to come; default it fails at once. When one has waited in vain, the
   * next fail at once until a daemon registers.
   */
  readonly waits?: boolean
  /**
   * Looks at the length of each message before anything else.
   * @throws DeviceError `invalid-argument`
   */
  check(message: Uint8Array): void
  /**
   * A daemon's first message.
   * @returns what it reads in answer, if anything
   * @throws DeviceError `invalid-argument` for a message that registers nobody
   */
  register(message: Uint8Array): Uint8Array | undefined
  encode(request: Request): Uint8Array
  /** What the daemon answers to a request. */
  reply(message: Uint8Array, request: Request): Reply
  /** Told that a request is done whose time was over. */
  late?(): void
}

/**
 * - `none`: nobody has it open; `opened`: a daemon has, and is not registered;
 * - `idle`: registered; `asked`: a request is on its way to it or in its hands;
 * - `owing`: it has a request that counts no more, and will answer it some time.
 */
export type DaemonState = 'none' | 'opened' | 'idle' | 'asked' | 'owing'

/** What became of a request: the daemon's reply; no daemon, or it went away, or the request was given up; or its time was over. */
export type DaemonReply<Reply> = Reply | 'absent' | 'timeout'

interface Pending<Request, Reply> {
  readonly request: Request
  readonly timer: Timer
  finish(reply: DaemonReply<Reply>): void
}

/**
 * The kernel's side of a daemon's character device: one daemon, one request at a time. A daemon answers what it has read
 * before it reads on, so an answer that comes too late is told from the next one's by its place.
 */
export class DaemonDevice<Request, Reply> implements CharacterDevice {
  readonly path: string
  /** Answers that came when their request's time was over. */
  lateAnswers = 0
  /** Requests whose time ran out. */
  timeouts = 0
  readonly #protocol: DaemonProtocol<Request, Reply>
  readonly #clock: Clock
  #state: DaemonState = 'none'
  #file: DeviceFile | undefined
  #pending: Pending<Request, Reply> | undefined
  /** No request has waited in vain since a daemon was here. */
  #hopeful = true
  #removed = false

  constructor(protocol: DaemonProtocol<Request, Reply>, clock: Clock) {
    this.path = protocol.path
    this.#protocol = protocol
    this.#clock = clock
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
      mayRead: () => this.registered || this.#protocol.registersFirst !== true,
      closed: () => this.#closed(file),
    })
    this.#file = file
    this.#state = 'opened'
    return file
  }

  /** Has the daemon do something. What was asked before and is not answered counts no more. */
  ask(request: Request, timeoutMs: number): Promise<DaemonReply<Reply>> {
    this.cancel()
    if (!this.registered && !this.#mayCome) return Promise.resolve('absent')
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.timeouts++
        if (!this.registered) this.#hopeful = false
        this.#finish('timeout')
      })
      this.#pending = { request, timer, finish: resolve }
      this.#deliver()
    })
  }

  /** The request in hand counts no more. */
  cancel(): void {
    this.#finish('absent')
  }

  /** Takes the device away. */
  remove(): void {
    this.#removed = true
    this.cancel()
    this.#file?.remove()
    this.#file = undefined
    this.#state = 'none'
  }

  get #mayCome(): boolean {
    return this.#protocol.waits === true && (this.#hopeful || this.#state === 'opened')
  }

  #written(message: Uint8Array): void {
    this.#protocol.check(message)
    switch (this.#state) {
      case 'opened': {
        const answer = this.#protocol.register(message)
        this.#state = 'idle'
        this.#hopeful = true
        if (answer !== undefined) this.#file?.put(answer)
        this.#deliver()
        return
      }
      case 'owing':
        this.lateAnswers++
        this.#state = 'idle'
        this.#protocol.late?.()
        this.#deliver()
        return
      case 'asked': {
        // What stands in the queue unread cannot have been answered.
        if (this.#file?.readable === true)
          throw new DeviceError('invalid-argument', 'an answer before its request was read')
        const pending = this.#pending
        this.#state = 'idle'
        if (pending !== undefined) this.#finish(this.#protocol.reply(message, pending.request))
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

  #finish(reply: DaemonReply<Reply>): void {
    const pending = this.#pending
    if (pending === undefined) return
    this.#pending = undefined
    pending.timer.cancel()
    if (this.#state === 'asked') this.#state = this.#file?.takeBack() === true ? 'idle' : 'owing'
    pending.finish(reply)
  }

  #closed(file: DeviceFile): void {
    if (this.#file !== file) return
    const had = this.#state === 'asked'
    this.#file = undefined
    this.#state = 'none'
    // What the daemon had may be half done. What it had not yet, the next one gets if it comes in time.
    if (had || this.#protocol.waits !== true) this.cancel()
  }
}
