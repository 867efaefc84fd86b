import type { ChannelOffer } from '@bis/hyperv-types'
import { InterfaceId, OfferFlag, VmbusFeature, VmbusVersion } from '@bis/hyperv-types/vmbus'

/** What a guest that does not trust its host accepts. Source: Linux `vmbus_is_valid_offer`, `vmbus_negotiate_version`. */
export interface IsolationPolicy {
  /** Oldest version; default 5.2. */
  readonly minVersion?: number
  /** Device classes that may be used, as lower-case GUID text; default SCSI, network, time sync, heartbeat, shutdown. */
  readonly classes?: readonly string[]
  /** Accept hvsock offers; default true. */
  readonly hvsock?: boolean
  /** Channels whose rings or buffers the host does not see (6.0): ask for them and use them, or use none. Default refuse. */
  readonly confidentialChannels?: 'accept' | 'refuse'
}

const DEFAULT_CLASSES: readonly string[] = [
  InterfaceId.SCSI,
  InterfaceId.NETWORK,
  InterfaceId.TIMESYNC,
  InterfaceId.HEARTBEAT,
  InterfaceId.SHUTDOWN,
]
const CONFIDENTIAL = OfferFlag.CONFIDENTIAL_RING_BUFFER | OfferFlag.CONFIDENTIAL_EXTERNAL_MEMORY

/** Oldest version that an isolated guest speaks; below it negotiation fails, it never falls back. */
export function isolatedMinVersion({ minVersion = VmbusVersion.V5_2 }: IsolationPolicy): number {
  return minVersion
}

/** Why an isolated guest does not use a device, or undefined. */
export function isolationRefusal(policy: IsolationPolicy, offer: ChannelOffer, features: number): string | undefined {
  const hvsock = (offer.flags & OfferFlag.TLNPI_PROVIDER_OFFER) !== 0
  const allowed = hvsock ? policy.hvsock !== false : (policy.classes ?? DEFAULT_CLASSES).includes(offer.interfaceId)
  if (!allowed) return 'its class is not on the list of an isolated guest'
  return confidentialRefusal(policy, offer, features)
}

/** The bits mean something else before confidential channels were negotiated. */
function confidentialRefusal(policy: IsolationPolicy, offer: ChannelOffer, features: number): string | undefined {
  const confidential = (features & VmbusFeature.CONFIDENTIAL_CHANNELS) !== 0 && (offer.flags & CONFIDENTIAL) !== 0
  return confidential && policy.confidentialChannels !== 'accept' ? 'it is a confidential channel' : undefined
}
