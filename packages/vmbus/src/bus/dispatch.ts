import type { ControlMessage, MessageName } from '@bis/hyperv-types/vmbus'
import { CONTROL_MESSAGES, isMessageAllowed, parseControlMessage, VMBUS_MESSAGE_TYPE } from '@bis/hyperv-types/vmbus'
import type { PendingReplies } from '../control/pending-replies.ts'
import type { SlotMessage } from '../platform/message-slot.ts'
import type { ConnectionSession } from './connection-session.ts'
import type { BusCounters } from './counters.ts'
import type { OfferBook } from './offer-book.ts'

export interface DispatchParts {
  readonly session: ConnectionSession
  readonly replies: PendingReplies
  readonly offers: OfferBook
  readonly counters: BusCounters
}

/** Takes one message of the host to where it belongs; what belongs nowhere is counted and dropped. */
export function dispatch({ type, payload, tooLong }: SlotMessage, parts: DispatchParts): void {
  const { counters } = parts
  counters.messages++
  if (type !== VMBUS_MESSAGE_TYPE) {
    counters.unknownMessages++
    return
  }
  const message = tooLong ? undefined : parseControlMessage(payload)
  if (message === undefined || message.kind === 'short') counters.malformedMessages++
  else if (message.kind === 'unknown') counters.unknownMessages++
  else if (!expected(message.name, parts.session)) counters.misdirectedMessages++
  else deliver(message, parts)
}

/** Whether a host sends this kind of message on a connection like ours. */
function expected(name: MessageName, session: ConnectionSession): boolean {
  if (CONTROL_MESSAGES[name].direction !== 'host-to-guest') return false
  // An unload is answered when the connection is gone already.
  if (name === 'VERSION_RESPONSE' || name === 'UNLOAD_RESPONSE') return true
  return session.at === 'connected' && isMessageAllowed(name, session.version, session.features)
}

function deliver(message: ControlMessage, { session, replies, offers, counters }: DispatchParts): void {
  switch (message.name) {
    case 'OFFER_CHANNEL':
      offers.onOffer(message.body)
      return
    case 'RESCIND_OFFER':
      offers.onRescind(message.body.child_relid)
      return
    case 'ALL_OFFERS_DELIVERED':
      session.onAllOffersDelivered()
      return
    case 'VERSION_RESPONSE': {
      const { version_supported, connection_state, msg_conn_id, supported_features } = message.body
      session.onVersionResponse({
        supported: version_supported !== 0,
        connectionState: connection_state,
        messageConnectionId: msg_conn_id,
        features: supported_features,
      })
      return
    }
    case 'UNLOAD_RESPONSE':
      session.onUnloadResponse()
      return
    case 'OPEN_RESULT': {
      const { child_relid, openid, status } = message.body
      if (!replies.settle('open', openid, child_relid, status)) counters.unsolicited++
      return
    }
    case 'GPADL_CREATED': {
      const { child_relid, gpadl, creation_status } = message.body
      if (!replies.settle('gpadl-created', gpadl, child_relid, creation_status)) counters.unsolicited++
      return
    }
    case 'GPADL_TORNDOWN':
      if (!replies.settle('gpadl-torndown', message.body.gpadl, undefined, 0)) counters.unsolicited++
      return
    case 'MODIFY_CHANNEL_RESPONSE': {
      const { child_relid, status } = message.body
      if (!replies.settle('modify', child_relid, child_relid, status)) counters.unsolicited++
      return
    }
    case 'MODIFY_CONNECTION_RESPONSE':
      if (!replies.settle('connection', 0, 0, message.body.connection_state)) counters.unsolicited++
      return
    default:
      counters.unsolicited++
  }
}
