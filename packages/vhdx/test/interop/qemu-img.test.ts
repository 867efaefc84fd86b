import { rm, truncate } from 'node:fs/promises'
import { fuzzSeed } from '@bis/build/fuzz'
import { describe, expect, it } from 'vitest'
import type { CreateOptions, ImageFormat, VirtualDisk } from '../../src/index.ts'
import { checkFile, convertFile, createFile, openFile } from '../../src/node/index.ts'
import { testFolder } from '../support/folder.ts'
import { havePrograms, run } from '../support/programs.ts'
import { Random } from '../support/random.ts'
import { interestingRange } from '../support/sparse-model.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const TIB = 1024 * GIB

const NAMES = { raw: 'raw', vhd: 'vpc', vhdx: 'vhdx' } as const
const inFolder = testFolder()

/** Islands of random data, the same on every disk given. */
async function scribble(random: Random, disks: VirtualDisk[], count = 24): Promise<void> {
  const [first] = disks
  if (first === undefined) return
  for (let i = 0; i < count; i++) {
    const [offset, length] = interestingRange(random, first, 256 * KIB)
    const bytes = random.bytes(length)
    for (const disk of disks) await disk.write(offset, bytes)
  }
}

async function rawFile(name: string, sizeBytes: number, random: Random): Promise<string> {
  const path = inFolder(name)
  await rm(path, { force: true })
  const disk = await createFile(path, { format: 'raw', type: 'fixed', sizeBytes })
  await scribble(random, [disk])
  await disk.close()
  return path
}

async function expectSame(path: string, format: ImageFormat, raw: string): Promise<void> {
  await run('qemu-img', 'compare', '-f', NAMES[format], '-F', 'raw', path, raw)
  if (format === 'vhdx') await run('qemu-img', 'check', '-f', 'vhdx', path)
  expect(await checkFile(path, { format })).toMatchObject({ ok: true })
}

