import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BisProcess, bis } from './bis-process.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-kld-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const FIVE = ['hv_ata_pci_disengage', 'hv_netvsc', 'hv_storvsc', 'hv_utils', 'hv_vmbus']

describe('bis kldstat, kldload, kldunload', () => {
  it('list the five modules, unload each and load it again while the rest runs', async () => {
    const disk = join(folder, 'disk.vhdx')
    await bis('disk', 'create', disk, '16m')
    const name = `kld-${process.pid}`
    const machine = new BisProcess(['boot', '--disk', `${disk},bus=ide`, '--nic', 'switch', '--stay', '--name', name])
    try {
      await machine.until(/^hn0: ok/m)
      const list = async (): Promise<string[]> => {
        const { stdout } = await bis('kldstat', name, '--json')
        return (JSON.parse(stdout) as { name: string }[]).map((module) => module.name)
      }
      expect((await bis('kldstat', name)).stdout).toMatch(/^Id Refs Name\n 1 +\d+ kernel\n/)
      expect(await list()).toEqual(expect.arrayContaining(FIVE))
      for (const module of FIVE.filter((other) => other !== 'hv_vmbus')) {
        expect(await bis('kldunload', name, module)).toMatchObject({ status: 0, stderr: '' })
        expect(await list()).not.toContain(module)
        expect(await bis('kldload', name, module)).toMatchObject({ status: 0, stderr: '' })
      }
      expect(await list()).toEqual(expect.arrayContaining(FIVE))
      const inUse = await bis('kldunload', name, 'hv_vmbus')
      expect(inUse).toMatchObject({ status: 1, stdout: '' })
      expect(inUse.stderr).toMatch(/^bis: module hv_vmbus is needed by \w+; unload that first\n$/)
      const others = (await list()).filter((module) => !['kernel', 'hv_vmbus', 'hv_ata_pci_disengage'].includes(module))
      for (const module of others) await bis('kldunload', name, module)
      expect(await bis('kldunload', name, 'hv_vmbus')).toMatchObject({ status: 0, stderr: '' })
      // Loading one brings what it needs.
      expect(await bis('kldload', name, 'hv_storvsc.ko')).toMatchObject({ status: 0, stderr: '' })
      expect(await list()).toEqual(expect.arrayContaining(['hv_vmbus', 'hv_storvsc']))
      expect((await bis('kldload', name, 'hv_storvsc')).stderr).toMatch(/already loaded\n$/)
      expect((await bis('kldload', name, 'if_tun')).stderr).toMatch(/^bis: no module if_tun; there is hv_/)
    } finally {
      await machine.end()
    }
  })

  it('have the options, references and refusals of FreeBSD', async () => {
    const name = `kld-options-${process.pid}`
    const machine = new BisProcess(['boot', '--nic', 'switch', '--stay', '--name', name])
    const kld = (command: string, ...rest: string[]) => bis(command, name, ...rest)
    const references = async (): Promise<Record<string, number>> => {
      const rows = JSON.parse((await kld('kldstat', '--json')).stdout) as { name: string; references: number }[]
      return Object.fromEntries(rows.map((row) => [row.name, row.references]))
    }
    try {
      await machine.until(/^hn0: ok/m)
      // Itself and the four that need it; the kernel, itself and all six.
      expect(await references()).toMatchObject({ kernel: 7, hv_vmbus: 5, hv_netvsc: 1 })
      const verbose = await kld('kldstat', '-v', '-n', 'hv_netvsc.ko')
      expect(verbose.stdout).toMatch(/^Id Refs Name\n *\d+ +1 hv_netvsc\.ko\n\tContains drivers:\n\t\tvmbus\/hn\n$/)
      expect((await kld('kldstat', '-m', 'vmbus/hn')).stdout).toMatch(/hv_netvsc\.ko\n$/)
      expect((await kld('kldstat', '-i', '1')).stdout).toMatch(/^Id Refs Name\n 1 +7 kernel\n$/)
      expect(await kld('kldstat', '-n', 'if_tun')).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringMatching(/^bis: can't find file if_tun; .*\n$/),
      })
      for (const module of ['kernel', 'if_tun', '../hv_vmbus'])
        expect(await kld('kldunload', module)).toMatchObject({
          status: 1,
          stderr: expect.stringMatching(/^bis: .*\n$/),
        })

      expect(await kld('kldload', '-n', 'hv_netvsc')).toMatchObject({ status: 0, stdout: '', stderr: '' })
      // All of them, though one fails.
      const several = await kld('kldunload', 'hv_kvp', 'hv_nothing', 'hv_utils')
      expect(several).toMatchObject({ status: 1, stderr: expect.stringMatching(/^bis: no module hv_nothing; .*\n$/) })
      expect(Object.keys(await references())).not.toContain('hv_utils')
      const unloaded = await kld('kldunload', '-v', 'hv_storvsc', 'hv_netvsc', 'hv_vmbus')
      expect(unloaded).toMatchObject({ status: 0, stderr: '' })
      expect(unloaded.stdout).toMatch(
        /^unloaded hv_storvsc, id=\d+\nunloaded hv_netvsc, id=\d+\nunloaded hv_vmbus, id=\d+\n$/,
      )

      // What a module brings with it goes with it.
      const loaded = await kld('kldload', '-v', 'hv_netvsc.ko')
      const id = /^loaded hv_netvsc\.ko, id=(\d+)\n$/.exec(loaded.stdout)?.[1] ?? ''
      expect(await references()).toMatchObject({ hv_vmbus: 1, hv_netvsc: 1 })
      expect(await kld('kldunload', '-i', id)).toMatchObject({ status: 0, stderr: '' })
      expect(Object.keys(await references())).toEqual(['kernel', 'hv_ata_pci_disengage'])
      // What was asked for stays.
      await kld('kldload', 'hv_vmbus', 'hv_netvsc')
      await kld('kldunload', 'hv_netvsc')
      expect(await references()).toMatchObject({ hv_vmbus: 1 })

      // Many at once take turns.
      const all = await Promise.all(
        Array.from({ length: 6 }, (_, i) => kld(i % 2 ? 'kldunload' : 'kldload', 'hv_netvsc')),
      )
      for (const { stderr } of all) expect(stderr).toMatch(/^$|^bis: module hv_netvsc is (already|not) loaded\n$/)
      await kld('kldload', '-n', 'hv_netvsc')
      expect((await kld('kldstat', '-n', 'hv_netvsc')).status).toBe(0)
      expect((await bis('vm', 'kldstat', name, '--verbose')).stdout).toMatch(/vmbus\/hn/)
      expect((await bis('vm', 'show', name, '--json')).stdout).toMatch(/hn0|netvsc|"state"/)
    } finally {
      await machine.end()
    }
  })
})
