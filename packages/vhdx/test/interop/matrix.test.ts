import { rm, truncate, writeFile } from 'node:fs/promises'
import { fuzzSeed } from '@bis/build/fuzz'
import { describe, expect, it } from 'vitest'
import type { CreateOptions, ImageFormat, VirtualDisk } from '../../src/index.ts'
import { checkFile, convertFile, createFile, openFile } from '../../src/node/index.ts'
import { testFolder } from '../support/folder.ts'
import { havePrograms, run } from '../support/programs.ts'
import { Random } from '../support/random.ts'
import { SparseModel } from '../support/sparse-model.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const TIB = 1024 * GIB
const VHD_MOST = 2040 * GIB
const VHDX_MOST = 64 * TIB
/** What is looked at of a large disk, at each of its places. */
const WINDOW = 3 * MIB
const STEPS = 24

const NAMES = { raw: 'raw', vhd: 'vpc', vhdx: 'vhdx' } as const
const BLOCKS = [1, 2, 4, 8, 16, 32, 64, 128, 256].map((mib) => mib * MIB)
const SIZES = [MIB, 37 * MIB + 512, 10 * GIB, 2 * TIB + 512, VHDX_MOST]

interface Case extends CreateOptions {
  readonly format: ImageFormat
  readonly type: 'fixed' | 'dynamic'
}

/** All of them with BIS_MATRIX=full; every eleventh otherwise. */
function chosen(cases: readonly Case[]): Case[] {
  return cases.filter((_, i) => process.env['BIS_MATRIX'] === 'full' || i % 11 === 0)
}

const DYNAMIC = SIZES.flatMap((sizeBytes) =>
  BLOCKS.map((blockSize): Case => ({ format: 'vhdx', type: 'dynamic', sizeBytes, blockSize })),
)
const FIXED = [MIB, 37 * MIB + 512, 260 * MIB].flatMap((sizeBytes): Case[] => [
  { format: 'vhdx', type: 'fixed', sizeBytes },
  { format: 'vhdx', type: 'fixed', sizeBytes, blockSize: 32 * MIB },
  { format: 'vhd', type: 'fixed', sizeBytes },
  { format: 'raw', type: 'fixed', sizeBytes },
])
const VHD = [MIB, 37 * MIB + 512, 10 * GIB, VHD_MOST].flatMap((sizeBytes): Case[] => [
  { format: 'vhd', type: 'dynamic', sizeBytes },
  { format: 'vhd', type: 'dynamic', sizeBytes, blockSize: 512 * 1024 },
])

const inFolder = testFolder(true)

/** A disk and what it should hold, changed together by a seeded sequence. */
class Pair {
  readonly model = new SparseModel(512)
  readonly disk: VirtualDisk
  readonly #random: Random
  /** Starts of the parts that are worked on: the whole of a small disk. */
  readonly places = new Set<number>()

  constructor(disk: VirtualDisk, random: Random) {
    this.disk = disk
    this.#random = random
    const { sizeBytes } = disk
    for (const place of [0, Math.floor(sizeBytes / 2 / MIB) * MIB]) this.places.add(place)
    this.#seeTheEnd()
  }

  get #most(): number {
    return { raw: VHDX_MOST, vhd: VHD_MOST, vhdx: VHDX_MOST }[this.disk.format]
  }

  async play(steps: number): Promise<void> {
    const random = this.#random
    for (let step = 0; step < steps; step++) {
      const draw = random.below(10)
      if (draw < 6) await this.#write()
      else if (draw < 8) await this.#giveBack()
      else if (draw < 9) await this.#grow()
      else await this.disk.flush()
    }
    await this.disk.flush()
  }

  #range(): [offset: number, length: number] {
    const { sizeBytes } = this.disk
    const places = [...this.places].filter((place) => place < sizeBytes)
    const start = places[this.#random.below(places.length)] ?? 0
    const sectors = Math.min(WINDOW, sizeBytes - start) / 512
    const length = 1 + this.#random.below(Math.min(sectors, 600))
    return [start + this.#random.below(sectors - length + 1) * 512, length * 512]
  }

  async #write(): Promise<void> {
    const [offset, length] = this.#range()
    const bytes = this.#random.bytes(length)
    await this.disk.write(offset, bytes)
    this.model.write(offset, bytes)
  }

  /** A trimmed whole block reads as zero, where there are blocks that can be given back. */
  async #giveBack(): Promise<void> {
    const { disk } = this
    const [offset, length] = this.#range()
    if (disk.type === 'fixed' || this.#random.chance(0.5)) {
      await disk.writeZeroes(offset, length)
      this.model.zero(offset, length)
      return
    }
    const block = Math.floor(offset / disk.blockSize) * disk.blockSize
    const whole = Math.min(disk.blockSize, disk.sizeBytes - block)
    await disk.trim(block, whole)
    this.model.zero(block, whole)
  }

  async #grow(): Promise<void> {
    const { disk } = this
    const step = disk.sizeBytes > GIB ? 3 * disk.blockSize : 8 * MIB
    const wanted = Math.min(this.#most, disk.sizeBytes + this.#random.below(step / 512) * 512)
    await disk.resize(wanted)
    this.#seeTheEnd()
  }

  #seeTheEnd(): void {
    if (this.places.size < 6) this.places.add(Math.max(0, Math.floor((this.disk.sizeBytes - WINDOW) / 512) * 512))
  }
}

/** qemu-img reads in every place what the model says. */
async function expectContent(path: string, { model, places }: Pair, format: ImageFormat, size: number): Promise<void> {
  const file = inFolder('window.raw')
  for (const offset of places) {
    const length = Math.min(WINDOW, size - offset)
    await writeFile(file, model.read(offset, length))
    const window = `driver=raw,offset=${offset},size=${length},file.driver=${NAMES[format]},file.file.driver=file,file.file.filename=${path}`
    await run('qemu-img', 'compare', '--image-opts', window, `driver=raw,file.driver=file,file.filename=${file}`)
  }
}

