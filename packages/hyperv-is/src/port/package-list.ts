import { PortError } from '../errors.ts'
import type { PortShape, ReleaseProfile } from '../releases/profile.ts'

/**
 * The port's package list: the variant that a line belongs to (none: both) and the path, below the prefix unless it is
 * absolute. Source: ports emulators/hyperv-is/pkg-plist.
 */
export const PACKAGE_LIST: readonly (readonly [variant: 'A' | 'B' | '', path: string])[] = [
  ['', 'hyperv/scripts/hv_get_dhcp_info'],
  ['', 'hyperv/scripts/hv_get_dns_info'],
  ['', 'hyperv/scripts/hv_set_ifconfig'],
  ['A', '/boot/modules/hv_ata_pci_disengage.ko'],
  ['A', '/boot/modules/hv_netvsc.ko'],
  ['A', '/boot/modules/hv_storvsc.ko'],
  ['A', '/boot/modules/hv_utils.ko'],
  ['A', '/boot/modules/hv_vmbus.ko'],
  ['B', '/boot/modules/hv_kvp.ko'],
  ['', 'etc/rc.d/hv_kvpd'],
  ['B', 'sbin/hv_kvp_daemon'],
  ['A', 'man/man1/hyperv-is.1.gz'],
  ['A', 'man/man4/hv_ata_pci_disengage.4.gz'],
  ['', 'man/man4/hv_kvp.4.gz'],
  ['A', 'man/man4/hv_netvsc.4.gz'],
  ['A', 'man/man4/hv_storvsc.4.gz'],
  ['A', 'man/man4/hv_utils.4.gz'],
  ['A', 'man/man4/hv_vmbus.4.gz'],
  ['B', 'man/man8/hv_kvp_daemon.8.gz'],
]

/** The original starts a daemon on 8.4 and 9.x that it does not install there; we install it. */
export const ADDITIONS: typeof PACKAGE_LIST = [
  ['A', 'sbin/hv_kvp_daemon'],
  ['A', 'man/man8/hv_kvp_daemon.8.gz'],
]

const PREFIX = 'usr/local'

/** Paths below the root folder of one variant of a list. */
export function expandPackageList(list: typeof PACKAGE_LIST, variant: PortShape['listVariant']): string[] {
  const mine = list.filter(([of]) => of === '' || of === variant)
  return mine.map(([, path]) => (path.startsWith('/') ? path.slice(1) : `${PREFIX}/${path}`))
}

/** Everything that is staged for a release, the port's own list first. @throws PortError `built-in`. */
export function packageListFor({ name, port }: ReleaseProfile): string[] {
  if (port.value === undefined)
    throw new PortError('built-in', `FreeBSD ${name}: built in; its kernel has the drivers, so there is no port`)
  const { listVariant } = port.value
  return [...expandPackageList(PACKAGE_LIST, listVariant), ...expandPackageList(ADDITIONS, listVariant)]
}
