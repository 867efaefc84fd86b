import type { ChannelOpenOptions } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'
import { encodeControlMessage, VMBUS_USER_DATA_BYTES, VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelBus } from './channel-bus.ts'
import { DEFAULT_BUDGET } from './data-path.ts'
import type { RingRequest } from './rings.ts'
import { checkRingRequest } from './rings.ts'

/** @throws ChannelError `invalid-argument` */
export function checkCpu(cpu: number, processorCount: number): void {
  if (!Number.isInteger(cpu) || cpu < 0 || cpu >= processorCount) {
    throw new ChannelError('invalid-argument', `cpu ${cpu}: this machine has ${processorCount}`)
  }
}

/**
 * Checks what a driver wants before anything is asked of the host.
 * @throws ChannelError `invalid-argument`, `aborted`
 */
export function checkOpenOptions(options: ChannelOpenOptions, bus: ChannelBus): RingRequest {
  const { txRingBytes, rxRingBytes, maxPacketBytes, userData, budget = DEFAULT_BUDGET } = options
  const pendingSendSize = bus.version >= VmbusVersion.V2_4
  const request: RingRequest = { txRingBytes, rxRingBytes, maxPacketBytes, pendingSendSize }
  checkRingRequest(request)
  if (userData !== undefined && userData.length > VMBUS_USER_DATA_BYTES) {
    const most = `OPEN_CHANNEL takes ${VMBUS_USER_DATA_BYTES}`
    throw new ChannelError('invalid-argument', `${userData.length} bytes of user data: ${most}`)
  }
  if (!(Number.isInteger(budget) && budget >= 1)) {
    throw new ChannelError('invalid-argument', `a budget of ${budget} packets`)
  }
  if (options.cpu !== undefined) checkCpu(options.cpu, bus.processorCount)
  if (options.signal?.aborted === true) throw new ChannelError('aborted', 'gave up opening the channel')
  return request
}

export interface OpenParts {
  readonly channelId: number
  /** Of the offer: what the guest signals. */
  readonly connectionId: number
  readonly gpadl: number
  readonly targetVp: number
  readonly downstreamPages: number
  readonly userData: Uint8Array | undefined
}

/** OPEN_CHANNEL; what 6.0 appends says what the offer says, so that hosts with and without it do the same. */
export function openMessage(parts: OpenParts, version: number, features: number): Uint8Array {
  const { channelId, connectionId, gpadl, targetVp, downstreamPages, userData } = parts
  return encodeControlMessage(
    'OPEN_CHANNEL',
    {
      child_relid: channelId,
      openid: channelId,
      ringbuffer_gpadlhandle: gpadl,
      target_vp: targetVp,
      downstream_ringbuffer_pageoffset: downstreamPages,
      userdata: userData ?? new Uint8Array(0),
      signal_connection_id: connectionId,
      event_flag: channelId,
      flags: {},
    },
    version,
    features,
  )
}
