export { PartitionError, type PartitionErrorCode } from './errors.ts'
export type { FirmwareOptions } from './firmware.ts'
export type { ProcessorVendor } from './hypercall/hypercall-page.ts'
export type { PartitionOptions } from './options.ts'
export { Partition, type PartitionStatistics } from './partition.ts'
export { PortSpace } from './port-space.ts'
export { type FeatureSwitches, type HostProfile, hostProfile } from './profiles/host-profile.ts'
export { type FeatureBits, IMPLEMENTED } from './profiles/implemented.ts'
export {
  type Fact,
  HOST_RELEASES,
  type HostReleaseName,
  RELEASE_FACTS,
  type ReleaseFacts,
} from './profiles/releases.ts'
