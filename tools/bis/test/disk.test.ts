import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bis } from './bis-process.ts'
import { run } from './images.ts'
import { havePrograms } from './programs.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-disk-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const file = (name: string): string => join(folder, name)

async function done(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await bis('disk', ...args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

describe('bis disk', () => {
  it('makes an image for Azure, and tells why another is none', async () => {
    await done('create', file('a.vhdx'), '10m')
    const refused = await bis('disk', 'check', file('a.vhdx'), '--azure')
    expect(refused.status).toBe(1)
    expect(refused.stdout).toMatch(/VHDX; Azure takes fixed VHD only/)
    await done('convert', file('a.vhdx'), file('a.vhd'), '--azure')
    expect(await done('check', file('a.vhd'), '--azure')).toMatch(/ready for Azure/)
    expect((await stat(file('a.vhd'))).size).toBe(10 * 2 ** 20 + 512)
  })

  it('grows, and shrinks only when that is said', async () => {
    await done('create', file('a.vhdx'), '64m')
    await done('resize', file('a.vhdx'), '128m')
    expect(JSON.parse(await done('info', file('a.vhdx'), '--json')).size).toBe(128 * 2 ** 20)
    const refused = await bis('disk', 'resize', file('a.vhdx'), '32m')
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/--shrink/)])
    await done('resize', file('a.vhdx'), '32m', '--shrink')
    expect(JSON.parse(await done('info', file('a.vhdx'), '--json')).size).toBe(32 * 2 ** 20)
    expect(await done('check', file('a.vhdx'))).toMatch(/no damage found/)
  })

  it('merges a differencing image into its parent', async () => {
    await done('create', file('parent.vhdx'), '16m')
    await done('create', file('child.avhdx'), '--parent', file('parent.vhdx'), '--format', 'vhdx')
    expect(await done('merge', file('child.avhdx'), '--remove')).toMatch(/merged into .*parent\.vhdx/)
    await expect(stat(file('child.avhdx'))).rejects.toThrow()
    expect(await done('check', file('parent.vhdx'))).toMatch(/no damage found/)
    expect(await done('compact', file('parent.vhdx'))).toMatch(/now/)
  })

  it.skipIf(!havePrograms('qemu-img'))('converts what qemu-img then finds equal (skipped without it)', async () => {
    await done('create', file('a.vhdx'), '16m')
    for (const name of ['b.vhd', 'c.img', 'd.vhdx']) {
      await done('convert', file('a.vhdx'), file(name))
      const format = { vhd: 'vpc', img: 'raw', vhdx: 'vhdx' }[name.slice(2)] ?? ''
      await run('qemu-img', ['compare', '-f', 'vhdx', '-F', format, file('a.vhdx'), file(name)])
    }
  })
})
