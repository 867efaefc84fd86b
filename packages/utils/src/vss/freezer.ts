import type { Clock, Logger, Timer } from '@bis/hyperv-types'
import { IcStatus, VssOperation } from '@bis/hyperv-types/ic'
import type { DaemonDevice } from '../daemon/daemon-device.ts'
import type { VssDaemonOperation } from './vss-daemon.ts'

/**
 * What is frozen besides the daemon's file systems: applications, caches. Frozen before them, thawed after them. Between
 * `freeze` and `thaw` nothing may be written to what the daemon has frozen.
 */
export interface VssHook {
  /** For the log. */
  readonly name: string
  /** Whether a snapshot can be made now; default yes. */
  check?(): Promise<boolean> | boolean
  /** Rejects when it cannot; nothing of it stays frozen then. `signal` is aborted when the time is over. */
  freeze(signal: AbortSignal): Promise<void> | void
  thaw(): Promise<void> | void
}

export interface FreezerLimits {
  /** For a freeze, in ms; Linux allows 900,000. */
  readonly freezeMs: number
  /** For everything else; Linux allows 30,000. */
  readonly otherMs: number
  /** Frozen for longer than this, everything is thawed whatever the host says. */
  readonly frozenMs: number
}

export type FreezerState = 'thawed' | 'freezing' | 'frozen' | 'thawing'

/** Freezes hooks and daemon in order, thaws them in reverse, and never leaves anything frozen. */
export class Freezer {
  freezes = 0
  /** Thaws that nobody asked for: the limit, the host, or a failure on the way. */
  forcedThaws = 0
  readonly #hooks: readonly VssHook[]
  readonly #daemon: DaemonDevice<VssDaemonOperation, number>
  readonly #clock: Clock
  readonly #log: Logger
  readonly #limits: FreezerLimits
  #state: FreezerState = 'thawed'
  /** What is frozen, in order; the daemon last. */
  #frozen: (VssHook | 'daemon')[] = []
  #watchdog: Timer | undefined
  #abort: AbortController | undefined
  #work: Promise<unknown> = Promise.resolve()

  constructor(
    hooks: readonly VssHook[],
    daemon: DaemonDevice<VssDaemonOperation, number>,
    clock: Clock,
    log: Logger,
    limits: FreezerLimits,
  ) {
    this.#hooks = hooks
    this.#daemon = daemon
    this.#clock = clock
    this.#log = log
    this.#limits = limits
  }

  get state(): FreezerState {
    return this.#state
  }

  /** Whether there is anything that a snapshot could rely on. */
  get available(): boolean {
    return this.#hooks.length > 0 || this.#daemon.registered
  }

  /** @returns an HRESULT, at once when nobody could freeze anything */
  async check(): Promise<number> {
    if (!this.available) return IcStatus.E_FAIL
    for (const hook of this.#hooks) {
      if ((await this.#guarded(`${hook.name}: check`, async () => (await hook.check?.()) ?? true)) !== true)
        return IcStatus.E_FAIL
    }
    return this.#askDaemon(VssOperation.HOT_BACKUP, this.#limits.otherMs)
  }

  /** @returns an HRESULT; unless it is S_OK nothing is frozen */
  freeze(): Promise<number> {
    return this.#inTurn(async () => {
      if (this.#state === 'frozen') return IcStatus.S_OK
      if (!this.available) return IcStatus.E_FAIL
      return this.#freeze()
    })
  }

  /** @returns an HRESULT; S_OK too when nothing was frozen */
  thaw(): Promise<number> {
    return this.#inTurn(() => this.#thaw())
  }

  /** Thaws whatever is frozen, or is about to be, since the one who froze it is gone. */
  release(why: string): Promise<unknown> {
    if (this.#state === 'thawed') return this.#work
    this.forcedThaws++
    this.#log.log('warning', `thawed: ${why}`)
    this.#abort?.abort()
    return this.thaw()
  }

  /** The daemon has answered what was given up: it may have frozen all the same. */
  daemonWasLate(): void {
    if (this.#state === 'thawed' && this.#daemon.state === 'idle')
      void this.#daemon.ask(VssOperation.THAW, this.#limits.otherMs)
  }

  async #freeze(): Promise<number> {
    const { freezeMs, frozenMs } = this.#limits
    const abort = new AbortController()
    const { signal } = abort
    this.#abort = abort
    this.#state = 'freezing'
    this.freezes++
    const limit = this.#clock.after(freezeMs, () => abort.abort())
    let status: number = IcStatus.S_OK
    for (const hook of this.#hooks) {
      this.#frozen.push(hook)
      const done = this.#guarded(`${hook.name}: freeze`, async () => void (await hook.freeze(signal)))
      if ((await raceAbort(done, signal)) === FAILED) {
        // It has frozen nothing, unless it was too slow: then it is thawed with the others.
        if (!signal.aborted) this.#frozen.pop()
        status = IcStatus.E_FAIL
        break
      }
    }
    if (status === IcStatus.S_OK && this.#daemon.registered) {
      this.#frozen.push('daemon')
      const answer = this.#askDaemon(VssOperation.FREEZE, freezeMs)
      const outcome = await raceAbort(answer, signal)
      status = outcome === FAILED ? IcStatus.E_FAIL : outcome
    }
    limit.cancel()
    this.#abort = undefined
    if (status !== IcStatus.S_OK || signal.aborted) {
      this.forcedThaws++
      await this.#thaw()
      return IcStatus.E_FAIL
    }
    this.#state = 'frozen'
    this.#watchdog = this.#clock.after(frozenMs, () => {
      void this.release(`the host has not asked for it in ${frozenMs / 1000} s`)
    })
    return IcStatus.S_OK
  }

  async #thaw(): Promise<number> {
    this.#watchdog?.cancel()
    this.#watchdog = undefined
    if (this.#frozen.length > 0) this.#state = 'thawing'
    let status: number = IcStatus.S_OK
    for (const frozen of this.#frozen.splice(0).reverse()) {
      if (frozen === 'daemon') {
        // A daemon that has gone has thawed, or its successor will: there is nobody to ask.
        status = await this.#askDaemon(VssOperation.THAW, this.#limits.otherMs)
      } else if ((await this.#guarded(`${frozen.name}: thaw`, async () => void (await frozen.thaw()))) === FAILED) {
        status = IcStatus.E_FAIL
      }
    }
    this.#state = 'thawed'
    return status
  }

  async #askDaemon(operation: VssDaemonOperation, timeoutMs: number): Promise<number> {
    const reply = await this.#daemon.ask(operation, timeoutMs)
    if (typeof reply === 'number') return reply
    return reply === 'absent' && operation !== VssOperation.FREEZE ? IcStatus.S_OK : IcStatus.E_FAIL
  }

  async #guarded<T>(what: string, work: () => Promise<T>): Promise<T | typeof FAILED> {
    try {
      return await work()
    } catch (error) {
      this.#log.log('warning', `${what}: ${error instanceof Error ? error.message : String(error)}`, what)
      return FAILED
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#work.then(work)
    this.#work = turn.catch(() => {})
    return turn
  }
}

const FAILED = Symbol('failed')

async function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T | typeof FAILED> {
  if (signal.aborted) return FAILED
  let stop: () => void = () => {}
  const aborted = new Promise<typeof FAILED>((resolve) => {
    const abort = (): void => resolve(FAILED)
    signal.addEventListener('abort', abort, { once: true })
    stop = () => signal.removeEventListener('abort', abort)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    stop()
  }
}
