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
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
async function withDaemon(device: string, unit: string, args: string[], work: () => Promise<void>): Promise<void> {
  const found = machine.kernel.characterDevices.get(device)
  if (found === undefined) throw new Error(`no /dev/${device}`)
  await using server = await serveCharacterDevice(found, join(folder, 'device.socket'))
  const preload = join(folder, 'preload.so')
  execFileSync('gcc', ['-Wall', '-O1', '-shared', '-fPIC', '-o', preload, PRELOAD])
  const env = { LD_PRELOAD: preload, BIS_DEVICES: `/dev/${device}=${server.path}` }
  const daemon = new BisProcess(args, { env })
  try {
    for (let tries = 0; machine.kernel.sysctl.get(`dev.${unit}.0.daemon`) !== 'idle'; tries++) {
      if (tries === 1000) throw new Error(`${args[0]} does not register`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await work()
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

  it('say in one line what is wrong', async () => {
    for (const [args, text] of [
      [['fcopyd'], 'bis fcopyd: --files DIR is missing'],
      [['vssd'], 'bis vssd: --hook PROGRAM is missing'],
      [['vssd', '--hook', 'true', '--device', join(folder, 'none')], 'there is no such device'],
    ] as const) {
      const { status, stderr } = await new BisProcess(args).ended
      expect([status === 0, stderr.trim().split('\n').length, stderr.includes(text)]).toEqual([false, 1, true])
    }
  })
})
