import { ConnectionState, encodeControlMessage, VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelLife } from './channel-life.ts'
import type { ChannelTable } from './channel-table.ts'
import type { AfterReset, BusState, ControlContext } from './context.ts'
import type { GpadlTable } from './gpadl-table.ts'
import type { Contact } from './negotiation.ts'
import { judgeContact, judgeMonitorPages } from './negotiation.ts'

const { V1_1, V5_0 } = VmbusVersion

/** Making and ending the connection, and what a guest may change of it meanwhile. */
export class ConnectionLife {
  readonly #context: ControlContext
  readonly #table: ChannelTable
  readonly #gpadls: GpadlTable
  readonly #life: ChannelLife

  constructor(context: ControlContext, table: ChannelTable, gpadls: GpadlTable, life: ChannelLife) {
    this.#context = context
    this.#table = table
    this.#gpadls = gpadls
    this.#life = life
  }

  get state(): BusState {
    return this.#context.state
  }

  /** A contact while connected is an unload and a contact. */
  contact(contact: Contact): void {
    switch (this.state.at) {
      case 'disconnected':
        this.#connect(contact)
        break
      case 'connected':
      case 'resetting':
        this.reset({ do: 'connect', contact })
        break
    }
  }

  #connect(contact: Contact): void {
    const { target, supported, state, connection } = judgeContact(contact, this.#context.limits)
    const version = supported ? contact.body.vmbus_version_requested : 0
    const response = {
      version_supported: supported ? 1 : 0,
      connection_state: state,
      msg_conn_id: version >= V5_0 ? this.#context.limits.messageConnectionId : version,
      supported_features: connection?.features ?? 0,
      monitor_page1: 0,
      monitor_page2: 0,
    }
    if (connection !== undefined) {
      this.#context.state = { at: 'connected', connection, offered: false, held: undefined }
      this.#context.effect(() => this.#context.effects.connected(connection))
    }
    this.#context.post(target, encodeControlMessage('VERSION_RESPONSE', response, version))
  }

  unload(): void {
    const { state } = this
    switch (state.at) {
      case 'connected':
        this.reset({ do: 'answer-unload', connection: state.connection })
        break
      case 'resetting':
      case 'disconnected':
        this.#context.violation('not-connected', `UNLOAD while ${state.at}`)
        break
    }
  }

  requestOffers(): void {
    const { state } = this
    if (state.at !== 'connected') return
    if (state.offered) {
      this.#context.violation('unexpected', 'REQUEST_OFFERS a second time')
      return
    }
    this.#context.state = { ...state, offered: true }
    this.#table.offerAll()
    this.#context.send('ALL_OFFERS_DELIVERED', {})
  }

  /** Restoring: the guest has asked for its offers before. */
  continueOffers(): void {
    const { state } = this
    if (state.at !== 'connected') return
    this.#context.state = { ...state, offered: true }
    this.#table.offerAll()
  }

  /** Restoring: these messages waited for a guest that had paused. */
  continueHolding(held: readonly Uint8Array[]): void {
    const { state } = this
    if (state.at === 'connected') this.#context.state = { ...state, held: [...held] }
  }

  modifyConnection(hostToGuest: number, guestToHost: number): void {
    const { state } = this
    if (state.at !== 'connected') return
    const pages = judgeMonitorPages(hostToGuest, guestToHost, this.#context.limits)
    if (pages !== 'bad') {
      const connection = { ...state.connection, monitorPages: pages }
      this.#context.state = { ...state, connection }
      this.#context.effect(() => this.#context.effects.connected(connection))
    } else this.#context.violation('bad-request', 'MODIFY_CONNECTION with bad monitor pages')
    this.#context.send('MODIFY_CONNECTION_RESPONSE', {
      connection_state: pages === 'bad' ? ConnectionState.FAILED_UNKNOWN_FAILURE : ConnectionState.SUCCESSFUL,
    })
  }

  pause(): void {
    const { state } = this
    if (state.at !== 'connected') return
    if (state.held !== undefined) {
      this.#context.violation('unexpected', 'PAUSE of a paused connection')
      return
    }
    this.#context.send('PAUSE_RESPONSE', {})
    this.#context.state = { ...state, held: [] }
  }

  resume(): void {
    const { state } = this
    if (state.at !== 'connected') return
    if (state.held === undefined) {
      this.#context.violation('unexpected', 'RESUME of a running connection')
      return
    }
    this.#context.state = { ...state, held: undefined }
    for (const message of state.held) this.#context.post(state.connection.target, message)
  }

  /** Ends the connection; what `then` says happens when every device has let go of the guest. */
  reset(then: AfterReset, reserved: 'with-reserved' | 'keep-reserved' = 'keep-reserved'): void {
    this.#context.state = { at: 'resetting', then }
    for (const record of [...this.#table.records]) {
      if (record.reserved && reserved === 'keep-reserved') {
        record.client = 'unknown'
        this.#gpadls.dropUnused(record)
        continue
      }
      this.#table.forget(record)
      if (!record.isPrimary) record.withdrawn = true
      this.#life.halt(record)
    }
    this.continueReset()
  }

  /** Looks whether a reset can end now. */
  continueReset(): void {
    const { state } = this
    if (state.at !== 'resetting') return
    for (const record of this.#table.records) {
      if (this.#life.isBusy(record) || (record.device.at === 'open' && !record.reserved)) return
    }
    for (const record of [...this.#table.records]) this.#life.settle(record)
    this.#context.state = { at: 'disconnected' }
    this.#context.effect(() => this.#context.effects.disconnected())
    this.#afterReset(state.then)
  }

  #afterReset(then: AfterReset): void {
    switch (then.do) {
      case 'nothing':
        break
      case 'answer-unload': {
        const { version, features, target } = then.connection
        if (version >= V1_1) this.#context.post(target, encodeControlMessage('UNLOAD_RESPONSE', {}, version, features))
        break
      }
      case 'connect':
        this.#connect(then.contact)
        break
    }
  }
}
