import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BisProcess, bis } from './bis-process.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-daemons-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function refused(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await bis(...args)
  expect([status, stdout]).toEqual([1, ''])
  return stderr
}

describe('what the host would find out later is said when a daemon starts', () => {
  it.each(['vssd', 'kvpd'])('%s: a hook that is missing, or no program', async (daemon) => {
    const hook = join(folder, 'hook')
    expect(await refused(daemon, '--hook', hook)).toBe(`bis: --hook ${hook}: no such file\n`)
    await writeFile(hook, 'text')
    for (const path of [hook, folder])
      expect(await refused(daemon, '--hook', path)).toBe(`bis: --hook ${path}: is no program that can be run\n`)
  })

  it('fcopyd: a folder that is none', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    for (const path of [file, join(folder, 'none')])
      expect(await refused('fcopyd', '--files', path)).toBe(`bis: --files ${path}: no such folder\n`)
  })

  it.each([
    ['vssd', '--hook', 'true'],
    ['fcopyd', '--files', '.'],
  ])('%s: a device that is not there, or has nothing to say', async (...args) => {
    expect(await refused(...args, '--device', join(folder, 'none'))).toMatch(/this is no guest of Hyper-V/)
    expect(await refused(...args, '--device', '/dev/null')).toBe('bis: /dev/null cannot be read: it has ended\n')
  })
})

it.runIf(process.platform === 'linux').each(['SIGTERM', 'SIGINT'] as const)('daemons end by %s', async (name) => {
  const device = join(folder, 'device')
  execFileSync('mkfifo', [device])
  const daemon = new BisProcess(['kvpd', '--dir', join(folder, 'pools'), '--device', device])
  await daemon.until(/registered with the kernel/)
  expect((await daemon.end(name)).signal).toBe(name)
})
