import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bis } from './bis-process.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bis-port-'))
  await mkdir(join(root, 'etc'))
  await writeFile(join(root, 'etc/fstab'), '/dev/label/rootfs / ufs rw 1 1\n')
})
afterEach(() => rm(root, { recursive: true, force: true }))

describe('bis boot --root-dir', () => {
  const boot = (release: string) => bis('boot', '--release', release, '--root-dir', root, '--nic', 'switch')

  it.each(['8.4', '9.3'])('has the drivers on %s that the port installed', async (release) => {
    const before = await boot(release)
    expect([before.status, before.stdout]).toEqual([0, expect.not.stringContaining('vmbus0')])
    await bis('port', 'install', '--root', root, '--release', release)
    expect((await boot(release)).stdout).toMatch(/^hn0: ok/m)
    await rm(join(root, 'boot/modules/hv_netvsc.ko'))
    const without = await boot(release)
    expect(without.stdout).toMatch(/^can't find 'hv_netvsc'$/m)
    expect(without.stdout).toMatch(/^vmbus0: /m)
    expect(without.stdout).not.toMatch(/^hn0/m)
  })

  it.each(['10.0', '10.1', 'head'])('has the drivers of the kernel on %s', async (release) => {
    expect((await boot(release)).stdout).toMatch(/^hn0: ok/m)
  })

  it('has key-value pairs on 10.0 when the port is installed, and from 10.1 on without', async () => {
    expect((await boot('10.0')).stdout).not.toMatch(/^hvkvp0/m)
    await bis('port', 'install', '--root', root, '--release', '10.0')
    expect((await boot('10.0')).stdout).toMatch(/^hvkvp0: <Hyper-V KVP>/m)
    await bis('port', 'deinstall', '--root', root, '--release', '10.0')
    expect((await boot('10.1')).stdout).toMatch(/^hvkvp0: <Hyper-V KVP>/m)
  })

  it('takes no kernel module of another make', async () => {
    await mkdir(join(root, 'boot/modules'), { recursive: true })
    await writeFile(join(root, 'boot/loader.conf'), 'hv_vmbus_load="YES"\n')
    await writeFile(join(root, 'boot/modules/hv_vmbus.ko'), '\x7fELF')
    const { status, stderr } = await boot('9.1')
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^bis: boot\/modules\/hv_vmbus\.ko: not a module.*\n$/)])
  })
})

describe('bis port', () => {
  it('installs, checks and removes', async () => {
    const place = ['--root', root, '--release', '9.2']
    expect(await bis('port', 'check', ...place)).toMatchObject({ status: 1, stdout: 'FreeBSD 9.2: not installed\n' })
    const dry = await bis('port', 'install', ...place, '--dry-run')
    expect(dry).toMatchObject({ status: 0, stderr: '' })
    expect(dry.stdout).toMatch(/^\+ \/boot\/modules\/hv_vmbus\.ko$/m)
    expect(await bis('port', 'install', ...place)).toMatchObject({ status: 0, stderr: '' })
    expect(await readFile(join(root, 'boot/loader.conf'), 'utf8')).toMatch(/^hv_storvsc_load="YES"$/m)
    expect(await bis('port', 'check', ...place)).toMatchObject({
      status: 0,
      stdout: 'FreeBSD 9.2: installed for 9.2\n',
    })
    expect(await bis('port', 'deinstall', ...place)).toMatchObject({ status: 0, stderr: '' })
    await expect(readFile(join(root, 'boot/loader.conf'))).rejects.toThrow(/ENOENT/)
  })

  it.each([
    ['9.0', /^bis: FreeBSD 9\.0 is not supported: .*\n$/],
    ['nine', /^bis: no FreeBSD release "nine"; .*\n$/],
    ['10.1', /^bis: FreeBSD 10\.1: built in; .*\n$/],
  ])('refuses %s in one line', async (release, pattern) => {
    const { status, stdout, stderr } = await bis('port', 'install', '--root', root, '--release', release)
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(pattern)
  })

  it('refuses a root that is missing, read-only or without labels in one line', async () => {
    const install = (folder: string) => bis('port', 'install', '--root', folder, '--release', '8.4')
    expect(await install(join(root, 'none'))).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^.*no such folder\n$/),
    })
    expect(await install('/proc/self')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^.*has no etc\/fstab.*\n$/),
    })
    await writeFile(join(root, 'etc/fstab'), '/dev/ad0s1a / ufs rw 1 1\n')
    expect(await install(root)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^.*without a label: \/dev\/ad0s1a.*\n$/),
    })
  })
})