async function expectAgreement(path: string, pair: Pair): Promise<void> {
  const { format, sizeBytes } = pair.disk
  const name = NAMES[format]
  const info = JSON.parse(await run('qemu-img', 'info', '--output=json', '-f', name, path)) as Record<string, unknown>
  expect(info).toMatchObject({ format: name, 'virtual-size': sizeBytes })
  if (format === 'vhdx') await run('qemu-img', 'check', '-q', '-f', name, path)
  expect(await checkFile(path, { format })).toMatchObject({ ok: true })
  await expectContent(path, pair, format, sizeBytes)
  if (sizeBytes > GIB) return
  // What they convert ours into is ours again, and what we convert it into is theirs.
  const [byThem, byUs, model] = [inFolder('by-them'), inFolder('by-us'), inFolder('model')]
  for (const file of [byThem, byUs, model]) await rm(file, { force: true })
  await run('qemu-img', 'convert', '-f', name, '-O', 'vhdx', path, byThem)
  await convertFile(path, byUs, { format: 'vhdx', source: { format } })
  await run('qemu-img', 'compare', '-f', 'vhdx', '-F', name, byThem, path)
  await run('qemu-img', 'compare', '-f', 'vhdx', '-F', name, byUs, path)
}

describe.skipIf(!havePrograms('qemu-img'))('qemu-img agrees', () => {
  it.each(chosen([...DYNAMIC, ...FIXED, ...VHD]))(
    '[VX-01] [VX-08] with ours: %j',
    { timeout: 120_000 },
    async (options) => {
      const path = inFolder(`ours.${options.format}`)
      await rm(path, { force: true })
      const disk = await createFile(path, options)
      const pair = new Pair(disk, new Random(fuzzSeed))
      await pair.play(STEPS)
      await disk.close()
      await expectAgreement(path, pair)
    },
  )

  it.each(chosen([...DYNAMIC, ...FIXED, ...VHD]))(
    '[VX-01] [VX-08] on its own: %j',
    { timeout: 120_000 },
    async (options) => {
      const { format, type, sizeBytes, blockSize } = options
      const path = inFolder(`theirs.${format}`)
      await rm(path, { force: true })
      const words = [
        ...(format === 'raw' ? [] : [`subformat=${type}`]),
        ...(format === 'vhd' ? ['force_size=on'] : []),
        ...(format === 'vhdx' && blockSize !== undefined ? [`block_size=${blockSize}`] : []),
      ]
      const how = words.length === 0 ? [] : ['-o', words.join(',')]
      await run('qemu-img', 'create', '-q', '-f', NAMES[format], ...how, path, String(sizeBytes))
      const disk = await openFile(path, { format })
      expect(disk.sizeBytes).toBe(sizeBytes)
      expect([disk.format, disk.type]).toEqual([format, type])
      if (format === 'vhdx' && blockSize !== undefined) expect(disk.blockSize).toBe(blockSize)
      const pair = new Pair(disk, new Random(fuzzSeed + 1))
      await pair.play(STEPS)
      await disk.close()
      await expectAgreement(path, pair)
    },
  )

  it('with a conversion of ours from sectors of 4096 bytes, which it does not open itself', {
    timeout: 60_000,
  }, async () => {
    for (const blockSize of [MIB, 32 * MIB, 256 * MIB]) {
      const path = inFolder('ours4k.vhdx')
      await rm(path, { force: true })
      const disk = await createFile(path, { sizeBytes: 40 * MIB, blockSize, logicalSectorSize: 4096 })
      const random = new Random(fuzzSeed)
      const model = new SparseModel(512)
      for (let i = 0; i < 20; i++) {
        const bytes = random.bytes(4096 * (1 + random.below(30)))
        const offset = random.below((40 * MIB - bytes.length) / 4096) * 4096
        await disk.write(offset, bytes)
        model.write(offset, bytes)
      }
      await disk.close()
      await expect(run('qemu-img', 'info', '-f', 'vhdx', path)).rejects.toThrow(/not supported/)
      expect(await checkFile(path)).toMatchObject({ ok: true })
      const raw = inFolder('model4k')
      await writeFile(raw, model.read(0, 40 * MIB))
      // A VHD cannot take it: its sectors have 512 bytes.
      const converted = inFolder('from4k')
      await rm(converted, { force: true })
      await convertFile(path, converted, { format: 'raw', type: 'fixed' })
      await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', converted, raw)
    }
  })

  it('on resizing, where it can: raw images', async () => {
    const path = inFolder('resized.img')
    const disk = await createFile(path, { format: 'raw', type: 'fixed', sizeBytes: 3 * MIB })
    await disk.write(0, new Uint8Array(512).fill(1))
    await disk.close()
    await run('qemu-img', 'resize', '-q', '-f', 'raw', path, '7M')
    const again = await openFile(path, { format: 'raw' })
    expect(again.sizeBytes).toBe(7 * MIB)
    await again.resize(5 * MIB)
    await again.close()
    expect(JSON.parse(await run('qemu-img', 'info', '--output=json', '-f', 'raw', path))).toMatchObject({
      'virtual-size': 5 * MIB,
    })
    for (const format of ['vhd', 'vhdx'] as const) {
      const image = inFolder(`resized.${format}`)
      await (await createFile(image, { format, sizeBytes: 4 * MIB })).close()
      await expect(run('qemu-img', 'resize', '-q', '-f', NAMES[format], image, '8M')).rejects.toThrow(/not support/)
    }
    await truncate(path, 0)
  })
})
