import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BlockDevice, BlockGeometry } from '@bis/hyperv-types'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { havePrograms } from '../../test/programs.ts'
import { NbdExport } from './export.ts'
import { resizeExport } from './resize-client.ts'
import type { NbdServer } from './server.ts'
import { serveNbd } from './server.ts'

const run = promisify(execFile)

/** A disk in memory that, as a real one, takes whole blocks only. */
class RamDisk implements BlockDevice {
  readonly name = 'da0'
  readonly description = '<Test RAM disk>'
  readonly bytes: Uint8Array
  readonly geometry: BlockGeometry
  flushes = 0

  constructor(blockSize: number, blockCount: number, readOnly = false) {
    this.bytes = new Uint8Array(blockSize * blockCount)
    const trim = { granularity: 1, maxBlocks: 0xffff, maxRanges: 1 }
    this.geometry = { blockSize, physicalBlockSize: blockSize, blockCount, readOnly, trim, maxTransferBytes: 131_072 }
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.#check(offset, target.length)
    target.set(this.bytes.subarray(offset, offset + target.length))
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    this.#check(offset, source.length)
    this.bytes.set(source, offset)
  }

  async flush(): Promise<void> {
    this.flushes++
  }

  async trim(offset: number, length: number): Promise<void> {
    this.#check(offset, length)
    this.bytes.fill(0, offset, offset + length)
  }

  onEvent(): () => void {
    return () => {}
  }

  #check(offset: number, length: number): void {
    const { blockSize } = this.geometry
    if (offset % blockSize !== 0 || length % blockSize !== 0) throw new RangeError('not whole blocks')
  }
}

const programs = ['nbdinfo', 'nbdcopy', 'qemu-io']

describe.skipIf(!havePrograms(...programs))(
  'NBD server with libnbd and QEMU as clients (skipped without nbdinfo, nbdcopy, qemu-io)',
  () => {
    let folder: string
    let server: NbdServer | undefined

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'bis-nbd-'))
    })

    afterEach(async () => {
      await server?.close()
      await rm(folder, { recursive: true })
    })

    async function serve(disk: BlockDevice): Promise<string> {
      const path = join(folder, 'socket')
      server = await serveNbd(new NbdExport(disk), path)
      return `nbd+unix:///?socket=${path}`
    }

    it('tells its size and abilities', async () => {
      const uri = await serve(new RamDisk(512, 5000, true))
      const { stdout } = await run('nbdinfo', ['--json', uri])
      const [info] = JSON.parse(stdout).exports
      expect(info).toMatchObject({ 'export-size': 2_560_000, is_read_only: true, can_multi_conn: true })
      const list = await run('nbdinfo', ['--list', uri])
      expect(list.stdout).toContain('export="da0"')
    })

    it('is read and written byte for byte by nbdcopy with several connections', async () => {
      const disk = new RamDisk(4096, 4096)
      for (let i = 0; i < disk.bytes.length; i++) disk.bytes[i] = (i * 2_654_435_761) >>> 24
      const uri = await serve(disk)
      const copy = join(folder, 'copy')
      await run('nbdcopy', ['--connections=4', uri, copy])
      expect(Buffer.compare(await readFile(copy), disk.bytes)).toBe(0)
      const reversed = Buffer.from(disk.bytes).reverse()
      await writeFile(copy, reversed)
      await run('nbdcopy', ['--flush', copy, uri])
      expect(Buffer.compare(reversed, disk.bytes)).toBe(0)
      expect(disk.flushes).toBeGreaterThan(0)
    })

    it('takes requests that are not whole blocks, and refuses those beyond the end', async () => {
      const disk = new RamDisk(4096, 16)
      disk.bytes.fill(0x11)
      const uri = await serve(disk)
      await run('qemu-io', [
        '-f',
        'raw',
        '-c',
        'write -P 0x22 4000 200',
        '-c',
        'read -P 0x22 4000 200',
        '-c',
        'flush',
        uri,
      ])
      expect(disk.bytes.subarray(3999, 4201)).toEqual(
        Uint8Array.from({ length: 202 }, (_, i) => (i === 0 || i === 201 ? 0x11 : 0x22)),
      )
      await run('qemu-io', ['-f', 'raw', '-c', 'discard 0 8192', '-c', 'write -z 8192 8192', uri])
      expect(disk.bytes.subarray(0, 16_384).every((byte) => byte === 0)).toBe(true)
      const beyond = await run('qemu-io', ['-f', 'raw', '-c', 'read 65000 1000', uri]).catch((error) => error)
      expect(`${beyond.stdout}${beyond.stderr}`).toMatch(/failed|Invalid|beyond/i)
    })

    it('changes its size when asked to, and a client that comes then sees it', async () => {
      const disk = new RamDisk(512, 2048)
      const path = join(folder, 'socket')
      const resize = async (bytes: number): Promise<void> => {
        if (bytes > 2 ** 21) throw Object.assign(new Error('full'), { code: 'out-of-space' })
        Object.assign(disk, { geometry: { ...disk.geometry, blockCount: bytes / 512 } })
      }
      server = await serveNbd(new NbdExport(disk, { resize }), path)
      await resizeExport(path, (now) => now + 2 ** 19)
      const { stdout } = await run('nbdinfo', ['--size', `nbd+unix:///?socket=${path}`])
      expect(Number(stdout)).toBe(2 ** 20 + 2 ** 19)
      await expect(resizeExport(path, () => 2 ** 22)).rejects.toMatchObject({ message: /no space left/ })
      await expect(resizeExport(path, () => 1000)).rejects.toMatchObject({ message: /cannot have that size/ })
      await server.close()
      server = await serveNbd(new NbdExport(disk), path)
      await expect(resizeExport(path, (now) => now)).rejects.toMatchObject({ message: /cannot change the size/ })
    })

    it('leaves zeroing to the disk, but for the ends of the range that are not whole blocks', async () => {
      const disk = new RamDisk(4096, 16)
      disk.bytes.fill(0x11)
      const zeroed: [number, number][] = []
      const writeZeroes = async (offset: number, length: number): Promise<void> => {
        zeroed.push([offset, length])
        disk.bytes.fill(0, offset, offset + length)
      }
      const uri = await serve(Object.assign(disk, { writeZeroes }))
      await run('qemu-io', ['-f', 'raw', '-c', 'write -z -u 4000 20000', '-c', 'write -z 40960 4096', uri])
      expect(zeroed).toEqual([[4096, 16_384]]) // the second one must not leave a hole
      const expected = new Uint8Array(65_536).fill(0x11).fill(0, 4000, 24_000).fill(0, 40_960, 45_056)
      expect(Buffer.compare(disk.bytes, expected)).toBe(0)
    })

    it('lets requests under way end when it closes, and removes its socket', async () => {
      const uri = await serve(new RamDisk(512, 64))
      await run('nbdinfo', ['--size', uri])
      await server?.close()
      await expect(run('nbdinfo', ['--size', uri])).rejects.toThrow()
      server = undefined
    })

    it('says what is wrong with a socket path it cannot use', async () => {
      await expect(serveNbd(new NbdExport(new RamDisk(512, 8)), join(folder, 'no/such/folder'))).rejects.toMatchObject({
        code: 'input',
      })
    })
  },
)
