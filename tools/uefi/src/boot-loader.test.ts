import { describe, expect, it } from 'vitest'
import { bootDisk, loader, VOLUME } from '../test/support/boot-disk.ts'
import { memoryDisk } from '../test/support/memory-disk.ts'
import type { BootLoaderErrorCode } from './index.ts'
import { BootLoaderError, findBootLoader, LOADER_PATHS, makeBootDisk, makeFat16 } from './index.ts'

const FREEBSD = '516e7cb4-6ecf-11d6-8ff8-00022d09712b'
const BACKUP = 4 * 2 ** 20 - 512
const FAT = VOLUME + 512

async function refusal(bytes: Uint8Array, options = {}): Promise<[BootLoaderErrorCode, string]> {
  const error = await findBootLoader(memoryDisk(bytes), options).catch((caught: unknown) => caught)
  if (!(error instanceof BootLoaderError)) throw new Error(`not refused: ${error}`)
  return [error.code, error.message]
}

describe('findBootLoader', () => {
  it('reads the loader of the EFI system partition of a GPT disk', async () => {
    const found = await findBootLoader(memoryDisk(bootDisk()))
    expect(found).toMatchObject({ path: LOADER_PATHS.x64, fileSystem: 'FAT16', partition: { number: 1, type: 'efi' } })
    expect(found.bytes).toEqual(loader)
    expect(found.damage).toBeUndefined()
  })

  it('takes the loader of the processor asked for, and says which others there are', async () => {
    const bytes = makeBootDisk([
      { path: LOADER_PATHS.aa64, data: loader.subarray(0, 100) },
      { path: LOADER_PATHS.ia32, data: loader.subarray(0, 200) },
    ])
    expect((await findBootLoader(memoryDisk(bytes), { architecture: 'aa64' })).bytes).toHaveLength(100)
    expect((await findBootLoader(memoryDisk(bytes), { architecture: 'ia32' })).bytes).toHaveLength(200)
    const [code, message] = await refusal(bytes)
    expect(code).toBe('no-loader')
    expect(message).toContain('there is EFI/BOOT/BOOTAA64.EFI and EFI/BOOT/BOOTIA32.EFI, for other processors')
  })

  for (const [what, at] of [
    ['header', 512 + 60],
    ['entries', 1024 + 40],
  ] as const) {
    it(`uses the backup GPT when the CRC of the primary's ${what} is wrong, and says so`, async () => {
      const bytes = bootDisk()
      bytes[at] = 0x99
      const found = await findBootLoader(memoryDisk(bytes))
      expect(found.bytes).toEqual(loader)
      expect(found.damage).toMatch(`primary: the CRC of the ${what} is wrong`)
    })
  }

  it('refuses a disk with two broken GPTs, not mistaking the protective MBR for partitions', async () => {
    const bytes = bootDisk()
    bytes[512 + 60] = bytes[BACKUP + 60] = 0x99
    const [code, message] = await refusal(bytes)
    expect(code).toBe('damaged-partition-table')
    expect(message).toContain('primary: the CRC of the header is wrong; backup: the CRC of the header is wrong')
  })

  it('refuses a header that was made for another block', async () => {
    const bytes = bootDisk()
    bytes.copyWithin(512, BACKUP, BACKUP + 512)
    expect((await findBootLoader(memoryDisk(bytes))).damage).toContain('a header for block 8191 at block 1')
  })

  it('says what is missing', async () => {
    expect((await refusal(new Uint8Array(2 ** 20)))[0]).toBe('no-partition-table')
    expect((await refusal(makeBootDisk([], { partitionType: FREEBSD })))[0]).toBe('no-system-partition')
    expect((await refusal(makeBootDisk([])))[0]).toBe('no-loader')
    const blank = bootDisk()
    blank.fill(0, VOLUME, VOLUME + 512)
    expect((await refusal(blank))[0]).toBe('no-file-system')
    expect((await refusal(bootDisk(), { maxBytes: 20_000 }))[0]).toBe('loader-too-large')
  })

  it('refuses a loader whose clusters end before its size', async () => {
    const bytes = bootDisk()
    // Clusters 2 and 3 are the folders'; the loader's chain ends after its third.
    new DataView(bytes.buffer).setUint16(FAT + 2 * 6, 0xffff, true)
    expect(await refusal(bytes)).toEqual([
      'damaged-loader',
      'da0: 1536 of the 20001 bytes of EFI/BOOT/BOOTX64.EFI are there',
    ])
  })

  it('finds the system partition of an MBR by type 0xEF, and a disk that is one volume', async () => {
    const bytes = bootDisk()
    bytes.fill(0, 512, 1024)
    bytes.fill(0, BACKUP)
    bytes[446 + 4] = 0xef
    const mbr = new DataView(bytes.buffer)
    mbr.setUint32(446 + 8, VOLUME / 512, true)
    mbr.setUint32(446 + 12, 8192 - 33 - VOLUME / 512, true)
    const found = await findBootLoader(memoryDisk(bytes))
    expect(found.partition).toMatchObject({ number: 1, type: 'efi' })
    expect(found.bytes).toEqual(loader)
    const whole = makeFat16(4 * 2 ** 20, 'BIS', [{ path: LOADER_PATHS.x64, data: loader }], 0)
    expect((await findBootLoader(memoryDisk(whole))).partition).toBeUndefined()
  })

  for (const section of [false, true]) {
    it(`finds the El Torito EFI image of an optical disc${section ? ' in a section' : ''}`, async () => {
      const disc = opticalDisc(section)
      const found = await findBootLoader(memoryDisk(disc, 2048))
      expect(found.bytes).toEqual(loader)
      expect(found.partition).toBeUndefined()
      disc[17 * 2048 + 7] = 0x65
      await expect(findBootLoader(memoryDisk(disc, 2048))).rejects.toMatchObject({ code: 'no-partition-table' })
    })
  }
})

/** Boot record, catalog and image; with a section, the default entry is for BIOS. */
function opticalDisc(section: boolean): Uint8Array {
  const disc = new Uint8Array(5 * 2 ** 20)
  const view = new DataView(disc.buffer)
  const text = new TextEncoder()
  disc.set(text.encode('\0CD001\x01EL TORITO SPECIFICATION'), 17 * 2048)
  view.setUint32(17 * 2048 + 0x47, 20, true)
  const catalog = 20 * 2048
  const platform = section ? 0 : 0xef
  disc.set([1, platform], catalog)
  view.setUint16(catalog + 30, 0xaa55, true)
  view.setUint16(catalog + 28, -(0xaa55 + 1 + platform * 256), true)
  const entry = catalog + (section ? 96 : 32)
  if (section) {
    disc[catalog + 32] = 0x88
    disc.set([0x91, 0xef, 1], catalog + 64)
  }
  disc[entry] = 0x88
  view.setUint32(entry + 8, 24, true)
  disc.set(makeFat16(4 * 2 ** 20, 'BIS', [{ path: LOADER_PATHS.x64, data: loader }], 0), 24 * 2048)
  return disc
}
