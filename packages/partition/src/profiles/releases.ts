/** Windows Server releases whose hypervisor can be played. */
export const HOST_RELEASES = ['2008r2', '2012', '2012r2', '2016', '2019', '2022', '2025'] as const
export type HostReleaseName = (typeof HOST_RELEASES)[number]

/** A value of the table, and how it is known. */
export interface Fact {
  readonly value: number
  readonly from: string
}

/** What a release's hypervisor answers to CPUID. Each number is a whole register. */
export interface ReleaseFacts {
  readonly title: string
  /** Leaf 0x40000002: major, minor, build, service pack, branch, service number. */
  readonly version: readonly [major: number, minor: number, build: number, sp: number, branch: number, service: number]
  readonly versionFrom: string
  /** Leaf 0x40000000 EAX. */
  readonly highestLeaf: Fact
  /** Leaf 0x40000003 EAX, EBX, ECX, EDX. */
  readonly privileges: Fact
  readonly privilegesHigh: Fact
  readonly powerManagement: Fact
  readonly misc: Fact
  /** Leaf 0x40000004 EAX, EBX, ECX. */
  readonly hints: Fact
  readonly spinCount: Fact
  readonly physicalAddressBits: Fact
  /** Leaf 0x40000005 EAX, EBX, ECX. */
  readonly maxVirtualProcessors: Fact
  readonly maxLogicalProcessors: Fact
  readonly maxInterruptVectors: Fact
  /** Leaf 0x40000006 EAX. */
  readonly hardware: Fact
  /** Whether an injected NMI reaches every processor, or processor 0 only. */
  readonly nmiToAll: boolean
}

const fact = (value: number, from: string): Fact => ({ value, from })

const SP1_LOG = 'boot log of a Linux guest, host build 7601-6.1-17-0.17939'
const R2_LOG = 'boot logs of Linux guests with BIOS 090006 of 2012'
const WIN10_DUMP = 'complete leaf dump of a FreeBSD guest, host build 18343'
const LOG_2016 = 'boot log of a Linux guest, host build 14393-10.0-0-0.274'
const LOG_2019 = 'boot log of a Linux guest, host build 17763'
const LOG_2022 = 'boot log of a Linux guest, host build 20348'
const LOG_2025 = 'boot log of a Linux guest, host build 10.0.26100.7920-7-0'
const LIMITS = 'Microsoft, maximum virtual and logical processors of the release'
const NEEDED = 'inferred: what VMBus needs of any host'
const OLDER = 'inferred: as the release before'
const DUMPED = `inferred from the ${WIN10_DUMP}`
const SPECIFICATION = 'inferred: what the functional specification of that time describes'

/** Values that were seen on one host and are taken for all. */
const COMMON = {
  powerManagement: fact(2, DUMPED),
  spinCount: fact(0xfff, DUMPED),
  physicalAddressBits: fact(0x2e, DUMPED),
  maxInterruptVectors: fact(0x324, DUMPED),
}

/**
 * One row for each release, oldest first. A value that was read off a real host says where; all others say what they
 * are inferred from. Hosts of one release differ with hardware and updates: these are hosts that exist, not the only ones.
 */
