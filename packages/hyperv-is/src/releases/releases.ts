import { PortError } from '../errors.ts'
import type { KernelInterface, PortShape, ReleaseProfile } from './profile.ts'

/** The releases of the port and of the base system's drivers, oldest first. */
export const RELEASES = ['8.4', '9.1', '9.2', '9.3', '10.0', '10.1', 'head'] as const
export type ReleaseName = (typeof RELEASES)[number]

/** The five modules that the drivers are in. */
const DRIVER_MODULES = ['hv_vmbus', 'hv_utils', 'hv_storvsc', 'hv_netvsc', 'hv_ata_pci_disengage'] as const

const PORTS = 'ports emulators/hyperv-is'
const MAKEFILE = `${PORTS}/Makefile (FILE_84 … FILE_100), distinfo`
const BIS_STORVSC = 'BIS 1.1 sys/dev/hyperv/storvsc/hv_storvsc_drv_freebsd.c: mapped buffers, 32 pages a request'
const NETVSC_START = 'sys/dev/hyperv/netvsc/hv_netvsc_drv_freebsd.c: hn_start, IFQ_SET_MAXLEN 512'
const HEAD_STORVSC = 'head sys/dev/hyperv/storvsc/hv_storvsc_drv_freebsd.c'
const DISENGAGE = 'sys/dev/hyperv/stordisengage/hv_ata_pci_disengage.c'
const HZ = 'sys/kern/subr_param.c: HZ_VM 100 in a virtual machine'

const versionOf = (osReleaseDate: number): Pick<KernelInterface, 'osReleaseDate'> => {
  return { osReleaseDate: { value: osReleaseDate, source: "sys/sys/param.h; the Porter's Handbook's table" } }
}

const OLD_KERNEL: KernelInterface = {
  ...versionOf(901_000),
  transmit: { value: { startQueue: 512 }, source: `BIS 1.1 ${NETVSC_START}` },
  unmappedIo: { value: false, source: BIS_STORVSC },
  maxDiskIo: { value: 65_536, source: BIS_STORVSC },
  diskStack: { value: 'cam', source: '9.0 release notes and sys/amd64/conf/GENERIC: options ATA_CAM' },
  ideNames: {
    value: { disk: 'ada', optical: 'cd', fixed: false },
    source: 'sys/cam/ata/ata_da.c, sys/cam/scsi/scsi_cd.c',
  },
  calloutTick: { value: 10, source: `${HZ}; callout_reset takes ticks` },
  timeCounter: { value: 'msr', source: 'BIS 1.1 sys/dev/hyperv/vmbus/hv_hv.c: HV_X64_MSR_TIME_REF_COUNT' },
  sysctlTunables: { value: false, source: 'sys/kern/kern_sysctl.c before r267992: TUNABLE_INT needed besides' },
  disengage: { value: 'controller', source: `BIS 1.1 ${DISENGAGE}: any PCI class 01 subclass 01, BUS_PROBE_VENDOR` },
}

const KERNEL_84: KernelInterface = {
  ...OLD_KERNEL,
  ...versionOf(804_000),
  diskStack: { value: 'ata', source: 'stable/8 sys/amd64/conf/GENERIC: device ata, atadisk, atapicd without ATA_CAM' },
  ideNames: {
    value: { disk: 'ad', optical: 'acd', fixed: true },
    source: 'stable/8 sys/amd64/conf/GENERIC: options ATA_STATIC_ID',
  },
}

const KERNEL_100: KernelInterface = {
  ...OLD_KERNEL,
  ...versionOf(1_000_510),
  transmit: { value: { startQueue: 512 }, source: `10.0 ${NETVSC_START}` },
  unmappedIo: { value: true, source: '10.0 sys/sys/bio.h: BIO_UNMAPPED' },
  maxDiskIo: { value: 131_072, source: '10.0 sys/sys/param.h: MAXPHYS' },
  diskStack: { value: 'cam', source: '10.0 sys/dev/ata: the former stack is gone' },
  calloutTick: { value: 0, source: '10.0 sys/sys/callout.h: callout_reset_sbt' },
  timeCounter: { value: 'msr', source: '10.0 sys/dev/hyperv/vmbus/hv_hv.c' },
  disengage: { value: 'controller', source: `10.0 ${DISENGAGE}` },
}

const KERNEL_101: KernelInterface = {
  ...KERNEL_100,
  ...versionOf(1_001_000),
  disengage: { value: 'channel', source: `10.1 ${DISENGAGE}: atapci unit 0, channel 0` },
}

