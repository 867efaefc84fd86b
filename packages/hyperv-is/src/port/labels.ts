/** A line of fstab whose device may change its name when the disks do. */
export interface LabelFinding {
  readonly device: string
  readonly mountPoint: string
}

/**
 * Directories of devices that GEOM names after what is on the disk: labels, and volumes over several disks.
 * Sources: glabel(8), gmirror(8), gstripe(8), gconcat(8), graid(8), graid3(8), gmultipath(8), zfs(8).
 */
const LABEL =
  /^\/dev\/(label|gpt|gptid|ufs|ufsid|ext2fs|msdosfs|iso9660|ntfs|reiserfs|diskid|mirror|stripe|concat|raid|raid3|multipath|zvol)\/[^/]/
/** Disks whose names depend on which driver has them. */
const DISK = /^\/dev\/(ad|ada|da)\d/

/**
 * Which file systems and swap devices of an fstab do not have a label. IDE disks change from `ad0` or `ada0` to `da0`
 * with the drivers, so a root or swap without label would not be found at the next boot.
 * Source: the port's pkg-install, which asks `glabel status` for the root and swap devices.
 */
export function unlabelled(fstab: string): readonly LabelFinding[] {
  const findings: LabelFinding[] = []
  for (const line of fstab.split('\n')) {
    const [device = '', mountPoint = '', type = ''] = line.trim().split(/\s+/)
    if (device === '' || device.startsWith('#')) continue
    const matters = mountPoint === '/' || type === 'swap' || DISK.test(device)
    if (matters && device.startsWith('/') && !LABEL.test(device)) {
      findings.push({ device, mountPoint: type === 'swap' ? 'swap' : mountPoint })
    }
  }
  return findings
}
