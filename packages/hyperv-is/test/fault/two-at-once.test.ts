import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deinstallPort, installPort } from '../../src/node/index.ts'
import { makeRoot, snapshot } from '../root-folders.ts'

const release = '10.0'
let root: string
beforeEach(async () => {
  root = await makeRoot()
})
afterEach(() => rm(root, { recursive: true, force: true }))

const hidden = async (): Promise<string[]> => (await readdir(root)).filter((name) => name.startsWith('.'))

describe('two commands at once', () => {
  it('do not mix: one works, the other says so and changes nothing', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => installPort({ root, release })))
    const failed = outcomes.filter(({ status }) => status === 'rejected')
    expect(failed.length).toBeGreaterThan(0)
    for (const { reason } of failed as PromiseRejectedResult[])
      expect(reason).toMatchObject({ code: 'busy', message: expect.stringContaining(`process ${process.pid}`) })
    expect(await hidden()).toEqual([])
    expect(await installPort({ root, release })).toEqual([])
  })

  it('one that is gone holds nobody up', async () => {
    const gone = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim()
    for (const owner of [`${gone} 12345\n`, `${process.pid} 1\n`, 'what?\n']) {
      await writeFile(join(root, '.hyperv-is.lock'), owner)
      await writeFile(join(root, `.hyperv-is.lock.${gone}.0`), owner)
      await installPort({ root, release })
      await deinstallPort({ root, release })
      expect(await hidden()).toEqual([])
    }
  })

  it('looking on is no command', async () => {
    await writeFile(join(root, '.hyperv-is.lock'), 'held\n')
    const before = await snapshot(root)
    await installPort({ root, release, dryRun: true })
    expect(await snapshot(root)).toEqual(before)
  })
})

describe.skipIf(process.getuid?.() !== 0)('a disk that gets full', () => {
  it('at any place leaves the root folder as it was', async () => {
    const small = join(root, 'small')
    await mkdir(small)
    let full = 0
    for (let kib = 48; ; kib += 8) {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', small])
      try {
        for (const folder of ['etc', 'boot']) await mkdir(join(small, folder))
        await writeFile(join(small, 'etc/fstab'), '/dev/label/root / ufs rw 1 1\n')
        await writeFile(join(small, 'boot/loader.conf'), `# ${'x'.repeat(9000)}\n`)
        const before = await snapshot(small)
        const outcome = await installPort({ root: small, release: '9.3' }).catch((error: unknown) => error)
        if (!(outcome instanceof Error)) break
        expect(outcome.message, `${kib} KiB`).toMatch(/^\S+: no space left on the disk$/)
        expect(outcome).toMatchObject({ code: 'io' })
        expect(await snapshot(small), `${kib} KiB`).toEqual(before)
        full++
      } finally {
        execFileSync('umount', [small])
      }
    }
    expect(full).toBeGreaterThan(3)
  })
})
