import type { Mount } from './mount-table.ts'

/** What is asked about the source and the mount point of a file system. */
export interface MountFacts {
  /** One name for a block device, whatever link leads to it. */
  device(source: string): string
  /** Why a device is not part of what the host snapshots (a loop device, another machine's disk); undefined: it is. */
  elsewhere(device: string): string | undefined
  isFolder(point: string): boolean
}

export interface MountSelection {
  /** Mount points in the order in which to freeze: what was mounted last first, the root last. */
  readonly freeze: readonly string[]
  readonly skipped: readonly { readonly point: string; readonly why: string }[]
}

/** On block devices, and the kernel cannot freeze them, or has nothing to write to them. */
const UNFREEZABLE =
  /^(vfat|msdos|exfat|ntfs|ntfs3|fuse.*|iso9660|udf|squashfs|erofs|cramfs|romfs|hfs|hfsplus|ufs|minix)$/

/**
 * The file systems to freeze for a snapshot: those on block devices of this machine that can be written, each device once.
 * What has no block device (proc, tmpfs, NFS, overlay) is left out without a word, all else with the reason. The rules are
 * those of Linux's tools/hv/hv_vss_daemon.c; new are `exclude`, each device once, and disks of other machines.
 * @param exclude mount points; the file system there is not frozen by another mount point either
 */
export function selectMounts(
  mounts: readonly Mount[],
  facts: MountFacts,
  exclude: readonly string[] = [],
): MountSelection {
  const onDevices = mounts.filter(({ source }) => source.startsWith('/dev/'))
  const excluded = new Set<string>()
  for (const { point, source } of onDevices) if (exclude.includes(point)) excluded.add(facts.device(source))
  const skipped: { point: string; why: string }[] = []
  const chosen = new Map<string, string>()
  for (const mount of onDevices) {
    const { point, source } = mount
    const device = facts.device(source)
    const why = excluded.has(device) ? 'it is excluded' : reason(mount, mounts, facts, device)
    const first = chosen.get(device)
    if (why !== undefined) skipped.push({ point, why })
    else if (first === undefined) chosen.set(device, point)
    else skipped.push({ point, why: `${source} is mounted at ${first} too` })
  }
  const freeze = [...chosen.values()].reverse()
  const isRoot = (point: string): boolean => point === '/'
  return { freeze: [...freeze.filter((point) => !isRoot(point)), ...freeze.filter(isRoot)], skipped }
}

function reason(mount: Mount, all: readonly Mount[], facts: MountFacts, device: string): string | undefined {
  const { point, type, options } = mount
  if (UNFREEZABLE.test(type)) return `${type} cannot be frozen`
  if (options.includes('ro')) return 'it is read-only'
  const elsewhere = facts.elsewhere(device)
  if (elsewhere !== undefined) return elsewhere
  if (all.findLast((other) => other.point === point) !== mount) return 'another one is mounted over it'
  return facts.isFolder(point) ? undefined : 'it is no folder'
}
