import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hostRelease, IntegrationServices } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { Machine } from '@bis/machine'
import { utilsDrivers } from '@bis/utils'
import { serveCharacterDevice } from '@bis/utils/node'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BisProcess } from '../bis-process.ts'
import { havePrograms } from '../programs.ts'

const PRELOAD = fileURLToPath(
  new URL('../../../../packages/utils/test/support/character-device-preload.c', import.meta.url),
)

let folder: string
let machine: Machine
let services: IntegrationServices
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-utilsd-'))
  services = new IntegrationServices({ release: hostRelease('2022'), clock: systemClock })
  const modules = [{ name: 'hv_utils', drivers: utilsDrivers() as never }]
  machine = await Machine.powerOn({ release: '2022', devices: services.components, modules })
})
afterEach(async () => {
  await machine.powerOff()
  await rm(folder, { recursive: true, force: true })
})

/** Runs one of our daemons on the machine's device, until `work` is done. */
async function withDaemon(
  device: string,
  unit: string,
  args: string[],
  work: (daemon: BisProcess) => Promise<void>,
  more: NodeJS.ProcessEnv = {},
): Promise<void> {
  const found = machine.kernel.characterDevices.get(device)
  if (found === undefined) throw new Error(`no /dev/${device}`)
  await using server = await serveCharacterDevice(found, join(folder, 'device.socket'))
  const preload = join(folder, 'preload.so')
  execFileSync('gcc', ['-Wall', '-O1', '-shared', '-fPIC', '-o', preload, PRELOAD])
  const env = { LD_PRELOAD: preload, BIS_DEVICES: `/dev/${device}=${server.path}`, ...more }
  const daemon = new BisProcess(args, { env })
  try {
    for (let tries = 0; machine.kernel.sysctl.get(`dev.${unit}.0.daemon`) !== 'idle'; tries++) {
      if (tries === 1000) throw new Error(`${args[0]} does not register`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await work(daemon)
  } finally {
    await daemon.end('SIGTERM')
  }
}

describe.skipIf(process.platform !== 'linux' || !havePrograms('gcc'))("the daemons' commands", () => {
  it('bis fcopyd takes the files of the host', async () => {
    const files = join(folder, 'files')
    await mkdir(files)
    await withDaemon('vmbus/hv_fcopy', 'hvfcopy', ['fcopyd', '--files', files], async () => {
      const source = { size: 20_000, read: async (_: number, target: Uint8Array) => void target.fill(7) }
      await services.fileCopy.copy({ name: 'größe', folder: '/deep/', source, createPath: true })
    })
    expect((await readFile(join(files, 'deep/größe'))).equals(Buffer.alloc(20_000, 7))).toBe(true)
  })

  it('bis vssd has a program freeze and thaw', async () => {
    const log = join(folder, 'log')
    const hook = join(folder, 'hook.sh')
    await writeFile(hook, `#!/bin/sh\nunset LD_PRELOAD\necho "$1" >> ${log}\n`)
    await chmod(hook, 0o755)
    await withDaemon('vmbus/hv_vss', 'hvvss', ['vssd', '--hook', hook], () =>
      services.vss.whileFrozen(async () => expect(await readFile(log, 'utf8')).toBe('check\nfreeze\n')),
    )
    expect(await readFile(log, 'utf8')).toBe('check\nfreeze\nthaw\n')
  })

  /** A table of mounts and a program that stand in for this machine's: none of its file systems can be reached. */
  async function mounts(): Promise<{ env: NodeJS.ProcessEnv; seen: () => Promise<string[]> }> {
    const log = join(folder, 'log')
    const table = [
      '/dev/bisa / ext4 rw',
      `/dev/bisb ${folder} xfs rw`,
      '/dev/bisc /cd iso9660 ro',
      'proc /proc proc rw',
    ]
    await writeFile(log, '')
    await writeFile(join(folder, 'mounts'), table.map((line) => `${line} 0 0\n`).join(''))
    await writeFile(join(folder, 'fsfreeze'), `#!/bin/sh\nunset LD_PRELOAD\necho "$1 $2" >> ${log}\n`)
    await chmod(join(folder, 'fsfreeze'), 0o755)
    const env = { BIS_FOLDERS: `/proc/self/mounts=${join(folder, 'mounts')}`, PATH: `${folder}:/usr/bin:/bin` }
    return {
      env,
      seen: async () => (await readFile(log, 'utf8')).replaceAll(folder, '/data').split('\n').filter(Boolean),
    }
  }

  it('bis vssd freezes the mounted file systems, the root last, and thaws them in reverse', async () => {
    const { env, seen } = await mounts()
    const work = async (daemon: BisProcess): Promise<void> => {
      expect(await services.vss.canBackUp()).toBe(true)
      await services.vss.whileFrozen(async () => expect(await seen()).toEqual(['-f /data', '-f /']))
      await daemon.until(/not \/cd: iso9660 cannot be frozen/)
    }
    await withDaemon('vmbus/hv_vss', 'hvvss', ['vssd'], work, env)
    expect((await seen()).slice(2)).toEqual(['-u /', '-u /data'])
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)('[VS-02] bis vssd leaves nothing frozen after %s', async (signal) => {
    const { env, seen } = await mounts()
    const work = async (daemon: BisProcess): Promise<void> => {
      await services.vss.freeze()
      await daemon.end(signal)
      await vi.waitFor(async () => expect((await seen()).slice(2)).toEqual(['-u /', '-u /data']))
    }
    await withDaemon('vmbus/hv_vss', 'hvvss', ['vssd'], work, env)
  })

  it('bis vssd --dry-run prints what would be frozen, and why the rest is not', async () => {
    const { env } = await mounts()
    const preload = join(folder, 'preload.so')
    execFileSync('gcc', ['-Wall', '-O1', '-shared', '-fPIC', '-o', preload, PRELOAD])
    const args = ['vssd', '--dry-run', '--exclude', '/']
    const { stdout } = await new BisProcess(args, { env: { ...env, LD_PRELOAD: preload } }).ended
    expect(stdout.replaceAll(folder, '/data')).toBe(
      'freeze /data\nskip /: it is excluded\nskip /cd: iso9660 cannot be frozen\n',
    )
  })

  it.each([
    ['vssd', 'hv_vss', [], '-t bis-vssd -p daemon.info -- not /cd: iso9660 cannot be frozen\n'],
    ['fcopyd', 'hv_fcopy', ['--files', '.'], '-t bis-fcopyd -p daemon.warning -- file copy refused'],
  ])('bis %s logs to syslog', async (command, device, args, line) => {
    const log = join(folder, 'syslog')
    const { env } = await mounts()
    await writeFile(log, '')
    await writeFile(join(folder, 'logger'), `#!/bin/sh\nunset LD_PRELOAD\necho "$*" >> ${log}\n`)
    await chmod(join(folder, 'logger'), 0o755)
    const work = async (): Promise<void> => {
      if (command === 'vssd') {
        await services.vss.canBackUp()
      } else {
        const copied = services.fileCopy.copy({
          name: 'x',
          folder: '/none/',
          source: { size: 1, read: async () => {} },
        })
        await expect(copied).rejects.toMatchObject({ code: 'refused' })
      }
      await vi.waitFor(async () => expect(await readFile(log, 'utf8')).toContain(line), { timeout: 3000 })
    }
    await withDaemon(`vmbus/${device}`, device.replace('_', ''), [command, '--syslog', ...args], work, env)
  })

  it('say in one line what is wrong', async () => {
    for (const [args, text] of [
      [['fcopyd'], 'bis fcopyd: --files DIR is missing'],
      [['vssd', '--hook', 'true', '--exclude', '/'], 'bis vssd: --exclude has no meaning with --hook'],
      [['vssd', '--hook', 'true', '--device', join(folder, 'none')], 'there is no such device'],
    ] as const) {
      const { status, stderr } = await new BisProcess(args).ended
      expect([status === 0, stderr.trim().split('\n').length, stderr.includes(text)]).toEqual([false, 1, true])
    }
  })
})
