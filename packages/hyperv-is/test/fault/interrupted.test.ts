import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as port from '../../src/node/index.ts'
import { checkPort } from '../../src/node/index.ts'
import { makeRoot, snapshot } from '../root-folders.ts'
import type { Way } from './failing-work.ts'
import { failingWork, NEVER } from './failing-work.ts'

/** Without waiting for the disk, which would take most of the time. */
const installPort = (options: port.InstallOptions) =>
  port.installPort({ work: failingWork(NEVER, 'fails'), ...options })
const deinstallPort = (options: port.InstallOptions) =>
  port.deinstallPort({ work: failingWork(NEVER, 'fails'), ...options })

type Snapshot = Record<string, string>

/** A root folder, how it is without the port and with it; it is without to begin with. */
async function inRoot(test: (root: string, clean: Snapshot, installed: Snapshot) => Promise<void>): Promise<void> {
  const root = await makeRoot()
  try {
    const clean = await snapshot(root)
    await installPort({ root, release: '10.0' })
    const installed = await snapshot(root)
    await deinstallPort({ root, release: '10.0' })
    expect(await snapshot(root)).toEqual(clean)
    await test(root, clean, installed)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

const release = '10.0'
/** In CI at every operation, else at some of them. */
const EACH = process.env['CI'] === undefined ? 4 : 1
const failed = { name: 'PortError', code: 'io' }

/** The operations of a command when nothing goes wrong, and at which of them it can end in this way. */
async function operations(root: string, command: typeof installPort, way: Way) {
  const work = failingWork(NEVER, 'fails')
  await command({ root, release, work })
  const all = work.log.map((_, i) => i + 1)
  const some = all.filter((at) => at % EACH === 0 || at > all.length - 4)
  const places = way === 'tears' ? all.filter((at) => work.log[at - 1]?.[0] === 'writeFile') : some
  return { count: all.length, places }
}

describe('a failure at any step', () => {
  it('of installing leaves the root folder as it was', () =>
    inRoot(async (root, clean) => {
      for (let at = 1; ; at += EACH) {
        const work = failingWork(at, 'fails')
        const outcome = await installPort({ root, release, work }).catch((error: unknown) => error)
        if (!(outcome instanceof Error)) break
        expect(outcome).toMatchObject(failed)
        expect(await snapshot(root), `operation ${at}`).toEqual(clean)
      }
    }))

  it('of removing leaves it installed', () =>
    inRoot(async (root, clean, installed) => {
      await installPort({ root, release })
      for (let at = 1; ; at += EACH) {
        const work = failingWork(at, 'fails')
        const outcome = await deinstallPort({ root, release, work }).catch((error: unknown) => error)
        if (!(outcome instanceof Error)) break
        expect(outcome).toMatchObject(failed)
        expect(await snapshot(root), `operation ${at}`).toEqual(installed)
      }
      expect(await snapshot(root)).toEqual(clean)
    }))
})

describe.each(['crashes', 'tears'] as const)('a command that %s at any step', (way) => {
  it('of installing is put right by the next, whichever that is', () =>
    inRoot(async (root, clean, installed) => {
      const { count, places } = await operations(root, installPort, way)
      await deinstallPort({ root, release })
      for (const at of places) {
        await expect(installPort({ root, release, work: failingWork(at, way) })).rejects.toThrow()
        const removed = await deinstallPort({ root, release }).catch((error: unknown) => error)
        // At the last step, which only brings to the disk that the journal is gone, it is installed.
        if (at < count) expect(removed).toMatchObject({ code: 'not-installed' })
        expect(await snapshot(root), `operation ${at}`).toEqual(clean)
      }
      for (const at of places.filter((_, i) => i % 7 === 0)) {
        await expect(installPort({ root, release, work: failingWork(at, way) })).rejects.toThrow()
        await installPort({ root, release })
        expect(await snapshot(root), `operation ${at}`).toEqual(installed)
        await deinstallPort({ root, release })
      }
    }))

  it('of removing is put right by the next, whichever that is', () =>
    inRoot(async (root, clean, installed) => {
      await installPort({ root, release })
      const { count, places } = await operations(root, deinstallPort, way)
      await installPort({ root, release })
      for (const at of places) {
        await expect(deinstallPort({ root, release, work: failingWork(at, way) })).rejects.toThrow()
        const changes = await installPort({ root, release })
        expect(at < count ? changes : [], `operation ${at}`).toEqual([])
        expect(await snapshot(root), `operation ${at}`).toEqual(installed)
      }
      for (const at of places.filter((_, i) => i % 7 === 0)) {
        await expect(deinstallPort({ root, release, work: failingWork(at, way) })).rejects.toThrow()
        await deinstallPort({ root, release })
        expect(await snapshot(root), `operation ${at}`).toEqual(clean)
        await installPort({ root, release })
      }
    }))

  it('of putting back is put right by the next', () =>
    inRoot(async (root, _clean, installed) => {
      await installPort({ root, release })
      const late = Math.floor((await operations(root, deinstallPort, way)).count * 0.8)
      await installPort({ root, release })
      for (let at = 1; ; at += 3) {
        await expect(deinstallPort({ root, release, work: failingWork(late, way) })).rejects.toThrow()
        const work = failingWork(at, way)
        const outcome = await installPort({ root, release, work }).catch((error: unknown) => error)
        await installPort({ root, release })
        expect(await snapshot(root), `operation ${at}`).toEqual(installed)
        if (!(outcome instanceof Error)) break
      }
    }))
})

describe('what only looks', () => {
  it('says that a command was interrupted, until one has put that right', () =>
    inRoot(async (root, clean) => {
      await expect(installPort({ root, release, work: failingWork(20, 'crashes') })).rejects.toThrow(/run the command/)
      const interrupted = { name: 'PortError', code: 'interrupted' }
      await expect(checkPort(root, release)).rejects.toMatchObject(interrupted)
      await expect(installPort({ root, release, dryRun: true })).rejects.toMatchObject(interrupted)
      await expect(deinstallPort({ root, release })).rejects.toMatchObject({ code: 'not-installed' })
      expect(await snapshot(root)).toEqual(clean)
      expect(await checkPort(root, release)).toMatchObject({ installedFor: undefined })
    }))
})

describe('the order on the disk', () => {
  it.each([
    ['installing', installPort],
    ['removing', deinstallPort],
  ] as const)('of %s: the journal before any change, every change before it goes', (_, command) =>
    inRoot(async (root) => {
      if (command === deinstallPort) await installPort({ root, release })
      const work = failingWork(NEVER, 'fails')
      await command({ root, release, work })
      const journal = join(root, '.hyperv-is.journal')
      const log = work.log.map(([operation, path]) => `${operation} ${path}`)
      const written = log.indexOf(`rename ${journal}`)
      expect(log[written + 1]).toBe(`syncFolder ${root}`)
      const gone = log.lastIndexOf(`unlink ${journal}`)
      expect(log.slice(gone)).toEqual([`unlink ${journal}`, `syncFolder ${root}`])
      const changes = work.log.map(([operation, path], at) => ({ operation, path, at })).slice(written + 2, gone)
      for (const { operation, path, at } of changes) {
        if (operation !== 'rename' && operation !== 'mkdir' && operation !== 'unlink') continue
        if (path.endsWith('.hyperv-is.new')) continue
        const folder = dirname(path)
        const removed = changes.some((other) => other.operation === 'rmdir' && other.path === folder)
        const synced = log.slice(at, gone).includes(`syncFolder ${folder}`)
        expect([path, synced || removed]).toEqual([path, true])
      }
    }),
  )
})

describe('an abort', () => {
  it.each([
    ['installing', installPort],
    ['removing', deinstallPort],
  ] as const)('while %s puts everything back', (_, command) =>
    inRoot(async (root) => {
      if (command === deinstallPort) await installPort({ root, release })
      const before = await snapshot(root)
      const reason = new Error('interrupted')
      const controller = new AbortController()
      const work = failingWork(NEVER, 'fails')
      const { unlink } = work
      let unlinked = 0
      work.unlink = (path) => {
        if (++unlinked === 8) controller.abort(reason)
        return unlink(path)
      }
      await expect(command({ root, release, work, signal: controller.signal })).rejects.toBe(reason)
      expect(await snapshot(root)).toEqual(before)
    }),
  )
})
