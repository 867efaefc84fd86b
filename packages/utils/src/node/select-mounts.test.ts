import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { linuxMountFacts } from './mount-facts.ts'
import { parseMountTable } from './mount-table.ts'
import type { MountFacts } from './select-mounts.ts'
import { selectMounts } from './select-mounts.ts'

const facts: MountFacts = {
  device: (source) => (source === '/dev/mapper/vg-data' ? '/dev/dm-0' : source),
  elsewhere: (device) => (/loop|sdi/.test(device) ? 'it is elsewhere' : undefined),
  isFolder: (point) => !point.endsWith('.conf'),
}
const select = (table: string, exclude: string[] = []) => selectMounts(parseMountTable(table), facts, exclude)

const TABLE = `sysfs /sys sysfs rw,nosuid 0 0
/dev/sda2 / ext4 rw,relatime,errors=remount-ro 0 0
tmpfs /run tmpfs rw 0 0
/dev/sda1 /boot/efi vfat rw 0 0
/dev/loop3 /snap/core/1 squashfs ro 0 0
/dev/loop4 /images ext4 rw 0 0
/dev/sdi1 /iscsi xfs rw 0 0
/dev/sr0 /cd iso9660 ro 0 0
/dev/sdb1 /archive xfs ro,relatime 0 0
/dev/sdc1 /with\\040blank xfs rw 0 0
/dev/sdd1 /win fuseblk rw 0 0
server:/x /net nfs4 rw 0 0
overlay /var/lib/docker/x overlay rw 0 0
/dev/mapper/vg-data /data btrfs rw,subvol=/data 0 0
/dev/dm-0 /data/.snapshots btrfs rw,subvol=/s 0 0
/dev/sda2 /srv/jail ext4 rw,relatime 0 0
`

it('[VS-03] each device is chosen once, the root last; what cannot be frozen is left out with its reason', () => {
  const { freeze, skipped } = select(TABLE)
  expect(freeze).toEqual(['/data', '/with blank', '/'])
  expect(skipped.map(({ point, why }) => `${point}: ${why}`)).toEqual([
    '/boot/efi: vfat cannot be frozen',
    '/snap/core/1: squashfs cannot be frozen',
    '/images: it is elsewhere',
    '/iscsi: it is elsewhere',
    '/cd: iso9660 cannot be frozen',
    '/archive: it is read-only',
    '/win: fuseblk cannot be frozen',
    '/data/.snapshots: /dev/dm-0 is mounted at /data too',
    '/srv/jail: /dev/sda2 is mounted at / too',
  ])
})

it('[VS-03] a device is frozen by the mount point where that is possible', () => {
  const table = '/dev/sda1 /etc/a.conf ext4 rw 0 0\n/dev/sda1 /ro ext4 ro 0 0\n/dev/sda1 /a ext4 rw 0 0\n'
  expect(select(table).freeze).toEqual(['/a'])
})

it('[VS-03] a mount that another one hides is not frozen in its place', () => {
  const { freeze, skipped } = select(
    '/dev/sda1 /a ext4 rw 0 0\n/dev/sdb1 /a xfs rw 0 0\n/dev/sdc1 /b xfs rw 0 0\ntmpfs /b tmpfs rw 0 0',
  )
  expect(freeze).toEqual(['/a'])
  expect(skipped.map(({ why }) => why)).toEqual(Array(2).fill('another one is mounted over it'))
  expect(select('/dev/sda1 /a ext4 rw 0 0\n/dev/sdb1 /a xfs ro 0 0').freeze).toEqual([])
})

it('an excluded file system is not frozen by another of its mount points', () => {
  expect(select(TABLE, ['/srv/jail', '/data/.snapshots']).freeze).toEqual(['/with blank'])
})

it('[VS-03] a file system on what is on a loop device, or on another machine, counts as elsewhere', async () => {
  const sys = await mkdtemp(join(tmpdir(), 'bis-sys-'))
  try {
    await mkdir(join(sys, 'class/block/dm-0/slaves/dm-1'), { recursive: true })
    await mkdir(join(sys, 'class/block/dm-1/slaves/loop7p1'), { recursive: true })
    await mkdir(join(sys, 'class/block/sda1'), { recursive: true })
    await mkdir(join(sys, 'devices/platform/host3/session1/target3:0:0/block/sdb'), { recursive: true })
    await symlink(join(sys, 'devices/platform/host3/session1/target3:0:0/block/sdb'), join(sys, 'class/block/sdb'))
    const { elsewhere } = linuxMountFacts(sys)
    expect(['/dev/dm-0', '/dev/loop0', '/dev/sdb'].map(elsewhere)).not.toContain(undefined)
    expect(['/dev/sda1', '/dev/none'].map(elsewhere)).toEqual([undefined, undefined])
  } finally {
    await rm(sys, { recursive: true, force: true })
  }
})
