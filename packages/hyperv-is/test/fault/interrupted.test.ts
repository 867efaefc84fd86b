import { chmod, rm, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { deinstallPort, installPort } from '../../src/node/index.ts'
import type { FileWork } from '../../src/node/transaction.ts'
import { realFileWork } from '../../src/node/transaction.ts'
import { makeRoot, snapshot } from '../root-folders.ts'

/** Fails at one operation; with `for ever` every later one fails too, as when the process is gone. */
function failing(at: number, forEver: boolean): FileWork & { readonly count: number } {
  let count = 0
  const through = async (work: () => Promise<void>): Promise<void> => {
    count++
    if (count === at || (forEver && count > at)) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    await work()
  }
  return {
    get count() {
      return count
    },
    // Without waiting for the disk, which would take most of the time.
    writeFile: (path, bytes, mode) =>
      through(async () => {
        await writeFile(path, bytes)
        await chmod(path, mode)
      }),
    rename: (from, to) => through(() => realFileWork.rename(from, to)),
    unlink: (path) => through(() => realFileWork.unlink(path)),
    mkdir: (path) => through(() => realFileWork.mkdir(path)),
    rmdir: (path) => through(() => realFileWork.rmdir(path)),
  }
}

async function inRoot(test: (root: string) => Promise<void>): Promise<void> {
  const root = await makeRoot()
  try {
    await test(root)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

describe('a failure at any step', () => {
  it('of installing leaves the root folder as it was', () =>
    inRoot(async (root) => {
      const before = await snapshot(root)
      for (let at = 1; ; at++) {
        const work = failing(at, false)
        const outcome = await installPort({ root, release: '10.0', work }).catch((error: unknown) => error)
        if (!(outcome instanceof Error)) break
        expect(outcome).toMatchObject({ name: 'PortError', code: 'io' })
        expect(await snapshot(root), `operation ${at}`).toEqual(before)
      }
    }))

  it('of removing leaves it installed', () =>
    inRoot(async (root) => {
      const clean = await snapshot(root)
      await installPort({ root, release: '10.0' })
      const before = await snapshot(root)
      for (let at = 1; ; at++) {
        const work = failing(at, false)
        const outcome = await deinstallPort({ root, release: '10.0', work }).catch((error: unknown) => error)
        if (!(outcome instanceof Error)) break
        expect(await snapshot(root), `operation ${at}`).toEqual(before)
      }
      expect(await snapshot(root)).toEqual(clean)
    }))
})

describe('a crash at any step', () => {
  it('of installing is put right by the next command', () =>
    inRoot(async (root) => {
      const before = await snapshot(root)
      const whole = failing(Number.POSITIVE_INFINITY, true)
      await installPort({ root, release: '10.0', work: whole })
      const installed = await snapshot(root)
      await deinstallPort({ root, release: '10.0' })
      for (let at = 1; at <= whole.count; at++) {
        await expect(installPort({ root, release: '10.0', work: failing(at, true) })).rejects.toThrow()
        await expect(deinstallPort({ root, release: '10.0' })).rejects.toMatchObject({ code: 'not-installed' })
        expect(await snapshot(root), `operation ${at}`).toEqual(before)
      }
      await installPort({ root, release: '10.0' })
      expect(await snapshot(root)).toEqual(installed)
    }))
})
