import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { ADDITIONS, expandPackageList, PACKAGE_LIST, RELEASES, releaseProfile } from '../src/index.ts'
import { checkPort, deinstallPort, installPort, stagedModules } from '../src/node/index.ts'
import { makeReadOnly, makeRoot, snapshot } from './root-folders.ts'

const roots: string[] = []
afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true })
})

async function root(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const made = await makeRoot(files)
  roots.push(made)
  return made
}

const WITH_PORT = RELEASES.filter((release) => releaseProfile(release).port.value !== undefined)

/** The port's list as its Makefile fills it in for A (8.4, 9.x) and for B (10.0), written out. */
const LISTS = {
  A: [
    'boot/modules/hv_ata_pci_disengage.ko',
    'boot/modules/hv_netvsc.ko',
    'boot/modules/hv_storvsc.ko',
    'boot/modules/hv_utils.ko',
    'boot/modules/hv_vmbus.ko',
    'usr/local/etc/rc.d/hv_kvpd',
    'usr/local/hyperv/scripts/hv_get_dhcp_info',
    'usr/local/hyperv/scripts/hv_get_dns_info',
    'usr/local/hyperv/scripts/hv_set_ifconfig',
    'usr/local/man/man1/hyperv-is.1.gz',
    'usr/local/man/man4/hv_ata_pci_disengage.4.gz',
    'usr/local/man/man4/hv_kvp.4.gz',
    'usr/local/man/man4/hv_netvsc.4.gz',
    'usr/local/man/man4/hv_storvsc.4.gz',
    'usr/local/man/man4/hv_utils.4.gz',
    'usr/local/man/man4/hv_vmbus.4.gz',
  ],
  B: [
    'boot/modules/hv_kvp.ko',
    'usr/local/etc/rc.d/hv_kvpd',
    'usr/local/hyperv/scripts/hv_get_dhcp_info',
    'usr/local/hyperv/scripts/hv_get_dns_info',
    'usr/local/hyperv/scripts/hv_set_ifconfig',
    'usr/local/man/man4/hv_kvp.4.gz',
    'usr/local/man/man8/hv_kvp_daemon.8.gz',
    'usr/local/sbin/hv_kvp_daemon',
  ],
}

