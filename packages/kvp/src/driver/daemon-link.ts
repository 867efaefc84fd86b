import type { CharacterDevice, CharacterFile, Clock, Timer } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { IcStatus } from '@bis/hyperv-types/ic'
import { DeviceFile } from '@bis/utils'
import { decodeReply, encodeOperation, encodeRequest, operationOf } from '../device/message.ts'
import type { KvpDeviceKind } from '../device/system.ts'
import { REGISTER, REGISTER1 } from '../device/system.ts'
import type { KvpReply, KvpRequest } from '../request.ts'

/** What the kernel tells a daemon that registers on Linux, and what it publishes as IntegrationServicesVersion. */
const SERVICES_VERSION = '3.1'

/**
 * - `none`: no daemon; `opened`: it has the device open, and is not registered;
 * - `idle`: registered; `asked`: a request is on its way to it or in its hands;
 * - `owing`: it has a request that counts no more, and will answer it some time.
 */
export type DaemonState = 'none' | 'opened' | 'idle' | 'asked' | 'owing'

/** A request of the host, from its arrival to the reply or the end of its time. */
interface Pending {
  readonly request: KvpRequest
  readonly timer: Timer
  finish(reply: KvpReply): void
}

const FAILED: KvpReply = { status: IcStatus.E_FAIL }

/**
 * The kernel's side of the KVP daemon's character device. A daemon answers each request it has read before it gets the
 * next, so an answer that comes too late is told from the next one's by its place, and discarded.
 */
export class DaemonLink implements CharacterDevice {
  readonly path: string
  /** Answers that came when their request's time was over. */
  lateAnswers = 0
  /** Requests whose time ran out. */
  timeouts = 0
  readonly #kind: KvpDeviceKind
  readonly #clock: Clock
  #state: DaemonState = 'none'
  #file: DeviceFile | undefined
  #pending: Pending | undefined
  /** Whether a daemon may still come: after the first request without one, the others fail at once. */
  #hopeful = true
  #removed = false

  constructor(kind: KvpDeviceKind, clock: Clock) {
    this.path = kind.path
    this.#kind = kind
    this.#clock = clock
  }

  get state(): DaemonState {
    return this.#state
  }

  /** @throws DeviceError `busy` while a daemon has it open, `removed` */
  open(): CharacterFile {
    if (this.#removed) throw new DeviceError('removed', `/dev/${this.path} is gone`)
    if (this.#file !== undefined)
      throw new DeviceError('busy', `/dev/${this.path} is open already: one daemon serves it`)
    const file = new DeviceFile({
      written: (message) => this.#written(message),
      // FreeBSD's answers EPERM; Linux's lets the reader wait.
      mayRead: () => this.#kind.answersRegistration || this.#state !== 'opened',
      closed: () => this.#closed(file),
    })
    this.#file = file
    this.#state = 'opened'
    return file
  }

  /** Has the daemon answer a request; fails it when the time is over. One request at a time. */
  ask(request: KvpRequest, timeoutMs: number): Promise<KvpReply> {
    this.cancel()
    if (this.#state === 'none' && !this.#hopeful) return Promise.resolve(FAILED)
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.timeouts++
        if (this.#state === 'none' || this.#state === 'opened') this.#hopeful = false
        this.#finish(FAILED)
      })
      this.#pending = { request, timer, finish: resolve }
      this.#deliver()
    })
  }

  /** The request in hand counts no more. */
  cancel(): void {
    this.#finish(FAILED)
  }

  /** Takes the device away. */
  remove(): void {
    this.#removed = true
    this.cancel()
    this.#file?.remove()
    this.#file = undefined
    this.#state = 'none'
  }

  #written(message: Uint8Array): void {
    if (message.length < this.#kind.messageBytes) {
      throw new DeviceError('invalid-argument', `${message.length} bytes: a message has ${this.#kind.messageBytes}`)
    }
    switch (this.#state) {
      case 'opened':
        this.#register(operationOf(message))
        return
      case 'owing':
        this.lateAnswers++
        this.#state = 'idle'
        this.#deliver()
        return
      case 'asked': {
        // What stands in the queue unread cannot have been answered.
        if (this.#file?.readable === true)
          throw new DeviceError('invalid-argument', 'an answer before its request was read')
        const pending = this.#pending
        this.#state = 'idle'
        if (pending !== undefined) this.#finish(decodeReply(message, pending.request))
        return
      }
      default:
        throw new DeviceError('invalid-argument', 'an answer to nothing')
    }
  }

  #register(operation: number): void {
    if (operation !== REGISTER && operation !== REGISTER1) {
      throw new DeviceError('invalid-argument', `operation ${operation} registers no daemon`)
    }
    this.#state = 'idle'
    this.#hopeful = true
    if (this.#kind.answersRegistration) {
      this.#file?.put(encodeOperation(this.#kind, operation, SERVICES_VERSION))
    }
    this.#deliver()
  }

  #deliver(): void {
    if (this.#state !== 'idle' || this.#pending === undefined) return
    this.#state = 'asked'
    this.#file?.put(encodeRequest(this.#kind, this.#pending.request))
  }

  #finish(reply: KvpReply): void {
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
    if (had) this.cancel()
  }
}
