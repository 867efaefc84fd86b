import type { ChannelOffer } from '@bis/hyperv-types'
import type { MessageBody } from '@bis/hyperv-types/vmbus'
import {
  VMBUS_EVENT_CONNECTION_ID,
  VMBUS_MAX_CHANNELS,
  VMBUS_MAX_CHANNELS_INTERRUPT_PAGE,
  VMBUS_MAX_MONITOR_IDS,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'

export type OfferReading =
  | { readonly kind: 'offer'; readonly offer: ChannelOffer }
  | { readonly kind: 'impossible'; readonly reason: string }

/** Checks OFFER_CHANNEL and gives what drivers see of it. */
export function readOffer(body: MessageBody<'OFFER_CHANNEL'>, version: number): OfferReading {
  const { offer, child_relid: channelId, monitorid, monitor } = body
  const ids = version < VmbusVersion.V2_4 ? VMBUS_MAX_CHANNELS_INTERRUPT_PAGE : VMBUS_MAX_CHANNELS
  if (channelId === 0 || channelId >= ids) {
    return { kind: 'impossible', reason: `offer of channel ${channelId}: ids go from 1 to ${ids - 1}` }
  }
  const monitored = monitor.monitor_allocated === 1
  if (monitored && monitorid >= VMBUS_MAX_MONITOR_IDS) {
    const limit = `ids go from 0 to ${VMBUS_MAX_MONITOR_IDS - 1}`
    return { kind: 'impossible', reason: `offer of channel ${channelId} with monitor id ${monitorid}: ${limit}` }
  }
  // Before 1.1 the message ends here, and every channel signals by the one shared event.
  const old = version < VmbusVersion.V1_1
  return {
    kind: 'offer',
    offer: {
      interfaceId: offer.if_type,
      instanceId: offer.if_instance,
      subIndex: offer.sub_channel_index,
      channelId,
      connectionId: old ? VMBUS_EVENT_CONNECTION_ID : body.connection_id,
      ...(monitored ? { monitorId: monitorid } : {}),
      dedicatedInterrupt: !old && body.interrupt.is_dedicated_interrupt === 1,
      flags: offer.chn_flags,
      mmioMegabytes: offer.mmio_megabytes,
      userDefined: offer.user_def,
    },
  }
}