describe.skipIf(!havePrograms('qemu-img', 'qemu-io'))('qemu-img', () => {
  const theirs: [name: string, format: ImageFormat, options: string[]][] = [
    ['vpc dynamic', 'vhd', ['subformat=dynamic']],
    ['vpc dynamic of exact size', 'vhd', ['subformat=dynamic,force_size=on']],
    ['vpc fixed', 'vhd', ['subformat=fixed,force_size=on']],
    ['vhdx fixed', 'vhdx', ['subformat=fixed']],
    ['vhdx, blocks of 1 MiB', 'vhdx', ['block_size=1M']],
    ['vhdx, blocks of 16 MiB, log of 4 MiB', 'vhdx', ['block_size=16M,log_size=4M']],
    ['vhdx, blocks of 256 MiB', 'vhdx', ['block_size=256M']],
  ]

  it.each(theirs)(
    '[VX-01] made it: %s is read right, and stays right when written to',
    { timeout: 120_000 },
    async (name, format, options) => {
      const random = new Random(fuzzSeed)
      const raw = await rawFile('their.raw', 40 * MIB, random)
      const path = inFolder(`their.${format}`)
      await run('qemu-img', 'convert', '-f', 'raw', '-O', NAMES[format], '-o', options.join(','), raw, path)
      const out = inFolder('their.out')
      await run('qemu-img', 'convert', '-f', NAMES[format], '-O', 'raw', path, out)
      const size = (await openAndSize(path)) as number
      await truncate(raw, size)
      await expectSameContent(path, out)

      const disk = await openFile(path)
      const model = await openFile(raw)
      await scribble(random, [disk, model], 12)
      await disk.flush()
      // A trimmed block reads as zero; of a fixed image it stays.
      if (disk.type !== 'fixed') {
        const block = Math.min(disk.blockSize, disk.sizeBytes)
        await disk.trim(0, block)
        await model.writeZeroes(0, block)
      }
      const larger = disk.sizeBytes + 5 * MIB
      await disk.resize(larger)
      await model.resize(larger)
      await scribble(random, [disk, model], 12)
      await disk.close()
      await model.close()
      await expectSame(path, format, raw)
      expect(name).toBeTruthy()
    },
  )

  const ours: CreateOptions[] = [
    ...[1, 2, 8, 32, 256].map((mib): CreateOptions => ({ sizeBytes: 300 * MIB + 512, blockSize: mib * MIB })),
    { sizeBytes: 40 * MIB, blockSize: 4 * MIB, type: 'fixed' },
    { sizeBytes: 40 * MIB, physicalSectorSize: 512 },
    { format: 'vhd', sizeBytes: 40 * MIB + 512 },
    { format: 'vhd', sizeBytes: 40 * MIB, blockSize: 512 * KIB },
    { format: 'vhd', type: 'fixed', sizeBytes: 40 * MIB + 512 },
  ]

  it.each(ours)('[VX-01] accepts ours: %j', { timeout: 120_000 }, async (options) => {
    const random = new Random(fuzzSeed)
    const format = options.format ?? 'vhdx'
    const path = inFolder(`our.${format}`)
    const raw = inFolder('our.raw')
    for (const file of [path, raw]) await rm(file, { force: true })
    const disk = await createFile(path, options)
    const model = await createFile(raw, { format: 'raw', type: 'fixed', sizeBytes: options.sizeBytes })
    for (let round = 0; round < 3; round++) {
      await scribble(random, [disk, model])
      await disk.flush()
      if (disk.type !== 'fixed') {
        const block = random.below(Math.ceil(disk.sizeBytes / disk.blockSize)) * disk.blockSize
        const length = Math.min(disk.blockSize, disk.sizeBytes - block)
        await disk.trim(block, length)
        await model.writeZeroes(block, length)
      }
      const size = (20 + random.below(60)) * MIB + 512 * random.below(9)
      await disk.resize(size)
      await model.resize(size)
      if (random.chance(0.5)) await disk.compact()
    }
    await disk.close()
    await model.close()
    await expectSame(path, format, raw)
    const info = JSON.parse(await run('qemu-img', 'info', '--output=json', '-f', NAMES[format], path)) as {
      'virtual-size': number
      'cluster-size'?: number
    }
    expect(info['virtual-size']).toBe((await openAndSize(path)) as number)
    const out = inFolder('our.out')
    await run('qemu-img', 'convert', '-f', NAMES[format], '-O', 'raw', path, out)
    await expectSameContent(path, out)
  })

  it.each([
    ['vhdx', MIB, MIB],
    ['vhdx', 64 * TIB, MIB],
    ['vhdx', 64 * TIB, 32 * MIB],
    ['vhdx', 64 * TIB, 256 * MIB],
    ['vhdx', 16 * TIB + 512, 2 * MIB],
    ['vhd', 2 * MIB, 2 * MIB],
    ['vhd', 2040 * GIB, 2 * MIB],
  ] as const)(
    '[VX-08] reads first, middle and last sectors of our %s of %i bytes in blocks of %i',
    { timeout: 120_000 },
    async (format, sizeBytes, blockSize) => {
      const path = inFolder(`size.${format}`)
      await rm(path, { force: true })
      const disk = await createFile(path, { format, sizeBytes, blockSize })
      const places = [0, Math.floor(sizeBytes / 1024) * 512, sizeBytes - 512]
      for (const [i, place] of places.entries()) await disk.write(place, new Uint8Array(512).fill(i + 1))
      await disk.close()
      const back = await openFile(path, { readOnly: true })
      for (const [i, place] of places.entries()) {
        const bytes = new Uint8Array(512)
        await back.read(place, bytes)
        expect(bytes.every((byte) => byte === i + 1)).toBe(true)
        expect(
          await run('qemu-io', '-r', '-f', NAMES[format], '-c', `read -P ${i + 1} ${place} 512`, path),
        ).not.toMatch(/failed/i)
      }
      await back.close()
      if (format === 'vhdx') await run('qemu-img', 'check', '-f', 'vhdx', path)
      expect(await checkFile(path)).toMatchObject({
        ok: true,
        allocatedBlocks: new Set(places.map((place) => Math.floor(place / blockSize))).size,
      })
    },
  )

  it('[VX-08] makes a 64 TiB image that we read and write', { timeout: 120_000 }, async () => {
    const path = inFolder('big.vhdx')
    await run('qemu-img', 'create', '-q', '-f', 'vhdx', '-o', 'block_size=64M', path, String(64 * TIB))
    const disk = await openFile(path)
    expect(disk.sizeBytes).toBe(64 * TIB)
    const bytes = new Random(1).bytes(4096)
    await disk.write(64 * TIB - 4096, bytes)
    await disk.close()
    await run('qemu-img', 'check', '-f', 'vhdx', path)
    const again = await openFile(path, { readOnly: true })
    const back = new Uint8Array(4096)
    await again.read(64 * TIB - 4096, back)
    expect(Buffer.compare(back, bytes)).toBe(0)
    await again.close()
  })

  it('[VX-08] agrees about an image with 4096-byte logical sectors', { timeout: 60_000 }, async () => {
    const path = inFolder('sectors.vhdx')
    const raw = inFolder('sectors.raw')
    const disk = await createFile(path, { sizeBytes: 24 * MIB + 4096, blockSize: MIB, logicalSectorSize: 4096 })
    const model = await createFile(raw, {
      format: 'raw',
      type: 'fixed',
      sizeBytes: 24 * MIB + 4096,
      logicalSectorSize: 4096,
    })
    await scribble(new Random(2), [disk, model])
    await disk.close()
    await model.close()
    const problem = await run('qemu-img', 'info', '-f', 'vhdx', path).then(() => undefined, String)
    if (problem === undefined) await expectSame(path, 'vhdx', raw)
    else expect(problem).toMatch(/not supported|512/i)
  })

  it('takes what our convert makes, of every format from every format', { timeout: 120_000 }, async () => {
    const raw = await rawFile('all.raw', 24 * MIB, new Random(9))
    const formats: [ImageFormat, 'fixed' | 'dynamic'][] = [
      ['raw', 'fixed'],
      ['vhd', 'fixed'],
      ['vhd', 'dynamic'],
      ['vhdx', 'fixed'],
      ['vhdx', 'dynamic'],
    ]
    for (const [from, fromType] of formats) {
      const source = inFolder(`from-${fromType}.${from}`)
      await convertFile(raw, source, { format: from, type: fromType })
      for (const [to, toType] of formats) {
        const target = inFolder(`to-${toType}.${to}`)
        await rm(target, { force: true })
        await convertFile(source, target, { format: to, type: toType, source: { format: from } })
        await expectSame(target, to, raw)
      }
    }
  })
})

async function openAndSize(path: string): Promise<number> {
  const disk = await openFile(path, { readOnly: true })
  await disk.close()
  return disk.sizeBytes
}

async function expectSameContent(path: string, raw: string): Promise<void> {
  const disk = await openFile(path, { readOnly: true })
  const model = await openFile(raw, { readOnly: true, format: 'raw' })
  expect(disk.sizeBytes).toBe(model.sizeBytes)
  const [a, b] = [new Uint8Array(MIB), new Uint8Array(MIB)]
  for (let offset = 0; offset < disk.sizeBytes; offset += MIB) {
    const length = Math.min(MIB, disk.sizeBytes - offset)
    await disk.read(offset, a.subarray(0, length))
    await model.read(offset, b.subarray(0, length))
    expect(Buffer.compare(a.subarray(0, length), b.subarray(0, length)), `at ${offset}`).toBe(0)
  }
  await disk.close()
  await model.close()
}
