import { encodeControlMessage, VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelRecord } from '../control/channel-record.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import type { GpadlRecord } from '../control/gpadl-record.ts'
import type { Connection, OpenRequest } from '../control/types.ts'
import { toHex } from './hex.ts'
import type { SavedChannel, SavedConnection, SavedGpadl, SavedOpen, SavedServer } from './saved-server.ts'

const NO_CLIENT = '00000000-0000-0000-0000-000000000000'
const NO_TARGET = 0xffff_ffff

/** What a device left for an open channel. */
export interface DeviceState {
  readonly state: unknown
  readonly vp: number | undefined
}

/**
 * Writes down a control plane in which nothing moves.
 * @param devices gives the device's state of a channel that can be restored, undefined for one that cannot
 */
export function capture(
  control: ControlPlane,
  inbox: readonly Uint8Array[],
  devices: (record: ChannelRecord) => DeviceState | undefined,
): SavedServer {
  const { state } = control
  const connection = state.at === 'connected' ? saveConnection(state.connection, state.offered, state.held) : undefined
  const known = [...control.channels].filter(({ client }) => client !== 'unknown')
  return {
    format: 1,
    ...(connection === undefined ? {} : { connection }),
    channels: known.map((record) => saveChannel(record, devices(record))),
    inbox: inbox.map(toHex),
  }
}

function saveConnection(
  connection: Connection,
  offered: boolean,
  held: readonly Uint8Array[] | undefined,
): SavedConnection {
  const { version, features, target, interruptPage, monitorPages, clientId } = connection
  const init = {
    vmbus_version_requested: version,
    target_vcpu: target.vp,
    interrupt:
      version >= VmbusVersion.V5_0
        ? { target: { msg_sint: target.sint, target_vtl: 0, feature_flags: features } }
        : { interrupt_page: interruptPage ?? 0 },
    monitor_page1: monitorPages?.hostToGuest ?? 0,
    monitor_page2: monitorPages?.guestToHost ?? 0,
    client_id: clientId ?? NO_CLIENT,
  }
  const contact = toHex(encodeControlMessage('INITIATE_CONTACT', init, version, features))
  return { contact, offered, ...(held === undefined ? {} : { held: held.map(toHex) }) }
}

function saveChannel(record: ChannelRecord, device: DeviceState | undefined): SavedChannel {
  const { group, subIndex, channelId, monitorId, client } = record
  const request = record.device.at === 'open' ? record.device.request : undefined
  return {
    interfaceId: group.spec.interfaceId,
    instanceId: group.spec.instanceId,
    subIndex,
    channelId,
    ...(monitorId === undefined ? {} : { monitorId }),
    revoked: client === 'revoked',
    gpadls: [...record.gpadls.values()].map(saveGpadl),
    lost: request !== undefined && device === undefined,
    ...(request === undefined || device === undefined ? {} : { open: saveOpen(record, request, device) }),
  }
}

function saveGpadl(gpadl: GpadlRecord): SavedGpadl {
  const { handle, rangeCount, listBytes, list } = gpadl
  return { handle, rangeCount, listBytes, waiting: gpadl.state === 'waiting', list: toHex(list) }
}

function saveOpen(record: ChannelRecord, request: OpenRequest, { state, vp }: DeviceState): SavedOpen {
  const init = {
    child_relid: record.channelId,
    openid: request.openId,
    ringbuffer_gpadlhandle: request.ring.handle,
    target_vp: vp ?? NO_TARGET,
    downstream_ringbuffer_pageoffset: request.downstreamPage,
    userdata: request.userData,
    signal_connection_id: request.connectionId,
    event_flag: request.eventFlag,
    flags: { redirect_interrupt: request.redirect ? 1 : 0 },
  } as const
  // In its longest form: a connection without the features ignores what lies behind the user data.
  return { message: toHex(encodeControlMessage('OPEN_CHANNEL', init, VmbusVersion.V6_0, 0x3)), device: state }
}