const KERNEL_HEAD: KernelInterface = {
  ...versionOf(1_100_002),
  transmit: { value: 'transmit', source: 'head sys/dev/hyperv/netvsc/if_hn.c: hn_transmit' },
  unmappedIo: { value: true, source: `${HEAD_STORVSC}: PIM_UNMAPPED` },
  maxDiskIo: { value: 1_048_576, source: 'head sys/kern/subr_param.c: maxphys on 64-bit machines' },
  diskStack: { value: 'cam', source: 'head sys/cam/ata' },
  ideNames: { value: { disk: 'ada', optical: 'cd', fixed: false }, source: 'head sys/cam/ata/ata_da.c' },
  calloutTick: { value: 0, source: 'head sys/sys/callout.h' },
  timeCounter: { value: 'tsc-page', source: 'head sys/dev/hyperv/vmbus/x86/hyperv_x86.c: Hyper-V-TSC' },
  sysctlTunables: { value: true, source: 'head sys/kern/kern_sysctl.c: CTLFLAG_TUN' },
  disengage: { value: 'disks', source: `${HEAD_STORVSC}: ada_probe_veto` },
}

function driversPort(release: string): PortShape {
  return {
    kind: 'drivers',
    bisVersion: '1.1',
    portVersion: '1.1',
    distfile: `hyperv-is-${release}.1.1.tar.gz`,
    listVariant: 'A',
  }
}

function older(name: ReleaseName, kernel: KernelInterface): ReleaseProfile {
  return {
    name,
    builtIn: { value: [], source: `${MAKEFILE}: all modules come with the port` },
    port: { value: driversPort(name), source: MAKEFILE },
    daemon: {
      value: '/usr/local/sbin/hv_kvp_daemon',
      source: 'BIS 1.1 rc.d/hv_kvpd starts it; its Makefile.patch: PREFIX/sbin',
    },
    scripts: { value: '/usr/local/hyperv/scripts', source: `${PORTS}/pkg-plist` },
    kernel,
  }
}

/** What is known of each release. */
export const RELEASE_PROFILES: Readonly<Record<ReleaseName, ReleaseProfile>> = {
  '8.4': older('8.4', KERNEL_84),
  '9.1': older('9.1', OLD_KERNEL),
  '9.2': older('9.2', { ...OLD_KERNEL, ...versionOf(902_001) }),
  '9.3': older('9.3', { ...OLD_KERNEL, ...versionOf(903_000) }),
  '10.0': {
    name: '10.0',
    builtIn: { value: DRIVER_MODULES, source: '10.0 sys/amd64/conf/GENERIC: device hyperv' },
    port: {
      value: {
        kind: 'kvp-only',
        bisVersion: '1.0',
        portVersion: '1.1',
        distfile: 'hv-kvp-1.0.tar.gz',
        listVariant: 'B',
      },
      source: MAKEFILE,
    },
    daemon: { value: '/usr/local/sbin/hv_kvp_daemon', source: `${PORTS}/pkg-plist` },
    scripts: { value: '/usr/local/hyperv/scripts', source: `${PORTS}/pkg-plist` },
    kernel: KERNEL_100,
  },
  '10.1': {
    name: '10.1',
    builtIn: { value: [...DRIVER_MODULES, 'hv_kvp'], source: '10.1 sys/conf/files.amd64; release notes: KVP daemon' },
    port: { value: undefined, source: `${PORTS}/Makefile: no FILE_101, so IGNORE` },
    daemon: { value: '/usr/sbin/hv_kvp_daemon', source: '10.1 contrib/hyperv/tools, usr.sbin/hyperv' },
    scripts: { value: '/usr/libexec/hyperv', source: '10.1 contrib/hyperv/tools/scripts' },
    kernel: KERNEL_101,
  },
  head: {
    name: 'head',
    builtIn: { value: [...DRIVER_MODULES, 'hv_kvp'], source: 'head sys/amd64/conf/GENERIC, sys/conf/files.x86' },
    port: { value: undefined, source: `${PORTS}: removed 2017` },
    daemon: { value: '/usr/sbin/hv_kvp_daemon', source: 'head usr.sbin/hyperv/tools/kvp' },
    scripts: { value: '/usr/libexec/hyperv', source: 'head usr.sbin/hyperv/tools/kvp' },
    kernel: KERNEL_HEAD,
  },
}

/** @throws PortError `built-in`, `unsupported-release` or `unknown-release`, with the reason. */
export function releaseProfile(name: string): ReleaseProfile {
  const known = RELEASES.find((release) => release === name)
  if (known !== undefined) return RELEASE_PROFILES[known]
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(name) ?? []
  const choose = `choose ${RELEASES.join(', ')}`
  if (major === undefined || minor === undefined)
    throw new PortError('unknown-release', `no FreeBSD release ${JSON.stringify(name)}; ${choose}`)
  if (Number(major) > 10 || (Number(major) === 10 && Number(minor) > 1))
    throw new PortError('built-in', `FreeBSD ${name}: built in since 10.1, so there is no port; it is like head here`)
  throw new PortError(
    'unsupported-release',
    `FreeBSD ${name} is not supported: the port has drivers for 8.4, 9.1, 9.2 and 9.3, and KVP for 10.0; ${choose}`,
  )
}
