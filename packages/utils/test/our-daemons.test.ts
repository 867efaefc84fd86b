import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileCopyComponent, VssComponent } from '@bis/host'
import type { CharacterFile, Clock } from '@bis/hyperv-types'
import { silentLogger, systemClock } from '@bis/hyperv-types'
import { IcStatus } from '@bis/hyperv-types/ic'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileCopyDriver, serveFileCopy, serveSnapshots, vssDriver } from '../src/index.ts'
import { fileCopyFolder } from '../src/node/index.ts'
import type { Guest } from './support/guest.ts'
import { bootGuest, hostOptions } from './support/guest.ts'

let root: string
let guest: Guest<Clock>
let vss: VssComponent
let fileCopy: FileCopyComponent
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bis-ours-'))
  vss = new VssComponent(hostOptions(systemClock))
  fileCopy = new FileCopyComponent(hostOptions(systemClock))
  guest = await bootGuest([vssDriver(), fileCopyDriver()], [vss, fileCopy], systemClock)
  await new Promise((resolve) => setTimeout(resolve, 20))
})
afterEach(async () => {
  await guest.tree.shutdown()
  await rm(root, { recursive: true, force: true })
})

function open(path: string): CharacterFile {
  const file = guest.kernel.characterDevices.get(path)?.open()
  if (file === undefined) throw new Error(`no /dev/${path}`)
  return file
}

const bytes = Uint8Array.from({ length: 50_000 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24)
const source = {
  size: bytes.length,
  read: async (offset: number, target: Uint8Array) => target.set(bytes.subarray(offset, offset + target.length)),
}

describe('our own daemons on our driver', () => {
  it('takes files as hv_fcopy_daemon does, and removes what is not whole when it ends', async () => {
    const abort = new AbortController()
    const daemon = serveFileCopy(open('vmbus/hv_fcopy'), fileCopyFolder({ root }), {
      log: silentLogger,
      signal: abort.signal,
    })
    daemon.catch(() => {})
    await fileCopy.copy({ name: 'Grüße 😀', folder: '/a/b/', source, createPath: true })
    expect(Buffer.compare(await readFile(join(root, 'a/b/Grüße 😀')), bytes)).toBe(0)
    const again = fileCopy.copy({ name: 'Grüße 😀', folder: '/a/b/', source })
    await expect(again).rejects.toMatchObject({ status: IcStatus.ALREADY_EXISTS })
    await expect(fileCopy.copy({ name: 'x', folder: '/../', source })).rejects.toMatchObject({ code: 'refused' })
    const onProgress = (done: number): void => {
      if (done > 20_000) abort.abort()
    }
    const cut = fileCopy.copy({ name: 'cut', folder: '/', source, onProgress })
    cut.catch(() => {})
    await expect(daemon).rejects.toMatchObject({ code: 'aborted' })
    expect(await readdir(root)).toEqual(['a'])
  })

  it('freezes and thaws as hv_vss_daemon does, and thaws when it ends', async () => {
    const log: string[] = []
    const abort = new AbortController()
    let able = true
    const hook = {
      name: 'test',
      check: () => able,
      freeze: () => void log.push('freeze'),
      thaw: () => void log.push('thaw'),
    }
    const daemon = serveSnapshots(open('vmbus/hv_vss'), hook, { log: silentLogger, signal: abort.signal })
    daemon.catch(() => {})
    await vss.whileFrozen(async () => void log.push('copy'))
    expect(log).toEqual(['freeze', 'copy', 'thaw'])
    able = false
    expect(await vss.canBackUp()).toBe(false)
    await vss.freeze()
    abort.abort()
    await expect(daemon).rejects.toMatchObject({ code: 'aborted' })
    expect(log.slice(3)).toEqual(['freeze', 'thaw'])
  })
})
