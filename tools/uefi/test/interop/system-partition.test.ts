import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findBootLoader, readDiskContents } from '../../src/index.ts'
import { loader } from '../support/boot-disk.ts'
import { memoryDisk } from '../support/memory-disk.ts'
import { havePrograms } from '../support/programs.ts'

const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
const run = (program: string, ...args: string[]) => promisify(execFile)(program, args, { env })
const MIB = 2 ** 20

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-uefi-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe.skipIf(!havePrograms('sgdisk', 'mkfs.fat', 'mmd', 'mcopy'))('a system partition of other makers', () => {
  for (const [bits, mib] of [
    ['12', 4],
    ['16', 16],
    ['32', 40],
  ] as const) {
    it(`is read: sgdisk, mkfs.fat -F ${bits}, mcopy`, async () => {
      const [disk, volume, file] = ['disk', 'volume', 'loader'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ]
      await writeFile(file, loader)
      await writeFile(volume, '')
      await truncate(volume, mib * MIB)
      await run('mkfs.fat', '-F', bits, '-n', 'ESP', volume)
      await run('mmd', '-i', volume, '::Efi', '::Efi/Boot', '::Efi/A vendor with a long name')
      await run('mcopy', '-i', volume, file, '::Efi/Boot/bootx64.efi')
      await writeFile(disk, '')
      await truncate(disk, (mib + 4) * MIB)
      await run('sgdisk', '-n', `1:2048:+${mib}M`, '-t', '1:ef00', '-c', '1:EFI system', disk)
      const bytes = new Uint8Array(await readFile(disk))
      bytes.set(await readFile(volume), MIB)
      const found = await findBootLoader(memoryDisk(bytes))
      expect(found).toMatchObject({ fileSystem: `FAT${bits}`, partition: { number: 1, label: 'EFI system' } })
      expect(found.path.toLowerCase()).toBe('efi/boot/bootx64.efi')
      expect(found.bytes).toEqual(loader)
    })
  }

  it('is FAT32 when it says so, with fewer clusters than Microsoft asks for', async () => {
    const volume = join(folder, 'volume')
    await writeFile(volume, '')
    await truncate(volume, 20 * MIB)
    await run('mkfs.fat', '-F', '32', volume)
    const { table, volumes } = await readDiskContents(memoryDisk(new Uint8Array(await readFile(volume))))
    expect([table.scheme, volumes[0]?.volume.type]).toEqual(['none', 'FAT32'])
  })
})
