import { PAGE_SIZE } from '@bis/hyperv-types'
import type { MessageBody } from '@bis/hyperv-types/vmbus'
import {
  ConnectionState,
  isVmbusVersion,
  VMBUS_MESSAGE_SINT,
  VmbusFeature,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'
import type { Connection, ControlLimits, MessageTarget, MonitorPages } from './types.ts'

const { V2_4, V3_0, V5_0, V5_1, V6_0 } = VmbusVersion

/** INITIATE_CONTACT as it came; `length` tells which of its forms it is. */
export interface Contact {
  readonly body: MessageBody<'INITIATE_CONTACT'>
  readonly length: number
}

/** What to answer, and the connection when there is one now. */
export interface ContactOutcome {
  readonly target: MessageTarget
  readonly supported: boolean
  readonly state: number
  readonly connection: Connection | undefined
}

/**
 * Judges a contact. A version must be one that exists and that this host speaks; other flaws are told by the connection
 * state, which exists from 2.4 on. Source: OpenVMM vmbus_server; Linux and FreeBSD look at `supported` only.
 */
export function judgeContact(contact: Contact, limits: ControlLimits): ContactOutcome {
  const { body } = contact
  const version = body.vmbus_version_requested
  const target = answerTarget(body, limits)
  const known = isVmbusVersion(version) && version <= limits.maxVersion && !limits.refuseVersions.includes(version)
  if (!known) return { target, supported: false, state: 0, connection: undefined }

  const connection = hasFlaw(body, limits) ? undefined : connect(contact, target, limits)
  const failed = ConnectionState.FAILED_UNKNOWN_FAILURE
  if (connection === undefined) return { target, supported: version >= V2_4, state: failed, connection }
  return { target, supported: true, state: ConnectionState.SUCCESSFUL, connection }
}

/** Where the answer goes even if the contact is refused: as much of what it names as exists. */
function answerTarget(body: Contact['body'], limits: ControlLimits): MessageTarget {
  const version = body.vmbus_version_requested
  const vp = version >= V3_0 && limits.isProcessor(body.target_vcpu) ? body.target_vcpu : 0
  const sint = body.interrupt.target.msg_sint
  return { vp, sint: version >= V5_0 && isMessageSint(sint) ? sint : VMBUS_MESSAGE_SINT }
}

/** SINT 0 is the hypervisor's own. */
function isMessageSint(sint: number): boolean {
  return sint > 0 && sint < 16
}

function hasFlaw(body: Contact['body'], limits: ControlLimits): boolean {
  const version = body.vmbus_version_requested
  if (version >= V3_0 && !limits.isProcessor(body.target_vcpu)) return true
  if (version >= V5_0 && !isMessageSint(body.interrupt.target.msg_sint)) return true
  // Only the guest itself (VTL 0) is served; a paravisor would ask for VTL 2.
  if (version >= V5_1 && body.interrupt.target.target_vtl !== 0) return true
  if (version < V2_4 && !limits.isMemory(body.interrupt.interrupt_page, PAGE_SIZE)) return true
  return judgeMonitorPages(body.monitor_page1, body.monitor_page2, limits) === 'bad'
}

/** Both pages or neither, two different ones, page-aligned, in the guest's memory. */
export function judgeMonitorPages(
  hostToGuest: number,
  guestToHost: number,
  limits: ControlLimits,
): MonitorPages | undefined | 'bad' {
  if (hostToGuest === 0 && guestToHost === 0) return undefined
  const isPage = (gpa: number) => gpa !== 0 && gpa % PAGE_SIZE === 0 && limits.isMemory(gpa, PAGE_SIZE)
  if (!isPage(hostToGuest) || !isPage(guestToHost) || hostToGuest === guestToHost) return 'bad'
  return { hostToGuest, guestToHost }
}

function connect({ body, length }: Contact, target: MessageTarget, limits: ControlLimits): Connection {
  const version = body.vmbus_version_requested
  let features = version >= V6_0 ? body.interrupt.target.feature_flags & limits.features : 0
  if (length < CONTACT_WITH_CLIENT_ID) features &= ~VmbusFeature.CLIENT_ID
  const pages = judgeMonitorPages(body.monitor_page1, body.monitor_page2, limits)
  return {
    version,
    features,
    target,
    interruptPage: version < V2_4 ? body.interrupt.interrupt_page : undefined,
    monitorPages: pages === 'bad' ? undefined : pages,
    clientId: (features & VmbusFeature.CLIENT_ID) === 0 ? undefined : body.client_id,
  }
}

const CONTACT_WITH_CLIENT_ID = 56
