/**
 * The connection's state machine: no channel, no clock, no hypervisor. `step` takes an event and answers the next state
 * and what is to be done; the session around it does it.
 * Source: Linux drivers/hv/connection.c (`vmbus_connect`), FreeBSD vmbus.c (`vmbus_init`), OpenVMM vmbus_server.
 */
import {
  formatVmbusVersion,
  VMBUS_MESSAGE_CONNECTION_ID,
  VMBUS_MESSAGE_CONNECTION_ID_4,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'

export type Connection =
  | { readonly at: 'disconnected' }
  | { readonly at: 'contacting'; readonly versions: readonly number[]; readonly index: number; readonly posts: number }
  /** Takes back a contact that was never answered, before the next one goes out. */
  | { readonly at: 'clearing'; readonly versions: readonly number[]; readonly index: number }
  | {
      readonly at: 'connected'
      readonly version: number
      readonly connectionId: number
      readonly features: number
      readonly offers: 'unasked' | 'asked' | 'delivered'
    }
  | { readonly at: 'unloading'; readonly version: number; readonly connectionId: number }
  | { readonly at: 'failed' }

export type ConnectionEvent =
  | { readonly type: 'connect'; readonly versions: readonly number[] }
  | { readonly type: 'version-response'; readonly reply: VersionReply }
  /** The hypervisor took the contact: the host has it, or will. */
  | { readonly type: 'contact-posted' }
  /** HvPostMessage knows no such connection: how a host older than 5.0 says no. */
  | { readonly type: 'contact-unreachable' }
  | { readonly type: 'request-offers' }
  | { readonly type: 'all-offers-delivered' }
  | { readonly type: 'unload' }
  | { readonly type: 'unload-response' }
  | { readonly type: 'no-answer' }
  | { readonly type: 'lost' }

/** VERSION_RESPONSE, as far as this machine looks at it. */
export interface VersionReply {
  readonly supported: boolean
  /** 0 success, 1 low resources, 2 other failure; hosts before 2012 leave it undefined. */
  readonly connectionState: number
  /** From 5.0 on: where messages go from now on. */
  readonly messageConnectionId: number
  /** From 6.0 on: the offered feature flags that the host has too. */
  readonly features: number
}

export type ConnectionEffect =
  | { readonly do: 'post-contact'; readonly version: number; readonly connectionId: number }
  | { readonly do: 'post-request-offers'; readonly connectionId: number }
  | { readonly do: 'post-unload'; readonly connectionId: number }
  /** Report `no-answer` unless another state comes first. Replaces the wait before. */
  | { readonly do: 'await-answer'; readonly what: 'contact' | 'clearing' | 'unload' }
  /** The host has let go of what the contact before gave it. */
  | { readonly do: 'released' }
  | { readonly do: 'connected'; readonly version: number }
  | { readonly do: 'offers-delivered' }
  | { readonly do: 'failed'; readonly code: 'no-common-version' | 'timeout'; readonly reason: string }
  | { readonly do: 'disconnected'; readonly how: Farewell }
  /** A response that nothing waits for: counted, not followed. */
  | { readonly do: 'unsolicited' }

/**
 * How a connection ended: `answered`, the host has dropped everything; `unanswerable`, this version has no answer to
 * UNLOAD; `silent`, the answer stayed out; `lost`, without a farewell.
 */
export type Farewell = 'answered' | 'unanswerable' | 'silent' | 'lost'

export interface Step {
  readonly state: Connection
  readonly effects: readonly ConnectionEffect[]
}

/** Contacts posted for one version before it counts as unanswered: a root behind a socket may not have listened yet. */
export const CONTACT_POSTS = 3

/** Below this version UNLOAD_RESPONSE does not exist. */
const UNLOAD_ANSWERED_FROM = VmbusVersion.V1_1

export function contactConnection(version: number): number {
  return version >= VmbusVersion.V5_0 ? VMBUS_MESSAGE_CONNECTION_ID_4 : VMBUS_MESSAGE_CONNECTION_ID
}

/** Whether the host answers UNLOAD on a connection of this version. */
export function answersUnload(version: number): boolean {
  return version >= UNLOAD_ANSWERED_FROM
}

const AWAIT_CONTACT: readonly ConnectionEffect[] = [{ do: 'await-answer', what: 'contact' }]
const UNSOLICITED: readonly ConnectionEffect[] = [{ do: 'unsolicited' }]

export function step(state: Connection, event: ConnectionEvent): Step {
  switch (event.type) {
    case 'connect':
      return state.at === 'disconnected' || state.at === 'failed' ? contact(event.versions, 0, 1) : ignore(state)
    case 'version-response':
      return state.at === 'contacting' ? onVersionResponse(state, event.reply) : unsolicited(state)
    case 'contact-posted':
      return state.at === 'contacting' ? { state, effects: AWAIT_CONTACT } : ignore(state)
    case 'contact-unreachable':
      return state.at === 'contacting' ? contact(state.versions, afterUnreachable(state), 1) : ignore(state)
    case 'request-offers':
      // Hosts take a second request on one connection for a protocol error.
      return state.at === 'connected' && state.offers === 'unasked'
        ? {
            state: { ...state, offers: 'asked' },
            effects: [{ do: 'post-request-offers', connectionId: state.connectionId }],
          }
        : ignore(state)
    case 'all-offers-delivered':
      return state.at === 'connected' && state.offers === 'asked'
        ? { state: { ...state, offers: 'delivered' }, effects: [{ do: 'offers-delivered' }] }
        : unsolicited(state)
    case 'unload':
      return onUnload(state)
    case 'unload-response':
      if (state.at === 'clearing') return prepend({ do: 'released' }, contact(state.versions, state.index, 1))
      return state.at === 'unloading' ? disconnected('answered') : unsolicited(state)
    case 'no-answer':
      return onNoAnswer(state)
    case 'lost':
      return state.at === 'disconnected' ? ignore(state) : disconnected('lost')
  }
}

type Contacting = Extract<Connection, { at: 'contacting' }>

function contact(versions: readonly number[], index: number, posts: number): Step {
  const version = versions[index]
  if (version === undefined) {
    const tried = versions.map(formatVmbusVersion).join(', ') || 'none'
    return fail('no-common-version', `the host accepts none of the protocol versions tried (${tried})`)
  }
  return {
    state: { at: 'contacting', versions, index, posts },
    effects: [{ do: 'post-contact', version, connectionId: contactConnection(version) }],
  }
}

function onVersionResponse(state: Contacting, reply: VersionReply): Step {
  const version = currentVersion(state)
  // From 2.4 on a contact can be understood and still fail; then the host is not connected.
  const failed = version >= VmbusVersion.V2_4 && (reply.connectionState === 1 || reply.connectionState === 2)
  if (!reply.supported || failed) return prepend({ do: 'released' }, contact(state.versions, state.index + 1, 1))
  const connectionId = version >= VmbusVersion.V5_0 ? reply.messageConnectionId : VMBUS_MESSAGE_CONNECTION_ID
  const features = version >= VmbusVersion.V6_0 ? reply.features : 0
  return {
    state: { at: 'connected', version, connectionId, features, offers: 'unasked' },
    effects: [{ do: 'connected', version }],
  }
}

function onUnload(state: Connection): Step {
  switch (state.at) {
    case 'connected': {
      const { version, connectionId } = state
      const post: ConnectionEffect = { do: 'post-unload', connectionId }
      if (!answersUnload(version)) return disconnected('unanswerable', post)
      return {
        state: { at: 'unloading', version, connectionId },
        effects: [post, { do: 'await-answer', what: 'unload' }],
      }
    }
    case 'contacting': {
      const post: ConnectionEffect = { do: 'post-unload', connectionId: contactConnection(currentVersion(state)) }
      return disconnected('lost', post)
    }
    case 'clearing':
      return disconnected('lost')
    default:
      return ignore(state)
  }
}

function onNoAnswer(state: Connection): Step {
  switch (state.at) {
    case 'contacting': {
      if (state.posts < CONTACT_POSTS) return contact(state.versions, state.index, state.posts + 1)
      const index = afterUnreachable(state)
      if (index >= state.versions.length) {
        const asked = formatVmbusVersion(currentVersion(state))
        return fail('timeout', `the host answered none of ${CONTACT_POSTS} contacts for version ${asked}`)
      }
      // It may yet take the contact it has not answered for its connection.
      const connectionId = contactConnection(currentVersion(state))
      return {
        state: { at: 'clearing', versions: state.versions, index },
        effects: [
          { do: 'post-unload', connectionId },
          { do: 'await-answer', what: 'clearing' },
        ],
      }
    }
    case 'clearing':
      return contact(state.versions, state.index, 1)
    case 'unloading':
      return disconnected('silent')
    default:
      return ignore(state)
  }
}

/** The next version that goes to another connection id: where one contact gets no answer, its neighbours get none either. */
function afterUnreachable(state: Contacting): number {
  const unreachable = contactConnection(currentVersion(state))
  const index = state.versions.findIndex((version, i) => i > state.index && contactConnection(version) !== unreachable)
  return index < 0 ? state.versions.length : index
}

function currentVersion(state: Contacting): number {
  return state.versions[state.index] ?? 0
}

function disconnected(how: Farewell, ...before: ConnectionEffect[]): Step {
  return { state: { at: 'disconnected' }, effects: [...before, { do: 'disconnected', how }] }
}

function fail(code: 'no-common-version' | 'timeout', reason: string): Step {
  return { state: { at: 'failed' }, effects: [{ do: 'failed', code, reason }] }
}

function prepend(effect: ConnectionEffect, { state, effects }: Step): Step {
  return { state, effects: [effect, ...effects] }
}

function ignore(state: Connection): Step {
  return { state, effects: [] }
}

function unsolicited(state: Connection): Step {
  return { state, effects: UNSOLICITED }
}
