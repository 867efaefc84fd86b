import type { ControlMessage } from '@bis/hyperv-types/vmbus'
import {
  CONTROL_MESSAGES,
  describeMessage,
  formatVmbusVersion,
  isMessageAllowed,
  parseControlMessage,
  VMBUS_STATUS_CONNECTION_REFUSED,
} from '@bis/hyperv-types/vmbus'
import type { ChannelLife } from './channel-life.ts'
import type { ChannelRecord } from './channel-record.ts'
import type { ChannelTable } from './channel-table.ts'
import type { ConnectionLife } from './connection-life.ts'
import type { ControlContext } from './context.ts'
import type { GpadlTable } from './gpadl-table.ts'

export interface GuestMessageParts {
  readonly context: ControlContext
  readonly table: ChannelTable
  readonly gpadls: GpadlTable
  readonly life: ChannelLife
  readonly connection: ConnectionLife
}

/** Takes each message of the guest to where it belongs; one that may not come now is a violation, no more. */
export class GuestMessages {
  readonly #parts: GuestMessageParts

  constructor(parts: GuestMessageParts) {
    this.#parts = parts
  }

  /** @param payload as it was posted; padding behind the message is ignored */
  take(payload: Uint8Array): void {
    const { context } = this.#parts
    const message = parseControlMessage(payload)
    switch (message.kind) {
      case 'short': {
        const what = message.type === undefined ? 'a message' : describeMessage(message.type)
        context.violation('short-message', `${what} of ${message.length} bytes, needs ${message.needed}`)
        break
      }
      case 'unknown':
        context.violation('unknown-message', `${describeMessage(message.type)} is unknown`)
        break
      case 'message':
        if (this.#isExpected(message)) this.#dispatch(message)
        break
    }
  }

  /** Whether a guest sends this kind of message on a connection like ours. */
  #isExpected({ name }: ControlMessage): boolean {
    const { context } = this.#parts
    const { connection, state } = context
    if (CONTROL_MESSAGES[name].direction !== 'guest-to-host') {
      context.violation('wrong-direction', `${name} comes from hosts only`)
      return false
    }
    if (isMessageAllowed(name, connection?.version, connection?.features)) return true
    if (connection === undefined) context.violation('not-connected', `${name} while ${state.at}`)
    else context.violation('not-allowed', `${name} on VMBus ${formatVmbusVersion(connection.version)}`)
    return false
  }

  #dispatch(message: ControlMessage): void {
    const { connection, gpadls, life, table } = this.#parts
    switch (message.name) {
      case 'INITIATE_CONTACT':
        connection.contact(message)
        break
      case 'UNLOAD':
        connection.unload()
        break
      case 'REQUEST_OFFERS':
        connection.requestOffers()
        break
      case 'GPADL_HEADER':
        gpadls.header(this.#known(message.body.child_relid), message.body)
        break
      case 'GPADL_BODY':
        gpadls.body(message.body)
        break
      case 'GPADL_TEARDOWN':
        this.#withChannel(message, (record) => gpadls.teardown(record, message.body.gpadl))
        break
      case 'OPEN_CHANNEL':
        this.#withChannel(message, (record) => life.open(record, message.body))
        break
      case 'CLOSE_CHANNEL':
        this.#withChannel(message, (record) => life.close(record))
        break
      case 'RELID_RELEASED':
        this.#withChannel(message, (record) => life.released(record))
        break
      case 'OPEN_RESERVED_CHANNEL':
        this.#withChannel(message, (record) => life.openReserved(record, message.body))
        break
      case 'CLOSE_RESERVED_CHANNEL':
        life.closeReserved(table.byId(message.body.child_relid), message.body)
        break
      case 'MODIFY_CHANNEL':
        life.modify(table.byId(message.body.child_relid), message.body)
        break
      case 'MODIFY_CONNECTION':
        connection.modifyConnection(message.body.monitor_page1, message.body.monitor_page2)
        break
      case 'PAUSE':
        connection.pause()
        break
      case 'RESUME':
        connection.resume()
        break
      case 'TL_CONNECT_REQUEST':
        this.#transportConnect(message)
        break
    }
  }

  /** A channel that the guest has been told of on this connection. */
  #known(channelId: number): ChannelRecord | undefined {
    const record = this.#parts.table.byId(channelId)
    return record?.client === 'unknown' ? undefined : record
  }

  #withChannel(
    { name, body }: { readonly name: string; readonly body: { readonly child_relid: number } },
    run: (record: ChannelRecord) => void,
  ): void {
    const record = this.#known(body.child_relid)
    if (record === undefined)
      this.#parts.context.violation('unknown-channel', `${name} for channel ${body.child_relid}`)
    else run(record)
  }

  #transportConnect({ body, length }: Extract<ControlMessage, { name: 'TL_CONNECT_REQUEST' }>): void {
    const { context } = this.#parts
    const { guest_endpoint_id: endpoint, host_service_id: service } = body
    const silo = length >= CONTROL_MESSAGES.TL_CONNECT_REQUEST.layout.size ? body.silo_id : undefined
    context.effect(() => {
      if (context.effects.transportConnect(endpoint, service, silo)) return
      const status = VMBUS_STATUS_CONNECTION_REFUSED
      const result = { guest_endpoint_id: endpoint, host_service_id: service, status }
      context.transition(() => context.send('TL_CONNECT_RESULT', result))
    })
  }
}
