/**
 * The set of control messages as one table: number, direction, layout, when it may be sent and how long it then is.
 * Parsing, encoding and naming messages all follow from it.
 * Source of versions and features: OpenVMM vmbus_core protocol.rs.
 */

import type { AnyLayout } from '../struct/index.ts'
import * as messages from './messages.ts'
import { VmbusFeature, VmbusVersion } from './versions.ts'

export type MessageDirection = 'guest-to-host' | 'host-to-guest'

export interface MessageSpec<Type extends number = number, L = unknown> {
  readonly type: Type
  readonly direction: MessageDirection
  /** The longest form there is. */
  readonly layout: L
  /** Shorter than this is a protocol error. */
  readonly minLength: number
  /** First version that has the message; undefined: it may be sent without a connection too. */
  readonly since: VmbusVersion | undefined
  /** Feature that must have been negotiated; 0 for none. */
  readonly feature: number
  /** Bytes that this version and these features send, without what fills the rest of a GPADL message. */
  lengthAt(version: number, features: number): number
}

interface SpecOptions {
  readonly since?: VmbusVersion | undefined
  readonly feature?: number
  readonly minLength?: number
  readonly lengthAt?: (version: number, features: number) => number
}

const { V0_13, V1_1, V4_0, V4_1, V5_3, V6_0 } = VmbusVersion

function toHost<const T extends number, L extends AnyLayout>(
  type: T,
  layout: L,
  options: SpecOptions = {},
): MessageSpec<T, L> {
  return spec(type, 'guest-to-host', layout, options)
}

function toGuest<const T extends number, L extends AnyLayout>(
  type: T,
  layout: L,
  options: SpecOptions = {},
): MessageSpec<T, L> {
  return spec(type, 'host-to-guest', layout, options)
}

function spec<T extends number, L extends AnyLayout>(
  type: T,
  direction: MessageDirection,
  layout: L,
  options: SpecOptions,
): MessageSpec<T, L> {
  const { size } = layout
  return Object.freeze({
    type,
    direction,
    layout,
    minLength: options.minLength ?? size,
    since: 'since' in options ? options.since : V0_13,
    feature: options.feature ?? 0,
    lengthAt: options.lengthAt ?? (() => size),
  })
}

const OPEN_EXTENSION = VmbusFeature.GUEST_SPECIFIED_SIGNAL_PARAMETERS | VmbusFeature.CHANNEL_INTERRUPT_REDIRECTION

/** Control messages by name, in the order of their numbers. */
export const CONTROL_MESSAGES = {
  OFFER_CHANNEL: toGuest(1, messages.offerChannel, {
    minLength: 190,
    lengthAt: (version) => (version < V1_1 ? 190 : 196),
  }),
  RESCIND_OFFER: toGuest(2, messages.rescindOffer),
  REQUEST_OFFERS: toHost(3, messages.headerOnly),
  ALL_OFFERS_DELIVERED: toGuest(4, messages.headerOnly),
  OPEN_CHANNEL: toHost(5, messages.openChannel, {
    minLength: 148,
    lengthAt: (_version, features) => ((features & OPEN_EXTENSION) === 0 ? 148 : 156),
  }),
  OPEN_RESULT: toGuest(6, messages.openResult),
  CLOSE_CHANNEL: toHost(7, messages.closeChannel),
  GPADL_HEADER: toHost(8, messages.gpadlHeader),
  GPADL_BODY: toHost(9, messages.gpadlBody),
  GPADL_CREATED: toGuest(10, messages.gpadlCreated),
  GPADL_TEARDOWN: toHost(11, messages.gpadlTeardown),
  GPADL_TORNDOWN: toGuest(12, messages.gpadlTorndown),
  RELID_RELEASED: toHost(13, messages.relidReleased),
  INITIATE_CONTACT: toHost(14, messages.initiateContact, {
    since: undefined,
    minLength: 40,
    lengthAt: (version, features) => (version >= V6_0 && (features & VmbusFeature.CLIENT_ID) !== 0 ? 56 : 40),
  }),
  VERSION_RESPONSE: toGuest(15, messages.versionResponse, {
    since: undefined,
    minLength: 16,
    lengthAt: (version, features) =>
      version < V6_0 ? 16 : (features & VmbusFeature.SERVER_SPECIFIED_MONITOR_PAGES) === 0 ? 20 : 40,
  }),
  UNLOAD: toHost(16, messages.headerOnly, { since: undefined }),
  UNLOAD_RESPONSE: toGuest(17, messages.headerOnly, { since: V1_1 }),
  OPEN_RESERVED_CHANNEL: toHost(18, messages.openReservedChannel, { since: V4_0 }),
  CLOSE_RESERVED_CHANNEL: toHost(19, messages.closeReservedChannel, { since: undefined }),
  CLOSE_RESERVED_CHANNEL_RESPONSE: toGuest(20, messages.closeReservedChannelResponse, { since: V4_0 }),
  TL_CONNECT_REQUEST: toHost(21, messages.tlConnectRequest, { since: V4_0, minLength: 40, lengthAt: () => 40 }),
  MODIFY_CHANNEL: toHost(22, messages.modifyChannel, { since: V4_1 }),
  TL_CONNECT_RESULT: toGuest(23, messages.tlConnectResult, { since: V4_1 }),
  MODIFY_CHANNEL_RESPONSE: toGuest(24, messages.modifyChannelResponse, { since: V5_3 }),
  MODIFY_CONNECTION: toHost(25, messages.modifyConnection, { since: V6_0, feature: VmbusFeature.MODIFY_CONNECTION }),
  MODIFY_CONNECTION_RESPONSE: toGuest(26, messages.modifyConnectionResponse, {
    since: V6_0,
    feature: VmbusFeature.MODIFY_CONNECTION,
  }),
  PAUSE: toHost(27, messages.headerOnly, { since: V6_0, feature: VmbusFeature.PAUSE_RESUME }),
  PAUSE_RESPONSE: toGuest(28, messages.headerOnly, { since: V6_0, feature: VmbusFeature.PAUSE_RESUME }),
  RESUME: toHost(29, messages.headerOnly, { since: V6_0, feature: VmbusFeature.PAUSE_RESUME }),
} as const

export type MessageName = keyof typeof CONTROL_MESSAGES

/** Message numbers by name: `MessageType.OPEN_CHANNEL` is 5. */
export const MessageType = Object.freeze(
  Object.fromEntries(Object.entries(CONTROL_MESSAGES).map(([name, { type }]) => [name, type])),
) as { readonly [N in MessageName]: (typeof CONTROL_MESSAGES)[N]['type'] }
export type MessageType = (typeof MessageType)[MessageName]

const NAMES = new Map<number, MessageName>(
  Object.entries(CONTROL_MESSAGES).map(([name, { type }]) => [type, name as MessageName]),
)

/** The message's name, or undefined for a number that no version has. */
export function messageName(type: number): MessageName | undefined {
  return NAMES.get(type)
}

/** A message's name for a log line, whatever its number. */
export function describeMessage(type: number): string {
  return NAMES.get(type) ?? `message type 0x${type.toString(16)}`
}

/**
 * Whether a connection of this version and these features has the message.
 * @param version undefined while there is no connection
 */
export function isMessageAllowed(name: MessageName, version: number | undefined, features = 0): boolean {
  const { since, feature } = CONTROL_MESSAGES[name]
  if (since === undefined) return true
  return version !== undefined && version >= since && (features & feature) === feature
}
