import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bis, exportDisk } from '../bis-process.ts'
import type { ImageFormat } from '../images.ts'
import { FORMATS, hashFile, makeFilesystemImage, run } from '../images.ts'
import { havePrograms } from '../programs.ts'

const PROGRAMS = ['qemu-img', 'qemu-nbd', 'qemu-io', 'nbdcopy', 'mke2fs']

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-pair-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const pathOf = (name: string): string => join(folder, name)
const uriOf = (socket: string): string => `nbd+unix:///?socket=${socket}`

type Serve = (image: string, format: ImageFormat) => Promise<{ uri: string; end(): Promise<void> }>

const byUs: Serve = async (image) => {
  const { process, uri } = await exportDisk(image, pathOf('our-socket'))
  const end = async (): Promise<void> => {
    const { status, stderr } = await process.end()
    expect([status, stderr]).toEqual([0, ''])
  }
  return { uri, end }
}

const byQemu: Serve = async (image, format) => {
  const socket = pathOf('their-socket')
  const child = spawn('qemu-nbd', ['-f', format.qemu, '--discard=unmap', '-t', '-e', '4', '-k', socket, image], {
    stdio: 'ignore',
  })
  const gone = once(child, 'exit')
  while ((await access(socket).catch(() => 'not yet')) !== undefined) {
    if (child.exitCode !== null) throw new Error(`qemu-nbd ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const end = async (): Promise<void> => {
    child.kill('SIGTERM')
    await gone
    await rm(socket, { force: true })
  }
  return { uri: uriOf(socket), end }
}

async function contentOf(serve: Serve, image: string, format: ImageFormat): Promise<string> {
  const { uri, end } = await serve(image, format)
  const copy = pathOf('copy')
  await run('nbdcopy', ['--no-extents', uri, copy])
  await end()
  return hashFile(copy)
}

async function change(serve: Serve, image: string, format: ImageFormat, pattern: number): Promise<void> {
  const { uri, end } = await serve(image, format)
  const write = (offset: string, length: string): string[] => ['-c', `write -P ${pattern} ${offset} ${length}`]
  const zero = ['-c', `write -z -u ${pattern % 40}M 1M`, '-c', 'flush']
  await run('qemu-io', ['-f', 'raw', ...write('3M', '2M'), ...write('20000k', '70k'), ...zero, uri])
  await end()
}

describe.skipIf(!havePrograms(...PROGRAMS))(
  `bis nbd and qemu-nbd (skipped unless there are ${PROGRAMS.join(', ')})`,
  () => {
    for (const format of FORMATS) {
      it(`show the same ${format.name} image, and each what the other wrote`, { timeout: 60_000 }, async () => {
        const raw = await makeFilesystemImage(folder)
        const theirs = pathOf(`their-${format.file}`)
        await run('qemu-img', ['convert', '-f', 'raw', ...format.args, raw, theirs])
        const ours = pathOf(`our-${format.file}`)
        const made = await bis(
          'disk',
          'convert',
          raw,
          ours,
          ...(format.name === 'fixed VHD' ? ['--type', 'fixed'] : []),
        )
        expect([made.status, made.stderr]).toEqual([0, ''])
        const content = await hashFile(raw)
        for (const image of [theirs, ours]) {
          expect(await contentOf(byUs, image, format)).toBe(content)
          expect(await contentOf(byQemu, image, format)).toBe(content)
          for (const [pattern, writer, reader] of [
            [7, byUs, byQemu],
            [23, byQemu, byUs],
          ] as const) {
            await change(writer, image, format, pattern)
            const after = await contentOf(writer, image, format)
            expect(after).not.toBe(content)
            expect(await contentOf(reader, image, format)).toBe(after)
          }
          if (format.checked) await run('qemu-img', ['check', '-f', format.qemu, image])
        }
        expect(await contentOf(byUs, ours, format)).toBe(await contentOf(byQemu, theirs, format))
      })
    }

    it('copy from one into the other', { timeout: 60_000 }, async () => {
      const [, , , vhdx] = FORMATS
      if (vhdx === undefined) throw new Error('no VHDX among the formats')
      const raw = await makeFilesystemImage(folder)
      const [theirs, ours] = [pathOf('theirs.vhdx'), pathOf('ours.vhdx')]
      await run('qemu-img', ['convert', '-f', 'raw', ...vhdx.args, raw, theirs])
      expect((await bis('disk', 'create', ours, '48m')).status).toBe(0)
      const [source, target] = [await byQemu(theirs, vhdx), await byUs(ours, vhdx)]
      await run('nbdcopy', ['--flush', source.uri, target.uri])
      await source.end()
      await target.end()
      await run('qemu-img', ['compare', '-f', 'vhdx', '-F', 'raw', ours, raw])
      await rm(theirs)
      await run('qemu-img', ['create', '-q', '-f', 'vhdx', theirs, '48M'])
      const [back, into] = [await byUs(ours, vhdx), await byQemu(theirs, vhdx)]
      await run('nbdcopy', ['--flush', back.uri, into.uri])
      await back.end()
      await into.end()
      await run('qemu-img', ['compare', '-f', 'vhdx', '-F', 'raw', theirs, raw])
    })
  },
)
