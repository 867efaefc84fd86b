import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BisProcess, bis } from './bis-process.ts'

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

describe('the loader.conf of bis boot --root-dir', () => {
  const place = () => [
    '--release',
    '9.3',
    '--root-dir',
    root,
    '--nic',
    'switch',
    '--disk',
    `${join(root, 'ide.vhdx')},bus=ide`,
  ]
  const conf = (): string => join(root, 'boot/loader.conf')
  const edit = async (change: (text: string) => string): Promise<string[]> => {
    const before = await readFile(conf(), 'utf8')
    await writeFile(conf(), change(before))
    const { status, stdout, stderr } = await bis('boot', ...place())
    await writeFile(conf(), before)
    expect([status, stderr]).toEqual([0, ''])
    return [...stdout.matchAll(/^(?:(\w+): ok|(can't .*|'.*))/gm)].map(([, device, line]) => device ?? line ?? '')
  }

  it('says which drivers there are', async () => {
    await bis('disk', 'create', join(root, 'ide.vhdx'), '16m')
    expect(await bis('port', 'install', '--root', root, '--release', '9.3')).toMatchObject({ status: 0 })
    expect(await edit((text) => text)).toEqual(['da0', 'hn0'])
    expect(await edit((text) => text.replace('hv_netvsc_load', '#hv_netvsc_load'))).toEqual(['da0'])
    const disengage = 'hv_ata_pci_disengage_load="YES"'
    expect(await edit((text) => text.replace(disengage, 'hv_ata_pci_disengage_load="NO"'))).toEqual([
      'ada0',
      'da0',
      'hn0',
    ])
    expect(await edit((text) => `${text}hv_ata_pci_disengage_load="NO"\n`)).toEqual(['ada0', 'da0', 'hn0'])
    expect(await edit((text) => `${text}hw.ata.disk_enable="0" # leave them\n`)).toEqual(['ada0', 'hn0'])
    // The loader takes what a module needs, asked for or not.
    expect(await edit((text) => text.replace('hv_vmbus_load="YES"\n', ''))).toEqual(['da0', 'hn0'])
    await writeFile(join(root, 'boot/modules/zfs.ko'), '\x7fELF')
    const others = (text: string): string => `${text}zfs_load="YES"\nif_tap_load="YES"\n`
    expect(await edit(others)).toEqual(["can't find 'if_tap'", "'zfs' is no driver of ours: left out", 'da0', 'hn0'])
    await writeFile(`${conf()}.local`, 'hv_netvsc_load="NO"\n')
    expect(await edit((text) => text)).toEqual(['da0'])
    await rm(`${conf()}.local`)
    await rm(join(root, 'boot/modules/hv_vmbus.ko'))
    const without = await edit((text) => text)
    expect(without.filter((line) => /^can't/.test(line)).sort()).toEqual([
      "can't find 'hv_vmbus'",
      ...['netvsc', 'storvsc', 'utils'].map((name) => `can't load 'hv_${name}': it needs hv_vmbus`),
    ])
  })

  it('and its folder of modules what kldload finds', async () => {
    await bis('disk', 'create', join(root, 'ide.vhdx'), '16m')
    await bis('port', 'install', '--root', root, '--release', '9.3')
    await rename(join(root, 'boot/modules/hv_netvsc.ko'), join(root, 'away'))
    const name = `kld-root-${process.pid}`
    const machine = new BisProcess(['boot', ...place(), '--stay', '--name', name])
    try {
      await machine.until(/^da0: ok/m)
      expect(await bis('kldload', name, 'hv_netvsc')).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^bis: can't find 'hv_netvsc': .*\n$/),
      })
      await writeFile(join(root, 'boot/modules/hv_netvsc.ko'), '{"module":"hv_utils"}')
      expect((await bis('kldload', name, 'hv_netvsc')).stderr).toMatch(
        /^bis: boot\/modules\/hv_netvsc.ko: not a module.*\n$/,
      )
      await rename(join(root, 'away'), join(root, 'boot/modules/hv_netvsc.ko'))
      expect(await bis('kldload', name, 'hv_netvsc')).toMatchObject({ status: 0, stderr: '' })
      expect((await bis('kldstat', name)).stdout).toMatch(/hv_netvsc\.ko$/m)
    } finally {
      await machine.end()
    }
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

  it('says what stays of a file that was changed, and what a folder has the port for', async () => {
    const port = (verb: string, release: string) => bis('port', verb, '--root', root, '--release', release)
    expect((await port('check', '9.1')).stderr).toMatch(/: the port for 9\.1 is not installed\n$/)
    await port('install', '9.1')
    expect((await port('install', '9.3')).stderr).toMatch(/: has the port for 9\.1; deinstall that first\n$/)
    expect((await port('check', '9.3')).stderr).toMatch(/: has the port for 9\.1, not for 9\.3\n$/)
    await writeFile(join(root, 'boot/modules/hv_utils.ko'), 'mine', { flag: 'a' })
    expect((await port('deinstall', '9.1')).stdout).toMatch(
      /^= \/boot\/modules\/hv_utils\.ko \(changed since, stays\)$/m,
    )
    expect((await port('install', '9.1')).stderr).toMatch(
      /hv_utils\.ko: is there already, and not from this port; .*\n$/,
    )
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
    expect(await install('')).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^.*--root DIR.*\n$/),
    })
    await writeFile(join(root, 'etc/fstab'), '/dev/ad0s1a / ufs rw 1 1\n')
    expect(await install(root)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^.*without a label: \/dev\/ad0s1a.*\n$/),
    })
  })
})
