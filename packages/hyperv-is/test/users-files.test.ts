import { chmod, chown, lstat, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { unlabelled } from '../src/index.ts'
import { checkPort, deinstallPort, installPort } from '../src/node/index.ts'
import { makeRoot, snapshot } from './root-folders.ts'

const release = '9.3'
const roots: string[] = []
afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true })
})

async function rootWith(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const root = await makeRoot(files)
  roots.push(root)
  return root
}

const loaderOf = (root: string): Promise<string> => readFile(join(root, 'boot/loader.conf'), 'latin1')

describe("the user's loader.conf and rc.conf", () => {
  it.each([
    ['of no bytes', ''],
    ['without a newline at the end', 'a="1"'],
    ['with CRLF', 'a="1"\r\nhv_vmbus_load="NO"\r\n'],
    ['in Latin-1', '# caf\xe9 \xff\x80\nb="2"\n'],
    ['that begins with a byte order mark', '\xef\xbb\xbfa="1"\n'],
    [
      'with other values of ours',
      'hv_vmbus_load="NO" # not yet\nhv_utils_load=YES\n  hv_storvsc_load = \'yes\'\nc="3"\n',
    ],
    [
      'with the block of the port itself',
      "# Loader labels for Hyper-v BIS drivers -do not modify\nhv_vmbus_load='YES'\n",
    ],
  ])('%s are as they were after removal', async (_, text) => {
    const root = await rootWith()
    await writeFile(join(root, 'boot/loader.conf'), text, 'latin1')
    await writeFile(join(root, 'etc/rc.conf'), text, 'latin1')
    const before = await snapshot(root)
    await installPort({ root, release })
    const lines = (await loaderOf(root)).split('\n')
    expect(lines.filter((line) => /^# Loader labels for Hyper-V/i.test(line))).toHaveLength(1)
    expect(lines.filter((line) => line.includes('hv_vmbus_load'))).toEqual(['hv_vmbus_load="YES"'])
    expect(await checkPort(root, release)).toMatchObject({ ok: true })
    await deinstallPort({ root, release })
    expect(await snapshot(root)).toEqual(before)
  })

  it('keep a line that has more than a setting of ours', async () => {
    const root = await rootWith({ 'etc/rc.conf': 'hv_kvp_daemon_enable="NO"; sshd_enable="YES"\n' })
    await installPort({ root, release })
    const text = await readFile(join(root, 'etc/rc.conf'), 'utf8')
    expect(text).toMatch(/^hv_kvp_daemon_enable="NO"; sshd_enable="YES"\n# Label.*\nhv_kvp_daemon_enable="YES"\n$/)
    expect(await checkPort(root, release)).toMatchObject({ ok: true })
  })

  it('keep what the user wrote between two installs', async () => {
    const root = await rootWith()
    await installPort({ root, release })
    await writeFile(join(root, 'boot/loader.conf'), `${await loaderOf(root)}kern.hz="100"\n`)
    await installPort({ root, release })
    await deinstallPort({ root, release })
    expect((await loaderOf(root)).split('\n').sort()).toEqual(
      ['', 'autoboot_delay="3"', 'hv_vmbus_load="NO"', 'kern.hz="100"'].sort(),
    )
  })

  it('stay away when they were, even with a second install', async () => {
    const root = await rootWith()
    await rm(join(root, 'etc/rc.conf'))
    const before = await snapshot(root)
    await installPort({ root, release })
    await rm(join(root, 'etc/rc.conf'))
    await installPort({ root, release })
    await deinstallPort({ root, release })
    expect(await snapshot(root)).toEqual(before)
  })

  it('are checked by the value that counts', async () => {
    const root = await rootWith()
    await installPort({ root, release })
    await writeFile(join(root, 'boot/loader.conf'), `${await loaderOf(root)}hv_netvsc_load="NO"\n`)
    expect(await checkPort(root, release)).toMatchObject({ ok: false, settings: ['boot/loader.conf'] })
  })

  it('stay links and keep their mode and owner', async () => {
    const root = await rootWith()
    await mkdir(join(root, 'conf'))
    await rename(join(root, 'etc/rc.conf'), join(root, 'conf/rc.conf'))
    await symlink('../conf/rc.conf', join(root, 'etc/rc.conf'))
    await chmod(join(root, 'conf/rc.conf'), 0o640)
    if (process.getuid?.() === 0) await chown(join(root, 'conf/rc.conf'), 1234, 56)
    const { uid, gid, mode } = await lstat(join(root, 'conf/rc.conf'))
    await installPort({ root, release })
    expect(await lstat(join(root, 'conf/rc.conf'))).toMatchObject({ uid, gid, mode })
    expect((await lstat(join(root, 'etc/rc.conf'))).isSymbolicLink()).toBe(true)
    expect(await readFile(join(root, 'conf/rc.conf'), 'utf8')).toMatch(/hv_kvp_daemon_enable/)
  })
})

describe("somebody else's file", () => {
  it('where one of ours should be is refused and kept', async () => {
    const root = await rootWith({ 'boot/modules/hv_vmbus.ko': '\x7fELF' })
    const before = await snapshot(root)
    for (const dryRun of [true, false])
      await expect(installPort({ root, release, dryRun })).rejects.toMatchObject({
        code: 'in-the-way',
        message: expect.stringMatching(/hv_vmbus\.ko: is there already, and not from this port/),
      })
    expect(await snapshot(root)).toEqual(before)
  })

  it('behind a link is not written through', async () => {
    const root = await rootWith({ 'home/precious': 'text', 'boot/modules/other.ko': 'x' })
    await symlink('../../home/precious', join(root, 'boot/modules/hv_vmbus.ko'))
    await expect(installPort({ root, release })).rejects.toMatchObject({ code: 'in-the-way' })
    await symlink(join(root, 'home/precious'), join(root, 'boot/loader.conf.hyperv-is.new'))
    await rm(join(root, 'boot/modules/hv_vmbus.ko'))
    await installPort({ root, release })
    expect(await readFile(join(root, 'home/precious'), 'utf8')).toBe('text')
  })

  it('changed since it was installed stays', async () => {
    const root = await rootWith()
    await installPort({ root, release })
    const script = join(root, 'usr/local/etc/rc.d/hv_kvpd')
    await chmod(script, 0o755)
    await writeFile(script, '#!/bin/sh\n# mine\n')
    const page = join(root, 'usr/local/man/man4/hv_kvp.4.gz')
    await rename(page, join(root, 'page'))
    await symlink('../../../../page', page)
    const changes = await deinstallPort({ root, release })
    const kept = changes.filter(({ kind }) => kind === 'keep').map(({ path }) => path)
    expect(kept.sort()).toEqual(['usr/local/etc/rc.d/hv_kvpd', 'usr/local/man/man4/hv_kvp.4.gz'])
    expect(await readFile(script, 'utf8')).toBe('#!/bin/sh\n# mine\n')
    expect((await lstat(join(root, 'page'))).isFile()).toBe(true)
  })

  it('that is no file is refused, not waited for', async () => {
    const { execFileSync } = await import('node:child_process')
    const root = await rootWith()
    await rm(join(root, 'boot/loader.conf'))
    execFileSync('mkfifo', [join(root, 'boot/loader.conf')])
    await expect(installPort({ root, release })).rejects.toMatchObject({ code: 'in-the-way' })
  })
})

describe('fstab', () => {
  it.each([
    ['/dev/gptid/1234-5678 / ufs rw 1 1'],
    ['/dev/gpt/root\t/\tufs\trw\t1\t1\r'],
    ['  /dev/ufsid/0123456789abcdef / ufs rw 1 1'],
    ['/dev/label/a#1 / ufs rw 1 1'],
    ['/dev/gpt/swap.eli none swap sw 0 0'],
    ['/dev/mirror/gm0s1a / ufs rw 1 1'],
    ['zroot/ROOT/default / zfs rw 0 0'],
    ['#/dev/ada0p2 / ufs rw 1 1'],
    ['md99 none swap sw,file=/swap 0 0'],
    ['proc /proc procfs rw 0 0'],
    ['/dev/cd0 /cdrom cd9660 ro,noauto 0 0'],
    [''],
  ])('%j needs nothing', (line) => expect(unlabelled(`${line}\n`)).toEqual([]))

  it.each([
    ['/dev/ada0p2 / ufs rw 1 1', '/dev/ada0p2', '/'],
    ['/dev/ada0p3.eli\tnone\tswap\tsw\t0\t0', '/dev/ada0p3.eli', 'swap'],
    ['/dev/vtbd0p2 / ufs rw 1 1 # /dev/label/x', '/dev/vtbd0p2', '/'],
    ['/dev/ad4s1d /home ufs rw 2 2\r', '/dev/ad4s1d', '/home'],
    ['/dev/label/ / ufs rw 1 1', '/dev/label/', '/'],
  ])('%j needs a label', (line, device, mountPoint) => {
    expect(unlabelled(`# x\n${line}\n`)).toEqual([{ device, mountPoint }])
  })
})
