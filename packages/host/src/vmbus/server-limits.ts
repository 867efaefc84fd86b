import type { SynicPorts } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { VMBUS_MESSAGE_CONNECTION_ID } from '@bis/hyperv-types/vmbus'
import type { ControlLimits } from '../control/types.ts'
import type { HostRelease } from '../host-release.ts'

/** Bounds of what one guest may make the host keep. */
export interface ServerQuotas {
  /** Bytes that all GPADLs together may name. Default: what the release allows. */
  readonly gpadlBytes?: number
  /** Default 4096. */
  readonly gpadls?: number
  /** GPADLs of which messages are missing. Default 64. */
  readonly incompleteGpadls?: number
  /** Posted messages that wait to be handled; more are refused with "insufficient buffers". Default 1024. */
  readonly queuedMessages?: number
  /** Messages kept for a guest that paused its connection. Default 1024. */
  readonly pausedMessages?: number
}

export interface VersionPolicy {
  /** Newest version to speak, major << 16 | minor; never more than the release's. */
  readonly maxVersion?: number
  /** Versions to refuse although the release speaks them. */
  readonly refuseVersions?: readonly number[]
  /**
   * A port for messages beside 1 and 4, where guests are told to post from 5.0 on; such as the redirect connection
   * 0x800074, where a paravisor takes contacts and all else. Default: 1.
   */
  readonly messageConnectionId?: number
  /** Feature flags of 6.0; only those that the release has count. */
  readonly features?: number
}

export function controlLimits(
  ports: SynicPorts,
  release: HostRelease,
  quotas: ServerQuotas,
  versions: VersionPolicy,
  chooseChannelId: ((limit: number) => number) | undefined,
): ControlLimits {
  const gpadlBytes = quotas.gpadlBytes ?? release.gpadlQuota
  return {
    maxVersion: Math.min(release.vmbusVersion, versions.maxVersion ?? release.vmbusVersion),
    features: release.vmbusFeatures & (versions.features ?? release.vmbusFeatures),
    refuseVersions: versions.refuseVersions ?? [],
    messageConnectionId: versions.messageConnectionId ?? VMBUS_MESSAGE_CONNECTION_ID,
    chooseChannelId,
    isProcessor: (vp) => ports.hasProcessor?.(vp) ?? vp < ports.processorCount,
    gpadlPages: Math.floor(gpadlBytes / PAGE_SIZE),
    gpadls: quotas.gpadls ?? 4096,
    incompleteGpadls: quotas.incompleteGpadls ?? 64,
    pausedMessages: quotas.pausedMessages ?? 1024,
    isMemory: (gpa, length) => ports.memory.contains(gpa, length),
  }
}
