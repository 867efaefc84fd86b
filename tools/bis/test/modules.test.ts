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
})