export const RELEASE_FACTS: Readonly<Record<HostReleaseName, ReleaseFacts>> = {
  '2008r2': {
    ...COMMON,
    title: 'Windows Server 2008 R2 SP1',
    version: [6, 1, 7601, 17, 0, 17939],
    versionFrom: SP1_LOG,
    highestLeaf: fact(0x4000_0005, SPECIFICATION),
    privileges: fact(0x67f, SP1_LOG),
    privilegesHigh: fact(0x30, NEEDED),
    misc: fact(0x32, SPECIFICATION),
    hints: fact(0x2c, SP1_LOG),
    maxVirtualProcessors: fact(64, LIMITS),
    maxLogicalProcessors: fact(64, LIMITS),
    hardware: fact(0, SPECIFICATION),
    nmiToAll: true,
  },
  '2012': {
    ...COMMON,
    title: 'Windows Server 2012',
    version: [6, 2, 9200, 0, 0, 0],
    versionFrom: 'build number as Linux test suites list it; service numbers not known',
    highestLeaf: fact(0x4000_0006, SPECIFICATION),
    privileges: fact(0xe7f, R2_LOG),
    privilegesHigh: fact(0x30, NEEDED),
    misc: fact(0x7b2, SPECIFICATION),
    hints: fact(0x2c, R2_LOG),
    maxVirtualProcessors: fact(64, LIMITS),
    maxLogicalProcessors: fact(320, LIMITS),
    hardware: fact(0xf, DUMPED),
    nmiToAll: true,
  },
  '2012r2': {
    ...COMMON,
    title: 'Windows Server 2012 R2',
    version: [6, 3, 9600, 0, 0, 0],
    versionFrom: 'build number as Linux test suites list it; service numbers not known',
    highestLeaf: fact(0x4000_0006, SPECIFICATION),
    privileges: fact(0xe7f, R2_LOG),
    privilegesHigh: fact(0x30, NEEDED),
    misc: fact(0x7b2, SPECIFICATION),
    hints: fact(0x2c, R2_LOG),
    maxVirtualProcessors: fact(64, LIMITS),
    maxLogicalProcessors: fact(320, LIMITS),
    hardware: fact(0xf, DUMPED),
    nmiToAll: true,
  },
  '2016': {
    ...COMMON,
    title: 'Windows Server 2016',
    version: [10, 0, 14393, 0, 0, 274],
    versionFrom: LOG_2016,
    highestLeaf: fact(0x4000_0006, DUMPED),
    privileges: fact(0x2e7f, LOG_2016),
    privilegesHigh: fact(0xb0, NEEDED),
    misc: fact(0xe_d7b2, SPECIFICATION),
    hints: fact(0x4c2c, LOG_2016),
    maxVirtualProcessors: fact(240, LIMITS),
    maxLogicalProcessors: fact(512, LIMITS),
    hardware: fact(0xf, DUMPED),
    nmiToAll: false,
  },
  '2019': {
    ...COMMON,
    title: 'Windows Server 2019',
    version: [10, 0, 17763, 0, 0, 0],
    versionFrom: `${LOG_2019}; service numbers not known`,
    highestLeaf: fact(0x4000_0006, DUMPED),
    privileges: fact(0x2e7f, LOG_2019),
    privilegesHigh: fact(0x38_80b0, DUMPED),
    misc: fact(0xbe_d7b2, LOG_2019),
    hints: fact(0x6_0e24, LOG_2019),
    maxVirtualProcessors: fact(240, WIN10_DUMP),
    maxLogicalProcessors: fact(512, WIN10_DUMP),
    hardware: fact(0xf, WIN10_DUMP),
    nmiToAll: false,
  },
  '2022': {
    ...COMMON,
    title: 'Windows Server 2022',
    version: [10, 0, 20348, 0, 0, 0],
    versionFrom: `${LOG_2022}; service numbers not known`,
    highestLeaf: fact(0x4000_000c, `${LOG_2022}: it has nested features`),
    privileges: fact(0xae7f, LOG_2022),
    privilegesHigh: fact(0x38_8030, LOG_2022),
    misc: fact(0xc0be_d7b2, LOG_2022),
    hints: fact(0x14_0c2c, LOG_2022),
    maxVirtualProcessors: fact(1024, LIMITS),
    maxLogicalProcessors: fact(1024, LIMITS),
    hardware: fact(0xf, OLDER),
    nmiToAll: false,
  },
  '2025': {
    ...COMMON,
    title: 'Windows Server 2025',
    version: [10, 0, 26100, 7, 0, 7920],
    versionFrom: LOG_2025,
    highestLeaf: fact(0x4000_000c, `${LOG_2025}: it has nested features`),
    privileges: fact(0xae7f, LOG_2025),
    privilegesHigh: fact(0x3b_8030, LOG_2025),
    misc: fact(0xe0be_d7b2, LOG_2025),
    hints: fact(0x9a_4e24, LOG_2025),
    maxVirtualProcessors: fact(2048, LIMITS),
    maxLogicalProcessors: fact(2048, LIMITS),
    hardware: fact(0xf, OLDER),
    nmiToAll: false,
  },
}
