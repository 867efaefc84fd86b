import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FileCopyComponent, VssComponent } from '@bis/host'
import type { Clock } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { IcStatus } from '@bis/hyperv-types/ic'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileCopyDriver, vssDriver } from '../../src/index.ts'
import type { CharacterDeviceServer } from '../../src/node/index.ts'
import { serveCharacterDevice } from '../../src/node/index.ts'
import type { Guest } from '../support/guest.ts'
import { bootGuest, hostOptions } from '../support/guest.ts'
import { compilePreload, havePrograms } from '../support/programs.ts'

let folder: string
let guest: Guest<Clock>
let vss: VssComponent
let fileCopy: FileCopyComponent
let server: CharacterDeviceServer | undefined
let daemon: ChildProcess | undefined

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 1000) throw new Error(`still not so: ${condition}`)
    await delay(10)
  }
}

/** Starts a daemon of the distribution on our device, and waits until it is registered. */
async function start(program: string, device: string, unit: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const found = guest.kernel.characterDevices.get(device)
  if (found === undefined) throw new Error(`no /dev/${device}`)
  server = await serveCharacterDevice(found, join(folder, `${unit}.socket`))
  compilePreload(join(folder, 'preload.so'))
  daemon = spawn(`/usr/sbin/${program}`, ['-n'], {
    env: {
      ...process.env,
      ...env,
      LD_PRELOAD: join(folder, 'preload.so'),
      BIS_DEVICES: `/dev/${device}=${server.path}`,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await until(() => guest.sysctl(`dev.${unit}.daemon`) === 'idle')
}

async function stop(signal: NodeJS.Signals): Promise<void> {
  if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
  const ended = once(daemon, 'exit')
  daemon.kill(signal)
  await ended
}

const programs = havePrograms('hv_vss_daemon', 'hv_fcopy_daemon', 'gcc')

describe.skipIf(process.platform !== 'linux' || !programs)("Debian's daemons on our driver", () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bis-daemons-'))
    vss = new VssComponent(hostOptions(systemClock))
    fileCopy = new FileCopyComponent(hostOptions(systemClock))
    guest = await bootGuest([vssDriver(), fileCopyDriver()], [vss, fileCopy], systemClock)
    await until(() => vss.state === 'ready' && fileCopy.state === 'ready')
  })

  afterEach(async () => {
    await stop('SIGKILL')
    await server?.[Symbol.asyncDispose]()
    server = undefined
    await guest.tree.shutdown()
    await rm(folder, { recursive: true, force: true })
  })

  /** A table of mounts, of which none is there; the preload library writes down what would be frozen. */
  async function startVss(...mounts: [device: string, path: string, type: string, options: string][]) {
    const log = join(folder, 'freezes')
    const lines: string[] = []
    for (const [device, path, type, options] of mounts) {
      await mkdir(join(folder, path), { recursive: true })
      lines.push(`${device} ${join(folder, path)} ${type} ${options} 0 0\n`)
    }
    await writeFile(join(folder, 'mounts'), lines.join(''))
    await writeFile(log, '')
    const env = { BIS_MOUNTS: join(folder, 'mounts'), BIS_FREEZES: log }
    await start('hv_vss_daemon', 'vmbus/hv_vss', 'hvvss.0', env)
    return async () => (await readFile(log, 'utf8')).replaceAll(folder, '').trim().split('\n').filter(Boolean)
  }

  it('hv_vss_daemon completes a freeze and a thaw', async () => {
    const seen = await startVss(['/dev/bisa1', '/data', 'ext4', 'rw'], ['/dev/bisb1', '/home', 'xfs', 'rw'])
    expect(await vss.canBackUp()).toBe(true)
    await vss.whileFrozen(async () => expect(await seen()).toEqual(['freeze /data', 'freeze /home']))
    expect((await seen()).slice(2)).toEqual(['thaw /data', 'thaw /home'])
    expect(guest.sysctl('dev.hvvss.0.freezer')).toBe('thawed')
  })

  it('[VS-03] hv_vss_daemon leaves out what cannot be frozen', async () => {
    const seen = await startVss(
      ['/dev/bisa1', '/data', 'ext4', 'rw'],
      ['/dev/bisc1', '/cd', 'iso9660', 'ro'],
      ['/dev/bisd1', '/boot', 'vfat', 'rw'],
      ['server:/x', '/net', 'nfs', 'rw'],
      ['tmpfs', '/tmp', 'tmpfs', 'rw'],
    )
    await vss.whileFrozen(async () => {})
    expect(await seen()).toEqual(['freeze /data', 'thaw /data'])
  })

  it('[VS-02] hv_vss_daemon fails the freeze and has thawed when one file system cannot be frozen', async () => {
    const seen = await startVss(['/dev/bisa1', '/data', 'ext4', 'rw'], ['/dev/bisb1', '/broken', 'ext4', 'rw'])
    await expect(vss.freeze()).rejects.toMatchObject({ code: 'refused', status: IcStatus.E_FAIL })
    expect(await seen()).toEqual(expect.arrayContaining(['freeze /data', 'thaw /data']))
    expect(guest.sysctl('dev.hvvss.0.freezer')).toBe('thawed')
  })

  it('[VS-05] is not available when hv_vss_daemon was killed', async () => {
    await startVss(['/dev/bisa1', '/data', 'ext4', 'rw'])
    await stop('SIGKILL')
    await until(() => guest.sysctl('dev.hvvss.0.daemon') === 'none')
    expect(await vss.canBackUp()).toBe(false)
  })

  const bytes = Uint8Array.from({ length: 50_000 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24)
  const source = {
    size: bytes.length,
    read: async (offset: number, target: Uint8Array) => target.set(bytes.subarray(offset, offset + target.length)),
  }

  it('hv_fcopy_daemon takes a file, whole and with a name beyond ASCII', async () => {
    await start('hv_fcopy_daemon', 'vmbus/hv_fcopy', 'hvfcopy.0')
    const target = join(folder, 'files', 'deep')
    await fileCopy.copy({ name: 'Grüße 😀.bin', folder: `${target}/`, source, createPath: true })
    expect(Buffer.compare(await readFile(join(target, 'Grüße 😀.bin')), bytes)).toBe(0)
    const again = fileCopy.copy({ name: 'Grüße 😀.bin', folder: `${target}/`, source })
    await expect(again).rejects.toMatchObject({ code: 'refused', status: IcStatus.ALREADY_EXISTS })
    await fileCopy.copy({ name: 'Grüße 😀.bin', folder: `${target}/`, source, overwrite: true })
    const nowhere = fileCopy.copy({ name: 'x', folder: `${folder}/missing/`, source })
    await expect(nowhere).rejects.toMatchObject({ code: 'refused', status: IcStatus.E_FAIL })
    expect(guest.sysctl('dev.hvfcopy.0.files')).toBe(2)
  })

  it('hv_fcopy_daemon removes the file of a copy that is cancelled', async () => {
    await start('hv_fcopy_daemon', 'vmbus/hv_fcopy', 'hvfcopy.0')
    await mkdir(join(folder, 'files'))
    const abort = new AbortController()
    const onProgress = (done: number): void => {
      if (done > 20_000) abort.abort()
    }
    const copied = fileCopy.copy({ name: 'x', folder: `${folder}/files/`, source, signal: abort.signal, onProgress })
    await expect(copied).rejects.toMatchObject({ code: 'aborted' })
    await until(() => guest.sysctl('dev.hvfcopy.0.daemon') === 'idle')
    expect(await readdir(join(folder, 'files'))).toEqual([])
  })
})
