import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exportDisk } from '../bis-process.ts'
import type { ImageFormat } from '../images.ts'
import { FORMATS, hashByQemu, hashFile, makeFilesystemImage, run } from '../images.ts'
import { havePrograms } from '../programs.ts'

const PROGRAMS = ['qemu-img', 'nbdcopy', 'fio', 'mke2fs']

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-interop-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function makeImage(format: ImageFormat): Promise<string> {
  const image = join(folder, format.file)
  await run('qemu-img', ['convert', '-f', 'raw', ...format.args, await makeFilesystemImage(folder), image])
  return image
}

/** Writes, and verifies what it reads back. */
async function fio(uri: string, ...options: string[]): Promise<void> {
  const job = ['--name=job', '--ioengine=nbd', `--uri=${uri}`, '--size=24m', '--iodepth=16', '--randseed=20141114']
  const verify = ['--verify=crc32c', '--verify_fatal=1', '--do_verify=1']
  await run('fio', [...job, ...verify, ...options], { cwd: folder })
}

describe.skipIf(!havePrograms(...PROGRAMS))(`bis nbd (skipped unless there are ${PROGRAMS.join(', ')})`, () => {
  for (const format of FORMATS) {
    it(`serves a ${format.name} image of qemu-img byte for byte`, { timeout: 60_000 }, async () => {
      const image = await makeImage(format)
      const { process, uri } = await exportDisk(image, join(folder, 'socket'))
      const copy = join(folder, 'copy')
      await run('nbdcopy', [uri, copy])
      const { status, stderr } = await process.end()
      expect([status, stderr]).toEqual([0, ''])
      expect(await hashFile(copy)).toBe(await hashByQemu(image, format.qemu))
    })

    it(`leaves a ${format.name} image in order after nbdcopy and fio wrote to it and trimmed`, {
      timeout: 120_000,
    }, async () => {
      const image = await makeImage(format)
      const { process, uri } = await exportDisk(image, join(folder, 'socket'))
      const source = join(folder, 'filesystem.raw')
      await run('nbdcopy', ['--flush', source, uri])
      for (const size of ['4k', '64k']) {
        await fio(uri, '--rw=randwrite', `--bs=${size}`, '--fsync=64')
      }
      for (const size of ['4k', '1m']) await fio(uri, '--rw=randtrimwrite', `--bs=${size}`)
      const copy = join(folder, 'copy')
      await run('nbdcopy', [uri, copy])
      expect((await process.end()).stderr).toBe('')
      if (format.checked) await run('qemu-img', ['check', '-f', format.qemu, image])
      expect(await hashByQemu(image, format.qemu)).toBe(await hashFile(copy))
    })
  }
})
