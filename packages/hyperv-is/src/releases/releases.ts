import { PortError } from '../errors.ts'
import { KERNELS } from './kernels.ts'
import type { PortShape, ReleaseProfile } from './profile.ts'

/** The releases of the port and of the base system's drivers, oldest first. */
export const RELEASES = ['8.4', '9.1', '9.2', '9.3', '10.0', '10.1', 'head'] as const
export type ReleaseName = (typeof RELEASES)[number]

/** The five modules that the drivers are in. */
const DRIVER_MODULES = ['hv_vmbus', 'hv_utils', 'hv_storvsc', 'hv_netvsc', 'hv_ata_pci_disengage'] as const

const PORTS = 'ports emulators/hyperv-is'
const MAKEFILE = `${PORTS}/Makefile (FILE_84 … FILE_100), distinfo`
function driversPort(release: string): PortShape {
  return {
    kind: 'drivers',
    bisVersion: '1.1',
    portVersion: '1.1',
    distfile: `hyperv-is-${release}.1.1.tar.gz`,
    listVariant: 'A',
  }
}

function older(name: '8.4' | '9.1' | '9.2' | '9.3'): ReleaseProfile {
  return {
    name,
    builtIn: { value: [], source: `${MAKEFILE}: all modules come with the port` },
    port: { value: driversPort(name), source: MAKEFILE },
    daemon: {
      value: '/usr/local/sbin/hv_kvp_daemon',
      source: 'BIS 1.1 rc.d/hv_kvpd starts it; its Makefile.patch: PREFIX/sbin',
    },
    scripts: { value: '/usr/local/hyperv/scripts', source: `${PORTS}/pkg-plist` },
    kernel: KERNELS[name],
  }
}

/** What is known of each release. */
export const RELEASE_PROFILES: Readonly<Record<ReleaseName, ReleaseProfile>> = {
  '8.4': older('8.4'),
  '9.1': older('9.1'),
  '9.2': older('9.2'),
  '9.3': older('9.3'),
  '10.0': {
    name: '10.0',
    builtIn: { value: DRIVER_MODULES, source: '10.0 release notes: in GENERIC of amd64, modules elsewhere' },
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
    kernel: KERNELS['10.0'],
  },
  '10.1': {
    name: '10.1',
    builtIn: {
      value: [...DRIVER_MODULES, 'hv_kvp'],
      source: '10.1 sys/amd64/conf/GENERIC: device hyperv; sys/conf/files.amd64, hv_kvp.c too',
    },
    port: { value: undefined, source: `${PORTS}/Makefile: no FILE_101, so IGNORE` },
    daemon: { value: '/usr/sbin/hv_kvp_daemon', source: '10.1 usr.sbin/hyperv/tools' },
    scripts: { value: '/usr/libexec/hyperv', source: '10.1 libexec/hyperv/Makefile' },
    kernel: KERNELS['10.1'],
  },
  head: {
    name: 'head',
    builtIn: {
      value: [...DRIVER_MODULES, 'hv_kvp'],
      source: 'head sys/conf/files.x86; refusing the disks is in hv_storvsc there, here it is a module of its own',
    },
    port: { value: undefined, source: `${PORTS}: removed 2017` },
    daemon: { value: '/usr/sbin/hv_kvp_daemon', source: 'head usr.sbin/hyperv/tools/kvp' },
    scripts: { value: '/usr/libexec/hyperv', source: 'head libexec/hyperv/Makefile' },
    kernel: KERNELS.head,
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
