import type { Logger } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { deviceGone, messageOf } from '../errors.ts'
import type { SessionConfig } from '../session/owner.ts'
import type { NetvscSession } from '../session/session.ts'

/**
 * - `stopped`: not attached, or it could not be started again;
 * - `starting`: for the first time, or after a suspension;
 * - `running`: there is a session;
 * - `restarting`: the session is being replaced by another;
 * - `suspended`: channels end because the machine is suspended, and nothing of that is a failure.
 */
export type LifeState = 'stopped' | 'starting' | 'running' | 'restarting' | 'suspended'

const NEXT: Readonly<Record<LifeState, readonly LifeState[]>> = {
  stopped: ['starting', 'suspended'],
  starting: ['running', 'stopped'],
  running: ['restarting', 'suspended', 'stopped'],
  restarting: ['running', 'suspended', 'stopped'],
  suspended: ['starting', 'stopped'],
}

export interface LifeOwner {
  readonly name: string
  readonly log: Logger
  /** The device's channel has gone. */
  readonly gone: AbortSignal
  /** @param failed to be called when a channel of the session fails */
  makeSession(failed: (error: Error) => void): NetvscSession
  /** A session has started, and becomes the device's if this resolves. @throws when it cannot be used */
  learn(session: NetvscSession): Promise<void>
  /** There is a session from now on. */
  began(session: NetvscSession): Promise<void>
  /** There is no session from now on; resolves when it may be stopped. */
  ended(): Promise<void>
}

/** Keeps a device going over its sessions: started, suspended, started again when it fails or is to be another. */
export class DeviceLife {
  config: SessionConfig
  readonly #owner: LifeOwner
  #state: LifeState = 'stopped'
  #session: NetvscSession | undefined
  /** The session that is being started. */
  #next: NetvscSession | undefined
  /** Sessions that are over and not stopped yet. */
  readonly #taken: NetvscSession[] = []
  #ended: Promise<void> = Promise.resolve()
  #turn: Promise<unknown> = Promise.resolve()
  #detached = new AbortController()

  constructor(owner: LifeOwner, config: SessionConfig) {
    this.#owner = owner
    this.config = config
  }

  get state(): LifeState {
    return this.#state
  }

  /** The negotiation and queues of now; undefined unless it is running. */
  get session(): NetvscSession | undefined {
    return this.#session
  }

  /** @throws DeviceError `removed` when there is none */
  need(): NetvscSession {
    if (this.#session === undefined) throw new DeviceError('removed', `${this.#owner.name} is not running`)
    return this.#session
  }

  /** Does something when all before it is done. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** @throws DeviceError, ChannelError, with nothing left */
  attach(signal: AbortSignal): Promise<void> {
    this.#detached = new AbortController()
    this.#to('starting')
    return this.#start(signal)
  }

  /** Ends it, whatever it is doing. */
  async detach(): Promise<void> {
    this.#detached.abort(deviceGone())
    this.#take('stopped')
    await this.#stopTaken()
    // Whoever was starting another session sees that it is over.
    await this.#turn
  }

  suspend(): Promise<void> {
    return this.inTurn(() => {
      this.#take('suspended')
      return this.#stopTaken()
    })
  }

  resume(signal: AbortSignal): Promise<void> {
    return this.inTurn(() => {
      this.#to('starting')
      return this.#start(signal)
    })
  }

  /** Replaces the session because something is wrong with it. Nobody waits for that. */
  restart(reason: string): void {
    const { gone, log } = this.#owner
    if (this.#state !== 'running' || gone.aborted) return
    log.log('warning', `${reason}; starting again`)
    this.#take('restarting')
    void this.inTurn(async () => {
      await this.#stopTaken()
      if (this.#state !== 'restarting') return
      if (gone.aborted) this.#to('stopped')
      else await this.#start(NEVER)
    }).catch((error: unknown) => log.log('error', `not started again: ${messageOf(error)}`))
  }

  /**
   * Replaces the session by one with other settings and of the same version; when that fails, by one with the settings
   * of before. Call it in turn.
   * @throws what failed
   */
  async change(config: SessionConfig): Promise<void> {
    const before = this.config
    const { version } = this.need()
    this.#take('restarting')
    await this.#stopTaken()
    this.config = config
    try {
      await this.#start(NEVER, version)
    } catch (error) {
      this.config = before
      this.#to('starting')
      await this.#start(NEVER, version)
      throw error
    }
  }

  async #start(signal: AbortSignal, version?: number): Promise<void> {
    const session = this.#owner.makeSession((error) => this.#failed(session, error))
    this.#next = session
    try {
      const config = version === undefined ? this.config : { ...this.config, version }
      await session.start(config, AbortSignal.any([signal, this.#detached.signal]))
      await this.#learn(session)
    } catch (error) {
      this.#to('stopped')
      throw error
    } finally {
      this.#next = undefined
    }
    this.#session = session
    this.#to('running')
    await this.#owner.began(session)
  }

  async #learn(session: NetvscSession): Promise<void> {
    try {
      await this.#owner.learn(session)
      this.#detached.signal.throwIfAborted()
    } catch (error) {
      await session.stop()
      throw error
    }
  }

  /** There is no session from now on; `#stopTaken` stops what there was. */
  #take(next: LifeState): void {
    if (this.#session !== undefined) this.#taken.push(this.#session)
    this.#session = undefined
    this.#to(next)
    this.#ended = this.#owner.ended()
  }

  async #stopTaken(): Promise<void> {
    await this.#ended
    for (let session = this.#taken.pop(); session !== undefined; session = this.#taken.pop()) await session.stop()
  }

  #failed(session: NetvscSession, error: Error): void {
    if (session === this.#session) this.restart(`the channel failed: ${error.message}`)
    else if (session === this.#next) session.abort(error)
    // One of before: what becomes of its channels is nobody's business any more.
  }

  #to(next: LifeState): void {
    if (next !== this.#state && !NEXT[this.#state].includes(next)) {
      throw new DeviceError('invalid-argument', `${this.#owner.name} is ${this.#state}: it cannot be ${next} next`)
    }
    this.#state = next
  }
}

const NEVER = new AbortController().signal
