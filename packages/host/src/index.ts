export {
  HOST_RELEASES,
  type HostRelease,
  type HostReleaseName,
  hostRelease,
  type IcVersion,
  type IcVersions,
} from './host-release.ts'
export * from './scsi/index.ts'
