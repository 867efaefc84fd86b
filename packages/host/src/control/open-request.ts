import { PAGE_SIZE } from '@bis/hyperv-types'
import type { MessageBody } from '@bis/hyperv-types/vmbus'
import { VMBUS_MAX_CHANNELS, VMBUS_NO_TARGET_VP, VmbusFeature, VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelRecord } from './channel-record.ts'
import { CHANNEL_CONNECTION_BASE } from './channel-table.ts'
import type { Connection, ControlLimits, GpadlMemory, OpenRequest } from './types.ts'

/** Pages of the smallest ring: its control page and one of data. */
const MIN_RING_PAGES = 2
/** Connection ids below this are the bus's own. */
const FIRST_GUEST_CONNECTION = 5
const USER_DATA_BYTES = 120

/**
 * Judges OPEN_CHANNEL.
 * @returns the request, or why it is refused
 */
export function judgeOpen(
  record: ChannelRecord,
  body: MessageBody<'OPEN_CHANNEL'>,
  ring: GpadlMemory | undefined,
  connection: Connection,
  limits: ControlLimits,
): OpenRequest | string {
  const flaw = judgeRing(ring, body.downstream_ringbuffer_pageoffset)
  if (ring === undefined || flaw !== undefined) return flaw ?? 'no ring'
  const targetVp = judgeTargetVp(body.target_vp, connection, limits)
  if (targetVp === 'bad') return `there is no virtual processor ${body.target_vp}`
  const ownSignal = (connection.features & VmbusFeature.GUEST_SPECIFIED_SIGNAL_PARAMETERS) !== 0
  const redirects = (connection.features & VmbusFeature.CHANNEL_INTERRUPT_REDIRECTION) !== 0
  const eventFlag = ownSignal ? body.event_flag : record.channelId
  if (eventFlag >= VMBUS_MAX_CHANNELS) return `event flag ${eventFlag} of ${VMBUS_MAX_CHANNELS}`
  const connectionId = ownSignal ? body.signal_connection_id : CHANNEL_CONNECTION_BASE + record.channelId
  if (connectionId < FIRST_GUEST_CONNECTION) return `connection id ${connectionId} is the bus's own`
  return {
    openId: body.openid,
    ring,
    downstreamPage: body.downstream_ringbuffer_pageoffset,
    targetVp,
    eventFlag,
    connectionId,
    redirect: redirects && body.flags.redirect_interrupt === 1,
    userData: body.userdata,
    reserved: undefined,
  }
}

/** Judges OPEN_RESERVED_CHANNEL likewise. */
export function judgeOpenReserved(
  record: ChannelRecord,
  body: MessageBody<'OPEN_RESERVED_CHANNEL'>,
  ring: GpadlMemory | undefined,
  limits: ControlLimits,
): OpenRequest | string {
  const flaw = judgeRing(ring, body.downstream_ringbuffer_pageoffset)
  if (ring === undefined || flaw !== undefined) return flaw ?? 'no ring'
  if (!isTarget(body.target_vp, body.target_sint, limits)) {
    return `SINT ${body.target_sint} of virtual processor ${body.target_vp}`
  }
  return {
    openId: 0,
    ring,
    downstreamPage: body.downstream_ringbuffer_pageoffset,
    targetVp: body.target_vp,
    eventFlag: record.channelId,
    connectionId: CHANNEL_CONNECTION_BASE + record.channelId,
    redirect: false,
    userData: new Uint8Array(USER_DATA_BYTES),
    reserved: { vp: body.target_vp, sint: body.target_sint },
  }
}

/** Whether a processor and SINT exist and can take messages; SINT 0 is the hypervisor's. */
export function isTarget(vp: number, sint: number, limits: ControlLimits): boolean {
  return limits.isProcessor(vp) && sint > 0 && sint < 16
}

function judgeRing(ring: GpadlMemory | undefined, downstreamPage: number): string | undefined {
  if (ring === undefined) return 'its ring GPADL is not there'
  const range = ring.ranges[0]
  if (range === undefined || ring.ranges.length !== 1) return `its ring GPADL has ${ring.ranges.length} ranges`
  if (range.byteOffset !== 0 || range.byteCount % PAGE_SIZE !== 0) {
    return `its ring GPADL has ${range.byteCount} bytes from offset ${range.byteOffset}, not whole pages`
  }
  if (downstreamPage < MIN_RING_PAGES || downstreamPage > ring.pageCount - MIN_RING_PAGES) {
    return `its downstream ring begins at page ${downstreamPage} of ${ring.pageCount}`
  }
  return undefined
}

function judgeTargetVp(vp: number, connection: Connection, limits: ControlLimits): number | undefined | 'bad' {
  if (connection.version < VmbusVersion.V2_4) return 0
  if (vp === VMBUS_NO_TARGET_VP) return undefined
  return limits.isProcessor(vp) ? vp : 'bad'
}
