import type { OfferDescription } from '@bis/hyperv-types'
import { formatGuid, LayoutError, parseGuid } from '@bis/hyperv-types/struct'
import { VMBUS_USER_DATA_BYTES } from '@bis/hyperv-types/vmbus'
import type { OfferSpec } from '../control/types.ts'
import { HostError } from '../errors.ts'

/** Checks a device's offer and brings its ids into one form. @throws HostError `bad-offer` */
export function toOfferSpec(offer: OfferDescription): OfferSpec {
  const userDefined = offer.userDefined ?? new Uint8Array()
  if (userDefined.length > VMBUS_USER_DATA_BYTES) {
    const text = `offer with ${userDefined.length} user-defined bytes, at most ${VMBUS_USER_DATA_BYTES} fit`
    throw new HostError('bad-offer', text)
  }
  return {
    interfaceId: guid(offer.interfaceId),
    instanceId: guid(offer.instanceId),
    flags: word16(offer.flags ?? 0, 'flags'),
    mmioMegabytes: word16(offer.mmioMegabytes ?? 0, 'MMIO megabytes'),
    userDefined: userDefined.slice(),
    monitorLatency: offer.monitorLatency === undefined ? undefined : word16(offer.monitorLatency, 'monitor latency'),
  }
}

function guid(text: string): string {
  try {
    return formatGuid(parseGuid(text))
  } catch (cause) {
    if (!(cause instanceof LayoutError)) throw cause
    throw new HostError('bad-offer', `offer with an id that is no GUID: ${text}`, { cause })
  }
}

function word16(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff) return value
  throw new HostError('bad-offer', `offer with ${what} ${value}: 0 to 65535`)
}
