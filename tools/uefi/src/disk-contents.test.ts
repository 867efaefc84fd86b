import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { havePrograms } from '../test/support/programs.ts'
import type { ReadBytes } from './byte-source.ts'
import { FatVolume } from './fat/fat-volume.ts'
import { makeFat16 } from './fat/fat-writer.ts'
import { writeGpt } from './gpt/gpt-writer.ts'
import { EFI_SYSTEM_PARTITION, readPartitionTable } from './gpt/partition-table.ts'

const run = promisify(execFile)
const readerOf =
  (bytes: Uint8Array): ReadBytes =>
  async (offset, length) =>
    bytes.slice(offset, offset + length)
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-fs-'))
})
afterEach(() => rm(folder, { recursive: true }))

const files = [
  { path: 'README.TXT', data: new TextEncoder().encode('hello from the host\n') },
  { path: 'EFI/BOOT/BOOTX64.EFI', data: Uint8Array.from({ length: 70_001 }, (_, i) => (i * 31) >>> 3) },
  { path: 'EMPTY', data: new Uint8Array(0) },
]

function disk(): Uint8Array {
  const bytes = new Uint8Array(8 * 2 ** 20)
  const first = 2048
  const last = bytes.length / 512 - 34
  writeGpt(bytes, 'b1500000-0000-4000-8000-000000000001', [
    {
      type: EFI_SYSTEM_PARTITION,
      id: 'b1500000-0000-4000-8000-000000000002',
      label: 'EFI system',
      first,
      last,
    },
  ])
  bytes.set(makeFat16((last - first + 1) * 512, 'BISDEMO', files, first), first * 512)
  return bytes
}

describe('partition table and FAT volume', () => {
  it('reads back what it writes', async () => {
    const bytes = disk()
    const table = await readPartitionTable(readerOf(bytes), 512, bytes.length)
    expect(table.scheme).toBe('GPT')
    expect(table.partitions).toMatchObject([{ number: 1, type: 'efi', label: 'EFI system', offset: 2 ** 20 }])
    const volume = await openFirst(bytes)
    expect(volume?.type).toBe('FAT16')
    const found = (await volume?.files()) ?? []
    expect(found.map(({ path }) => path).sort()).toEqual(files.map(({ path }) => path).sort())
    for (const file of found) {
      expect(await volume?.readFile(file)).toEqual(files.find(({ path }) => path === file.path)?.data)
    }
  })

  it('falls back to the backup table when the primary is broken', async () => {
    const bytes = disk()
    bytes[600] = 0xff
    expect((await readPartitionTable(readerOf(bytes), 512, bytes.length)).scheme).toBe('GPT')
  })

  it('believes nothing: any change of any byte of the structures ends in a result', async () => {
    for (let seed = 1; seed < 100; seed++) {
      const bytes = disk()
      for (let i = 0; i < 8; i++) bytes[2 ** 20 + ((seed * 7919 * (i + 1)) % 40_000)] = (seed * (i + 3)) & 0xff
      const volume = await openFirst(bytes)
      for (const file of ((await volume?.files()) ?? []).slice(0, 5)) await volume?.readFile(file)
    }
  })

  it.skipIf(!havePrograms('sgdisk'))('satisfies sgdisk (skipped without it)', async () => {
    await writeFile(join(folder, 'disk'), disk())
    const { stdout } = await run('sgdisk', ['--verify', join(folder, 'disk')])
    expect(stdout).toContain('No problems found')
  })

  it.skipIf(!havePrograms('fsck.vfat'))('satisfies fsck.vfat (skipped without it)', async () => {
    const volume = makeFat16(6 * 2 ** 20, 'BISDEMO', files, 0)
    await writeFile(join(folder, 'volume'), volume)
    await run('fsck.vfat', ['-n', join(folder, 'volume')])
  })

  for (const bits of [12, 16, 32] as const) {
    it.skipIf(!havePrograms('mkfs.vfat', 'mmd', 'mcopy'))(
      `reads a FAT${bits} volume of mkfs.vfat and mtools, long names included (skipped without them)`,
      async () => {
        const path = join(folder, 'volume')
        const size = { 12: 3000, 16: 20_000, 32: 40_000 }[bits]
        await run('mkfs.vfat', ['-F', String(bits), '-C', path, String(size)])
        const data = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) & 0xff)
        await writeFile(join(folder, 'data'), data)
        await run('mmd', ['-i', path, '::A longer folder name'])
        await run('mcopy', ['-i', path, join(folder, 'data'), '::A longer folder name/Some file with a long name.dat'])
        const image = await readFile(path)
        const volume = await FatVolume.open(readerOf(image), image.length)
        const found = (await volume?.files()) ?? []
        expect(volume?.type).toBe(`FAT${bits}`)
        expect(found.map((file) => file.path)).toEqual(['A longer folder name/Some file with a long name.dat'])
        const [file] = found
        const content = file === undefined ? new Uint8Array() : await volume?.readFile(file)
        expect(hash(content ?? new Uint8Array())).toBe(hash(data))
      },
    )
  }
})

async function openFirst(bytes: Uint8Array): Promise<FatVolume | undefined> {
  const table = await readPartitionTable(readerOf(bytes), 512, bytes.length)
  const [partition] = table.partitions
  if (partition === undefined) return undefined
  const read: ReadBytes = (offset, length) => readerOf(bytes)(partition.offset + offset, length)
  return FatVolume.open(read, partition.size)
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
