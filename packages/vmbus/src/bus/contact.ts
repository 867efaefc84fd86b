import { NIL_GUID } from '@bis/hyperv-types/struct'
import { encodeControlMessage, VMBUS_MESSAGE_SINT, VmbusFeature, VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { IsolationPolicy } from './isolation.ts'
import type { VmbusOptions } from './options.ts'
import type { SharedPages } from './shared-pages.ts'

export interface ContactParts {
  readonly shared: SharedPages
  /** VP index of the boot processor. */
  readonly vpIndex: number
  /** The host gets the monitor pages. */
  readonly monitored: boolean
  /** Offered from 6.0 on. */
  readonly features: number
  readonly clientId: string | undefined
}

/** INITIATE_CONTACT as each version wants it. */
export function contactMessage(version: number, parts: ContactParts): Uint8Array {
  const { shared, vpIndex, monitored, clientId } = parts
  const features = version < VmbusVersion.V6_0 ? 0 : parts.features
  return encodeControlMessage(
    'INITIATE_CONTACT',
    {
      vmbus_version_requested: version,
      target_vcpu: version < VmbusVersion.V3_0 ? 0 : vpIndex,
      interrupt:
        version < VmbusVersion.V5_0
          ? { interrupt_page: shared.interrupt.gpa }
          : { target: { msg_sint: VMBUS_MESSAGE_SINT, target_vtl: 0, feature_flags: features } },
      monitor_page1: monitored ? shared.monitorToGuest.gpa : 0,
      monitor_page2: monitored ? shared.monitorToHost.gpa : 0,
      client_id: clientId ?? NIL_GUID,
    },
    version,
    features,
  )
}

/** Of 6.0's features those that this bus does something with. */
export function offeredFeatures({ clientId }: VmbusOptions, isolation: IsolationPolicy | undefined): number {
  let features: number = VmbusFeature.GUEST_SPECIFIED_SIGNAL_PARAMETERS | VmbusFeature.MODIFY_CONNECTION
  if (clientId !== undefined) features |= VmbusFeature.CLIENT_ID
  if (isolation?.confidentialChannels !== undefined) features |= VmbusFeature.CONFIDENTIAL_CHANNELS
  return features
}
