import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeBootDisk } from '@bis/uefi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BisProcess, bis } from './bis-process.ts'

/** What each release of the host negotiates at most. */
const VERSIONS: Readonly<Record<string, { vmbus: string; vstor: string }>> = {
  '2008r2': { vmbus: '1.1', vstor: '4.2' },
  '2012': { vmbus: '2.4', vstor: '5.1' },
  '2012r2': { vmbus: '3.0', vstor: '6.0' },
  '2016': { vmbus: '4.0', vstor: '6.2' },
  '2019': { vmbus: '5.2', vstor: '6.2' },
  '2022': { vmbus: '5.3', vstor: '6.2' },
  '2025': { vmbus: '6.0', vstor: '6.2' },
}

let folder: string
let disk: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-boot-'))
  disk = join(folder, 'disk.vhdx')
  expect((await bis('disk', 'create', disk, '64m')).status).toBe(0)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('bis boot', () => {
  it.each(Object.entries(VERSIONS))('negotiates the versions of host %s', async (release, { vmbus, vstor }) => {
    const { stdout, stderr, status } = await bis('boot', '--disk', disk, '--host', release)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`vmbus0: version ${vmbus}\n`)
    expect(stdout).toContain(`storvsc0: VSTOR version ${vstor},`)
    expect(stdout).toMatch(/^da0: ok: 64 MiB/m)
  })

  it('finds SCSI and IDE disks of one machine, in order', async () => {
    const second = join(folder, 'second.vhd')
    expect((await bis('disk', 'create', second, '32m', '--type', 'fixed')).status).toBe(0)
    const { stdout, status } = await bis('boot', '--gen', '1', '--disk', disk, '--disk', `${second},bus=ide,ro`)
    expect(status).toBe(0)
    expect(stdout).toMatch(/storvsc\d: <Hyper-V IDE>/)
    expect(stdout).toMatch(/storvsc\d: <Hyper-V SCSI>/)
    expect(stdout).toMatch(/da\d: ok: 32 MiB/)
    expect(stdout).toMatch(/da\d: ok: 64 MiB/)
  })

  it('takes more disks than one controller has room for, and an ISO image as a DVD', async () => {
    const iso = join(folder, 'disc.iso')
    await writeFile(iso, Buffer.alloc(700 * 2048, 'DVD'))
    const disks = Array.from({ length: 70 }, () => ['--disk', `${disk},ro`]).flat()
    const { stdout, stderr, status } = await bis('boot', '--cpus', '1', ...disks, '--disk', iso)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout.match(/^storvsc\d: <Hyper-V SCSI>/gm)).toHaveLength(2)
    expect(stdout.match(/^da\d+: ok: 64 MiB/gm)).toHaveLength(70)
    expect(stdout).toContain('cd0: <Msft Virtual DVD-ROM 1.0> Removable CD-ROM')
    expect(stdout).toMatch(/^cd0: ok: 1.37 MiB/m)
    const onIde = await bis('boot', '--disk', `${iso},bus=ide`)
    expect([onIde.status, onIde.stdout]).toEqual([0, expect.stringMatching(/^cd0 at ata0 /m)])
    const { status: usage, stderr: reason } = await bis('boot', '--root', 'worker', '--disk', `${iso},bus=ide`)
    expect([usage, reason]).toEqual([2, expect.stringContaining('never comes over VMBus')])
  })

  it('names the UEFI loader of a disk that has one', async () => {
    const bootable = join(folder, 'bootable.img')
    await writeFile(bootable, makeBootDisk([{ path: 'EFI/BOOT/BOOTX64.EFI', data: new Uint8Array(2048) }]))
    const { stdout, status } = await bis('boot', '--disk', bootable)
    expect(status).toBe(0)
    expect(stdout).toMatch(
      /^da0: ok: 4 MiB, GPT, 1 partitions, 1 files on FAT, UEFI loader EFI\/BOOT\/BOOTX64.EFI \(2 KiB\)$/m,
    )
  })

  it('tells the same as JSON', async () => {
    const { stdout, status } = await bis('boot', '--disk', `${disk},ro`, '--json')
    const { dmesg, devices, tests } = JSON.parse(stdout)
    expect(status).toBe(0)
    expect(dmesg[0]).toMatchObject({ text: 'vmbus0: <Hyper-V Vmbus> on nexus' })
    const states = new Map(devices.map(({ nameunit, state }: { nameunit: string; state: string }) => [nameunit, state]))
    for (const name of ['vmbus0', 'storvsc0', 'hvheartbeat0'])
      expect([name, states.get(name)]).toEqual([name, 'attached'])
    expect(tests).toMatchObject([{ device: 'da0', passed: true }])
  })

  it('stays until it is told to go', async () => {
    const process = new BisProcess(['boot', '--stay', '--disk', `${disk},ro`])
    await process.until(/da0: ok/)
    expect(await process.end('SIGTERM')).toMatchObject({ status: 0, stderr: '' })
  })
})

describe('bis start', () => {
  it('boots on a disk of its own, checks its files, writes and reads back', async () => {
    const { stdout, stderr, status } = await bis('start')
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout.match(/ as written$/gm)).toHaveLength(4)
    expect(stdout).toMatch(/1 MiB written at \d+ and read back/)
    expect(stdout).toMatch(/powered off: [\d.]+ ms/)
  })

  it('only reads an image that it is given', async () => {
    const before = await readFile(disk)
    const { stdout, status } = await bis('start', '--disk', disk)
    expect(status).toBe(0)
    expect(stdout).toContain('=> da0  no partition table  (64 MiB)')
    expect(Buffer.compare(await readFile(disk), before)).toBe(0)
  })
})
