import type { MessageInit, MessageName } from '@bis/hyperv-types/vmbus'
import { encodeControlMessage, isMessageAllowed } from '@bis/hyperv-types/vmbus'
import type { ControlEffects } from './effects.ts'
import type { Contact } from './negotiation.ts'
import type { Connection, ControlLimits, MessageTarget, ViolationCause } from './types.ts'

/** What happens when every channel of the former connection is closed. */
export type AfterReset =
  | { readonly do: 'nothing' }
  | { readonly do: 'answer-unload'; readonly connection: Connection }
  | { readonly do: 'connect'; readonly contact: Contact }

/**
 * - `disconnected`;
 * - `connected`: `offered` once the guest has asked for the offers; `held` keeps messages for a guest that paused;
 * - `resetting`: the connection is over, devices are still closing.
 */
export type BusState =
  | { readonly at: 'disconnected' }
  | {
      readonly at: 'connected'
      readonly connection: Connection
      readonly offered: boolean
      readonly held: Uint8Array[] | undefined
    }
  | { readonly at: 'resetting'; readonly then: AfterReset }

/** What the parts of the control plane share: the bus's state, the way out, and the bounds. */
export class ControlContext {
  readonly limits: ControlLimits
  readonly effects: ControlEffects
  state: BusState = { at: 'disconnected' }
  readonly #queue: (() => void)[] = []
  #depth = 0

  constructor(limits: ControlLimits, effects: ControlEffects) {
    this.limits = limits
    this.effects = effects
  }

  get connection(): Connection | undefined {
    return this.state.at === 'connected' ? this.state.connection : undefined
  }

  /** Runs one transition; its effects follow when the outermost one is over. */
  transition<T>(body: () => T): T {
    this.#depth++
    try {
      return body()
    } finally {
      this.#depth--
      if (this.#depth === 0) this.#flush()
    }
  }

  /** Leaves an effect for the end of the transition. */
  effect(run: () => void): void {
    this.#queue.push(run)
  }

  /** Sends a message on the connection; nothing when there is none or its version has no such message. */
  send<N extends MessageName>(name: N, init: MessageInit<N>): void {
    const { state } = this
    if (state.at !== 'connected') return
    const { version, features, target } = state.connection
    if (!isMessageAllowed(name, version, features)) return
    const message = encodeControlMessage(name, init, version, features)
    if (state.held === undefined) this.post(target, message)
    else if (state.held.length < this.limits.pausedMessages) state.held.push(message)
    else this.violation('quota', `${state.held.length} messages wait for a guest that paused; more are dropped`)
  }

  post(target: MessageTarget, message: Uint8Array): void {
    this.effect(() => this.effects.post(target, message))
  }

  violation(cause: ViolationCause, text: string): void {
    this.effect(() => this.effects.violation(cause, text))
  }

  #flush(): void {
    // While effects run, the depth is 1: a call that an effect makes adds to the queue and does not run it.
    this.#depth++
    try {
      for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) run()
    } finally {
      this.#depth--
    }
  }
}
