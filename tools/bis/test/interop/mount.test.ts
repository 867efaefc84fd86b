import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bis, exportDisk } from '../bis-process.ts'
import { hashFile, run } from '../images.ts'
import { havePrograms, isThere } from '../programs.ts'

const PROGRAMS = [
  'nbdfuse',
  'fusermount',
  'mke2fs',
  'e2fsck',
  'resize2fs',
  'mount',
  'umount',
  'fstrim',
  'tar',
  'qemu-img',
]
const canMount = process.getuid?.() === 0 && isThere('/dev/fuse') && isThere('/dev/loop-control')
const needs = `root, /dev/fuse, loop devices, ${PROGRAMS.join(', ')}`

let folder: string
const cleanups: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-mount-'))
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup().catch(() => {})
  await rm(folder, { recursive: true, force: true })
})

/** Puts the export where it looks like a file. @returns the file, and how to take it away */
async function asFile(uri: string): Promise<{ file: string; end(): Promise<void> }> {
  const place = join(folder, 'fuse')
  await mkdir(place, { recursive: true })
  const file = join(place, 'nbd')
  const child = spawn('nbdfuse', [file, uri], { stdio: 'ignore' })
  const gone = once(child, 'exit')
  const end = async (): Promise<void> => {
    await run('fusermount', ['-u', place])
    await gone
  }
  cleanups.push(end)
  while ((await access(file).catch(() => 'not yet')) !== undefined) {
    if (child.exitCode !== null) throw new Error(`nbdfuse ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { file, end }
}

describe.skipIf(!canMount || !havePrograms(...PROGRAMS))(`ext4 on bis nbd, mounted (skipped without ${needs})`, () => {
  it('is made, filled, trimmed, checked, grown, and there again after a restart', { timeout: 90_000 }, async () => {
    const image = join(folder, 'disk.vhdx')
    await run('qemu-img', ['create', '-q', '-f', 'vhdx', '-o', 'block_size=1M', image, '128M'])
    const mountpoint = join(folder, 'mnt')
    const archive = join(folder, 'files.tar')
    await mkdir(mountpoint)
    await run('tar', ['-C', '/', '-cf', archive, 'etc'])
    const before = await hashFile(archive)

    const mounted = async (file: string, work: () => Promise<void>): Promise<void> => {
      await run('mount', ['-t', 'ext4', '-o', 'loop', file, mountpoint])
      const unmount = (): Promise<unknown> => run('umount', [mountpoint])
      cleanups.push(unmount)
      await work()
      await unmount()
      cleanups.pop()
    }
    const session = async (work: (file: string) => Promise<void>, size?: string): Promise<void> => {
      const { process, uri } = await exportDisk(image, join(folder, 'socket'))
      cleanups.push(() => process.end('SIGKILL'))
      if (size !== undefined) expect(await bis('disk', 'resize', uri, size)).toMatchObject({ status: 0, stderr: '' })
      const { file, end } = await asFile(uri)
      await work(file)
      await end()
      const { status, stderr } = await process.end()
      cleanups.splice(0)
      expect([status, stderr]).toEqual([0, ''])
      await run('qemu-img', ['check', '-q', '-f', 'vhdx', image])
    }

    await session(async (file) => {
      await run('mke2fs', ['-q', '-t', 'ext4', '-E', 'nodiscard', file])
      await mounted(file, async () => {
        await run('tar', ['-C', mountpoint, '-xf', archive])
        for (let copy = 0; copy < 8; copy++) await run('cp', [archive, join(mountpoint, `copy-${copy}`)])
        await run('sync', ['-f', mountpoint])
        for (let copy = 0; copy < 8; copy += 2) await rm(join(mountpoint, `copy-${copy}`))
        const { stdout } = await run('fstrim', ['-v', mountpoint])
        expect(stdout).toMatch(/trimmed/)
      })
      // Not -n: resize2fs wants the time of a check after the mount.
      await run('e2fsck', ['-f', '-p', file])
    })
    await session(async (file) => {
      await run('resize2fs', [file])
      await mounted(file, async () => {
        expect((await statfs(mountpoint)).blocks).toBeGreaterThan(150_000)
        await run('diff', ['-r', '--no-dereference', '/etc', join(mountpoint, 'etc')])
        for (let copy = 1; copy < 8; copy += 2) expect(await hashFile(join(mountpoint, `copy-${copy}`))).toBe(before)
      })
      await run('e2fsck', ['-f', '-n', file])
    }, '192m')
  })
})
