export type { Connection, MessageTarget, MonitorPages, ViolationCause } from './control/types.ts'
export { HostError, type HostErrorCode } from './errors.ts'
export type { FaultPlan } from './faults/fault-plan.ts'
export { type GuestOptions, Host, type HostOptions } from './host.ts'
export {
  HOST_RELEASES,
  type HostRelease,
  type HostReleaseName,
  hostRelease,
  type IcVersion,
  type IcVersions,
} from './host-release.ts'
export * from './ic/index.ts'
export * from './ide/index.ts'
export * from './netvsp/index.ts'
export {
  RestoreError,
  type RestoreErrorCode,
  type SavedChannel,
  type SavedConnection,
  type SavedGpadl,
  type SavedOpen,
  type SavedServer,
} from './saved/saved-server.ts'
export * from './scsi/index.ts'
export * from './storvsp/index.ts'
export type { ServerQuotas, VersionPolicy } from './vmbus/server-limits.ts'
export type { VmbusServerOptions } from './vmbus/server-options.ts'
export type { ChannelInfo, ServerCounters } from './vmbus/server-report.ts'
export { VmbusServer } from './vmbus/vmbus-server.ts'
export * from './vswitch/index.ts'