describe.each(WITH_PORT)('the port on %s', (release) => {
  const variant = releaseProfile(release).port.value?.listVariant ?? 'A'

  it('stages what its package list names, our additions, and nothing else', async () => {
    const path = await root()
    const before = Object.keys(await snapshot(path))
    await installPort({ root: path, release })
    const after = await snapshot(path)
    const files = Object.keys(after).filter((name) => !before.includes(name) && after[name] !== 'folder')
    const own = ['var/db/pkg/hyperv-is/+CONTENTS', 'var/db/pkg/hyperv-is/+RESTORE']
    expect(expandPackageList(PACKAGE_LIST, variant).sort()).toEqual(LISTS[variant])
    expect(files.sort()).toEqual([...LISTS[variant], ...expandPackageList(ADDITIONS, variant), ...own].sort())
  })

  it('puts the right thing into each file', async () => {
    const path = await root()
    await installPort({ root: path, release })
    const modules = (await readdir(join(path, 'boot/modules'))).map((name) => name.replace('.ko', ''))
    for (const module of modules) {
      const text = await readFile(join(path, `boot/modules/${module}.ko`), 'utf8')
      expect(JSON.parse(text)).toMatchObject({ module, package: expect.stringMatching(/^@bis\//) })
    }
    const page = gunzipSync(await readFile(join(path, 'usr/local/man/man4/hv_kvp.4.gz'))).toString()
    expect(page).toMatch(/^\.Dd .*\n\.Dt HV_KVP 4\n\.Os\n\.Sh NAME\n/)
    expect(await readFile(join(path, 'usr/local/etc/rc.d/hv_kvpd'), 'utf8')).toMatch(/^rcvar="hv_kvp_daemon_enable"$/m)
    const loads = (await stagedModules(path, release)).filter(({ from }) => from === 'file')
    expect(loads.map(({ module }) => module).sort()).toEqual(modules.sort())
    expect(await readFile(join(path, 'etc/rc.conf'), 'utf8')).toMatch(/^hv_kvp_daemon_enable="YES"$/m)
  })

  it('changes nothing the second time, and removes itself without a trace', async () => {
    const path = await root()
    await chmod(join(path, 'boot/loader.conf'), 0o600)
    const before = await snapshot(path)
    const dry = await installPort({ root: path, release, dryRun: true })
    expect(await snapshot(path)).toEqual(before)
    expect(await installPort({ root: path, release })).toEqual(dry)
    const installed = await snapshot(path)
    expect(await installPort({ root: path, release })).toEqual([])
    expect(await snapshot(path)).toEqual(installed)
    expect(await checkPort(path, release)).toMatchObject({ ok: true, installedFor: release })
    await deinstallPort({ root: path, release, dryRun: true })
    expect(await snapshot(path)).toEqual(installed)
    await deinstallPort({ root: path, release })
    expect(await snapshot(path)).toEqual(before)
  })

  it('keeps what the user changed meanwhile', async () => {
    const path = await root()
    await installPort({ root: path, release })
    const loader = join(path, 'boot/loader.conf')
    await writeFile(loader, `${await readFile(loader, 'utf8')}kern.hz="100"\n`)
    await writeFile(join(path, 'usr/local/hyperv/notes'), 'mine')
    await deinstallPort({ root: path, release })
    expect(await readFile(loader, 'utf8')).toMatch(
      /^autoboot_delay="3"\n(hv_vmbus_load="NO"\n)?kern\.hz="100"\n(hv_vmbus_load="NO"\n)?$/,
    )
    expect(await readFile(join(path, 'usr/local/hyperv/notes'), 'utf8')).toBe('mine')
    expect(await checkPort(path, release)).toMatchObject({ ok: false, installedFor: undefined })
  })

  it('is checked: a file gone, another changed, a setting lost', async () => {
    const path = await root()
    await installPort({ root: path, release })
    await rm(join(path, 'usr/local/etc/rc.d/hv_kvpd'))
    await chmod(join(path, 'usr/local/sbin/hv_kvp_daemon'), 0o755)
    await writeFile(join(path, 'usr/local/sbin/hv_kvp_daemon'), '#!/bin/sh\n')
    await writeFile(join(path, 'etc/rc.conf'), '')
    expect(await checkPort(path, release)).toMatchObject({
      ok: false,
      missing: ['usr/local/etc/rc.d/hv_kvpd'],
      changed: ['usr/local/sbin/hv_kvp_daemon'],
      settings: ['etc/rc.conf'],
    })
    await installPort({ root: path, release })
    expect(await checkPort(path, release)).toMatchObject({ ok: true })
  })
})

describe('what cannot be done is refused and changes nothing', () => {
  const cases: [string, string, Record<string, string>, string][] = [
    ['a release before the port', '9.0', {}, 'unsupported-release'],
    ['no release at all', 'nine', {}, 'unknown-release'],
    ['a release with the drivers in its kernel', '10.1', {}, 'built-in'],
    ['head', 'head', {}, 'built-in'],
    ['a later release', '12.4', {}, 'built-in'],
    ['a root without label', '9.3', { 'etc/fstab': '/dev/ada0p2 / ufs rw 1 1\n' }, 'no-labels'],
    [
      'swap without label',
      '10.0',
      { 'etc/fstab': '/dev/gpt/root / ufs rw 1 1\n/dev/ad0s1b none swap sw 0 0' },
      'no-labels',
    ],
    [
      'data on a disk by name',
      '8.4',
      { 'etc/fstab': '/dev/ufs/r / ufs rw 1 1\n/dev/da1s1 /home ufs rw 2 2\n' },
      'no-labels',
    ],
  ]
  it.each(cases)('%s', async (_, release, files, code) => {
    const path = await root(files)
    const before = await snapshot(path)
    await expect(installPort({ root: path, release })).rejects.toMatchObject({ name: 'PortError', code })
    expect(await snapshot(path)).toEqual(before)
  })

  it('a folder that is not there, a file, a folder that is no root', async () => {
    const path = await root()
    await expect(installPort({ root: join(path, 'none'), release: '9.1' })).rejects.toMatchObject({ code: 'no-root' })
    const file = join(path, 'etc/fstab')
    await expect(installPort({ root: file, release: '9.1' })).rejects.toMatchObject({ code: 'not-a-root' })
    await rm(file)
    await expect(installPort({ root: path, release: '9.1' })).rejects.toMatchObject({ code: 'not-a-root' })
  })

  it('a link that leads out of the root folder', async () => {
    const path = await root()
    const outside = await root()
    await mkdir(join(path, 'usr'))
    await symlink(outside, join(path, 'usr/local'))
    const before = await snapshot(outside)
    await expect(installPort({ root: path, release: '9.1' })).rejects.toMatchObject({ code: 'outside-root' })
    expect(await snapshot(outside)).toEqual(before)
  })

  it('a folder where a file should be', async () => {
    const path = await root()
    await mkdir(join(path, 'boot/modules/hv_vmbus.ko'), { recursive: true })
    const before = await snapshot(path)
    await expect(installPort({ root: path, release: '9.1' })).rejects.toThrow(/hv_vmbus\.ko: is/)
    expect(await snapshot(path)).toEqual(before)
  })

  it('another release than the one installed, and removing what is not there', async () => {
    const path = await root()
    await expect(deinstallPort({ root: path, release: '9.1' })).rejects.toMatchObject({ code: 'not-installed' })
    await installPort({ root: path, release: '9.1' })
    await expect(installPort({ root: path, release: '9.2' })).rejects.toMatchObject({ code: 'other-release' })
    await expect(deinstallPort({ root: path, release: '9.2' })).rejects.toMatchObject({ code: 'other-release' })
  })

  it('a root folder that is read-only', async () => {
    const path = await root()
    const before = await snapshot(path)
    const end = await makeReadOnly(path)
    try {
      await expect(installPort({ root: path, release: '9.1' })).rejects.toMatchObject({ code: 'read-only' })
      expect(await snapshot(path)).toEqual(before)
    } finally {
      await end()
    }
  })
})
