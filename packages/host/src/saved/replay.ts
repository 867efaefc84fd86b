import { encodeControlMessage, GPADL_BODY_PFN_BYTES, GPADL_HEADER_RANGE_BYTES } from '@bis/hyperv-types/vmbus'
import type { ChannelRecord } from '../control/channel-record.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { fromHex } from './hex.ts'
import type { SavedChannel, SavedGpadl } from './saved-server.ts'
import { RestoreError } from './saved-server.ts'
import { checkShape } from './shape.ts'

const MAX_MESSAGE = 240
const MAX_LIST = 0xffff
const MAX_CHANNELS = 2047

/** What replaying needs of the server. */
export interface ReplayHost {
  readonly control: ControlPlane
  /** The channel of a device that is on the bus again, or undefined. */
  find(saved: SavedChannel): ChannelRecord | undefined
  /** A channel for what no device stands behind any more; it is rescinded when all is restored. */
  placeholder(saved: SavedChannel): ChannelRecord
  /** Gives the device's saved state to the open that follows. */
  expectOpen(record: ChannelRecord, device: unknown): void
}

/**
 * Brings a fresh control plane into the saved state by handing it the messages that led there, so that what a guest may not
 * send cannot be restored either. The answers to these messages are the caller's to suppress.
 * @returns the channels to rescind
 * @throws RestoreError
 */
export function replay(saved: unknown, host: ReplayHost): ChannelRecord[] {
  checkShape(saved)
  if (saved.channels.length > MAX_CHANNELS)
    throw new RestoreError('bad-state', `${saved.channels.length} saved channels`)
  const { connection } = saved
  if (connection === undefined) return []
  host.control.receive(fromHex(connection.contact, MAX_MESSAGE))
  if (host.control.connection === undefined)
    throw new RestoreError('refused', 'the saved connection is not accepted here')
  const orphans: ChannelRecord[] = []
  // Primaries first: sub-channels are offered on an open one.
  const inOrder = [...saved.channels].sort((a, b) => a.subIndex - b.subIndex)
  for (const channel of inOrder) {
    const record = replayChannel(channel, host)
    if (record !== undefined) orphans.push(record)
  }
  if (connection.held !== undefined) {
    host.control.continueHolding(connection.held.map((message) => fromHex(message, MAX_MESSAGE)))
  }
  return orphans
}

/** @returns the channel when it has to be rescinded */
function replayChannel(saved: SavedChannel, host: ReplayHost): ChannelRecord | undefined {
  const { control } = host
  const living = saved.revoked || saved.lost ? undefined : host.find(saved)
  const record = living ?? host.placeholder(saved)
  if (!control.adopt(record, saved.channelId, saved.monitorId)) {
    throw new RestoreError('bad-state', `saved channel id ${String(saved.channelId)} cannot be used`)
  }
  for (const gpadl of saved.gpadls) replayGpadl(control, record, gpadl)
  if (living !== undefined && saved.open !== undefined) {
    host.expectOpen(record, saved.open.device)
    control.receive(fromHex(saved.open.message, MAX_MESSAGE))
  }
  const isBack = living !== undefined && (record.device.at === 'open') === (saved.open !== undefined)
  for (const { handle } of saved.gpadls.filter(({ waiting }) => waiting)) {
    control.receive(encodeControlMessage('GPADL_TEARDOWN', { child_relid: record.channelId, gpadl: handle }, 0))
  }
  if (saved.revoked) control.revoke(record)
  return isBack || saved.revoked ? undefined : record
}

function replayGpadl(control: ControlPlane, record: ChannelRecord, saved: SavedGpadl): void {
  const list = fromHex(saved.list, MAX_LIST)
  const header = {
    child_relid: record.channelId,
    gpadl: word(saved.handle, 32),
    range_buflen: word(saved.listBytes, 16),
    rangecount: word(saved.rangeCount, 16),
    range: list.subarray(0, GPADL_HEADER_RANGE_BYTES),
  }
  control.receive(encodeControlMessage('GPADL_HEADER', header, 0))
  for (let at = GPADL_HEADER_RANGE_BYTES; at < list.length; at += GPADL_BODY_PFN_BYTES) {
    const body = { msgnumber: 0, gpadl: saved.handle, pfn: list.subarray(at, at + GPADL_BODY_PFN_BYTES) }
    control.receive(encodeControlMessage('GPADL_BODY', body, 0))
  }
  if (!record.gpadls.has(saved.handle))
    throw new RestoreError('bad-state', `saved GPADL ${saved.handle} is not accepted`)
}

function word(value: unknown, bits: 16 | 32): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** bits) return value
  throw new RestoreError('bad-state', `${String(value)} where a number of ${bits} bits is saved`)
}
