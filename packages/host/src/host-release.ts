/** Names of the Windows Server releases that the host can play. */
export const HOST_RELEASES = ['2008r2', '2012', '2012r2', '2016', '2019', '2022', '2025'] as const
export type HostReleaseName = (typeof HOST_RELEASES)[number]

/** A message version of an integration component, or of their framework. */
export interface IcVersion {
  readonly major: number
  readonly minor: number
}

/** Message versions that a release offers for each integration component, lowest first; empty when it has none of it. */
export interface IcVersions {
  readonly framework: readonly IcVersion[]
  readonly heartbeat: readonly IcVersion[]
  readonly shutdown: readonly IcVersion[]
  readonly timesync: readonly IcVersion[]
  readonly kvp: readonly IcVersion[]
  readonly vss: readonly IcVersion[]
  readonly fcopy: readonly IcVersion[]
}

/** What a release of the host speaks. Data only: every part of the host asks here what it may offer. */
export interface HostRelease {
  readonly name: HostReleaseName
  /** As people call it: `Windows Server 2012 R2`. */
  readonly title: string
  /** CPUID 0x40000002. */
  readonly version: { readonly major: number; readonly minor: number; readonly build: number }
  /** Newest VMBus version, major << 16 | minor. */
  readonly vmbusVersion: number
  /** Feature flags it supports from VMBus 6.0 on. */
  readonly vmbusFeatures: number
  /** Guest memory that all GPADLs of one guest may name, in bytes. */
  readonly gpadlQuota: number
  /** VSTOR protocol versions, newest first. */
  readonly vstorVersions: readonly number[]
  /** NVSP protocol versions, newest first. */
  readonly nvspVersions: readonly number[]
  /** Newest NDIS version of the virtual switch. */
  readonly ndisVersion: IcVersion
  readonly ic: IcVersions
}

const MIB = 2 ** 20

/** VMBus 6.0 features of ours: guest-specified signals, redirection, MODIFY_CONNECTION, client id, pause and resume. */
const FEATURES_2025 = 0x01 | 0x02 | 0x04 | 0x08 | 0x20

const v = (major: number, minor: number): IcVersion => ({ major, minor })

const IC_2008R2: IcVersions = {
  framework: [v(1, 0), v(3, 0)],
  heartbeat: [v(1, 0), v(3, 0)],
  shutdown: [v(1, 0), v(3, 0)],
  timesync: [v(1, 0), v(3, 0)],
  kvp: [v(1, 0), v(3, 0)],
  vss: [v(1, 0), v(3, 0)],
  fcopy: [],
}
const IC_2012: IcVersions = { ...IC_2008R2, kvp: [v(3, 0), v(4, 0)], vss: [v(3, 0), v(4, 0)] }
const IC_2012R2: IcVersions = { ...IC_2012, vss: [v(4, 0), v(5, 0)], fcopy: [v(1, 1)] }
const IC_2016: IcVersions = {
  ...IC_2012R2,
  shutdown: [v(1, 0), v(3, 0), v(3, 1)],
  timesync: [v(3, 0), v(4, 0)],
  vss: [v(5, 0), v(6, 0)],
}
const IC_2019: IcVersions = {
  ...IC_2016,
  shutdown: [v(1, 0), v(3, 0), v(3, 1), v(3, 2)],
  kvp: [v(3, 0), v(4, 0), v(5, 0)],
  vss: [v(5, 0), v(6, 0), v(7, 0)],
}

/**
 * The releases, oldest first. VMBus versions and builds are those seen in guests' boot logs; that 2025 speaks 6.0 is
 * inferred from the protocol's names, and the same for the integration-component versions from 2016 on.
 */
const RELEASES: readonly HostRelease[] = [
  {
    name: '2008r2',
    title: 'Windows Server 2008 R2',
    version: { major: 6, minor: 1, build: 7601 },
    vmbusVersion: 0x0001_0001,
    vmbusFeatures: 0,
    gpadlQuota: 384 * MIB,
    vstorVersions: [0x0402, 0x0200],
    nvspVersions: [0x3_0002, 2],
    ndisVersion: v(6, 1),
    ic: IC_2008R2,
  },
  {
    name: '2012',
    title: 'Windows Server 2012',
    version: { major: 6, minor: 2, build: 9200 },
    vmbusVersion: 0x0002_0004,
    vmbusFeatures: 0,
    gpadlQuota: 384 * MIB,
    vstorVersions: [0x0501, 0x0402, 0x0200],
    nvspVersions: [0x4_0000, 0x3_0002, 2],
    ndisVersion: v(6, 1),
    ic: IC_2012,
  },
  {
    name: '2012r2',
    title: 'Windows Server 2012 R2',
    version: { major: 6, minor: 3, build: 9600 },
    vmbusVersion: 0x0003_0000,
    vmbusFeatures: 0,
    gpadlQuota: 384 * MIB,
    vstorVersions: [0x0600, 0x0501, 0x0402, 0x0200],
    nvspVersions: [0x5_0000, 0x4_0000, 0x3_0002, 2],
    ndisVersion: v(6, 30),
    ic: IC_2012R2,
  },
  {
    name: '2016',
    title: 'Windows Server 2016',
    version: { major: 10, minor: 0, build: 14393 },
    vmbusVersion: 0x0004_0000,
    vmbusFeatures: 0,
    gpadlQuota: 384 * MIB,
    vstorVersions: [0x0602, 0x0600, 0x0501, 0x0402, 0x0200],
    nvspVersions: [0x6_0000, 0x5_0000, 0x4_0000, 0x3_0002, 2],
    ndisVersion: v(6, 30),
    ic: IC_2016,
  },
  {
    name: '2019',
    title: 'Windows Server 2019',
    version: { major: 10, minor: 0, build: 17763 },
    vmbusVersion: 0x0005_0002,
    vmbusFeatures: 0,
    gpadlQuota: 1280 * MIB,
    vstorVersions: [0x0602, 0x0600, 0x0501, 0x0402, 0x0200],
    nvspVersions: [0x6_0001, 0x6_0000, 0x5_0000, 0x4_0000, 0x3_0002, 2],
    ndisVersion: v(6, 30),
    ic: IC_2019,
  },
  {
    name: '2022',
    title: 'Windows Server 2022',
    version: { major: 10, minor: 0, build: 20348 },
    vmbusVersion: 0x0005_0003,
    vmbusFeatures: 0,
    gpadlQuota: 1280 * MIB,
    vstorVersions: [0x0602, 0x0600, 0x0501, 0x0402, 0x0200],
    nvspVersions: [0x6_0001, 0x6_0000, 0x5_0000, 0x4_0000, 0x3_0002, 2],
    ndisVersion: v(6, 30),
    ic: IC_2019,
  },
  {
    name: '2025',
    title: 'Windows Server 2025',
    version: { major: 10, minor: 0, build: 26100 },
    vmbusVersion: 0x0006_0000,
    vmbusFeatures: FEATURES_2025,
    gpadlQuota: 1280 * MIB,
    vstorVersions: [0x0602, 0x0600, 0x0501, 0x0402, 0x0200],
    nvspVersions: [0x6_0001, 0x6_0000, 0x5_0000, 0x4_0000, 0x3_0002, 2],
    ndisVersion: v(6, 30),
    ic: IC_2019,
  },
]

/** The profile of a release. */
export function hostRelease(name: HostReleaseName): HostRelease {
  const release = RELEASES.find((candidate) => candidate.name === name)
  if (release === undefined) throw new RangeError(`no host release ${name}; there are ${HOST_RELEASES.join(', ')}`)
  return release
}
