/** Control messages to bytes and back, by the message table. For control paths: every call allocates. */

import type { AnyLayout, InitOf, ValueOf } from '../struct/index.ts'
import type { MessageName, MessageSpec, MessageType } from './message-table.ts'
import { CONTROL_MESSAGES, messageName } from './message-table.ts'
import { messageHeader } from './messages.ts'

type LayoutOf<N extends MessageName> = (typeof CONTROL_MESSAGES)[N]['layout']

/** A message's fields behind its header, decoded. */
export type MessageBody<N extends MessageName> = Omit<ValueOf<LayoutOf<N>>, 'header'>

/** A message's fields behind its header, to encode. */
export type MessageInit<N extends MessageName> = Omit<InitOf<LayoutOf<N>>, 'header'>

/** A message that parsed. Fields that lie behind `length` (an older version's shorter form) are zero. */
export type ControlMessage<N extends MessageName = MessageName> = {
  [K in N]: {
    readonly kind: 'message'
    readonly type: (typeof CONTROL_MESSAGES)[K]['type']
    readonly name: K
    /** Bytes received, padding of a generous sender included. */
    readonly length: number
    readonly body: MessageBody<K>
  }
}[N]

/** A message number that no version known here has. */
export interface UnknownMessage {
  readonly kind: 'unknown'
  readonly type: number
  readonly length: number
}

/** A message shorter than the fixed part of its kind; `type` is undefined when not even the header was there. */
export interface ShortMessage {
  readonly kind: 'short'
  readonly type: MessageType | undefined
  readonly length: number
  /** Bytes that it should have had at least. */
  readonly needed: number
}

/**
 * Parses a control message. The bytes are copied first, so they may lie in memory that the peer still writes to.
 * Unknown and short messages are results, not exceptions: log and drop them.
 * @param length bytes that are the message; the rest of `bytes` is not looked at
 */
export function parseControlMessage(
  bytes: Uint8Array,
  length = bytes.length,
): ControlMessage | UnknownMessage | ShortMessage {
  const count = Math.max(0, Math.min(length, bytes.length))
  if (count < messageHeader.size) return { kind: 'short', type: undefined, length: count, needed: messageHeader.size }
  const copy = bytes.slice(0, count)
  const { msgtype } = messageHeader.decode(copy)
  const name = messageName(msgtype)
  if (name === undefined) return { kind: 'unknown', type: msgtype, length: count }
  const spec: MessageSpec<MessageType, AnyLayout> = CONTROL_MESSAGES[name]
  if (count < spec.minLength) return { kind: 'short', type: spec.type, length: count, needed: spec.minLength }
  const whole = new Uint8Array(Math.max(count, spec.layout.size))
  whole.set(copy)
  const { header: _header, ...body } = spec.layout.decode(whole, 0, whole.length)
  return { kind: 'message', type: spec.type, name, length: count, body } as ControlMessage
}

/**
 * Encodes a control message as a connection of this version and these features sends it.
 * @param version the version of the connection; in INITIATE_CONTACT the version asked for
 * @throws LayoutError `bad-value` when a value does not fit its field
 */
export function encodeControlMessage<N extends MessageName>(
  name: N,
  init: MessageInit<N>,
  version: number,
  features = 0,
): Uint8Array {
  const spec: MessageSpec<MessageType, AnyLayout> = CONTROL_MESSAGES[name]
  const encoded = spec.layout.encode({ header: { msgtype: spec.type }, ...init })
  const extra = encoded.length - spec.layout.size
  return extra > 0 ? encoded : encoded.slice(0, spec.lengthAt(version, features))
}
