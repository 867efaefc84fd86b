import { fuzzRuns, fuzzSeed } from '@bis/build/fuzz'
import { describe, expect, it } from 'vitest'
import type { CreateOptions, ParentFinder, VirtualDisk } from '../src/index.ts'
import { check, create, createChild, MemoryBackend, open } from '../src/index.ts'
import { breathe } from './support/breathe.ts'
import { Random, seededEnvironment } from './support/random.ts'
import { reopenable } from './support/reopenable.ts'
import { interestingRange, SparseModel } from './support/sparse-model.ts'

const MIB = 1024 * 1024
const KIB = 1024

const seeds = Array.from({ length: fuzzRuns(2) }, (_, i) => fuzzSeed + i)

const chains: (CreateOptions & { childBlocks: number[] })[] = [
  { format: 'vhdx', type: 'dynamic', sizeBytes: 17 * MIB + 512, blockSize: MIB, childBlocks: [2 * MIB, MIB] },
  {
    format: 'vhdx',
    type: 'fixed',
    sizeBytes: 9 * MIB,
    blockSize: 4 * MIB,
    logicalSectorSize: 4096,
    childBlocks: [MIB, 8 * MIB],
  },
  {
    format: 'vhdx',
    type: 'dynamic',
    sizeBytes: 5 * 1024 * 1024 * MIB,
    blockSize: 256 * MIB,
    childBlocks: [256 * MIB, 2 * MIB],
  },
  { format: 'vhd', type: 'dynamic', sizeBytes: 9 * MIB + 512, blockSize: 512 * KIB, childBlocks: [2 * MIB, 512 * KIB] },
  { format: 'vhd', type: 'fixed', sizeBytes: 9 * MIB + 512, childBlocks: [512 * KIB, 8 * MIB] },
]

/** Media by name; the finder looks names up as the file system would. */
class Shelf {
  readonly media = new Map<string, MemoryBackend>()

  readonly find: ParentFinder = async (paths) => {
    for (const { path } of paths) {
      const medium = this.media.get(path)
      if (medium !== undefined) return reopenable(medium, path)
    }
    return undefined
  }

  open(name: string, readOnly = false): Promise<VirtualDisk> {
    return open(reopenable(this.media.get(name) as MemoryBackend, name), { findParent: this.find, readOnly })
  }

  async addChild(name: string, parent: string, blockSize?: number): Promise<VirtualDisk> {
    const medium = new MemoryBackend()
    this.media.set(name, medium)
    return createChild(reopenable(medium, name), {
      parent: await this.open(parent, true),
      paths: [{ kind: 'relative', path: parent }],
      findParent: this.find,
      ...(blockSize === undefined ? {} : { blockSize }),
    })
  }

  async addBase(name: string, options: CreateOptions): Promise<VirtualDisk> {
    const medium = new MemoryBackend()
    this.media.set(name, medium)
    return create(reopenable(medium, name), options)
  }
}

async function churn(disk: VirtualDisk, model: SparseModel, random: Random, steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) {
    if (step % 10 === 0) await breathe()
    const [offset, length] = interestingRange(random, disk, random.chance(0.2) ? 3 * MIB : 64 * KIB)
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2: {
        const bytes = random.bytes(length)
        model.write(offset, bytes)
        await disk.write(offset, bytes)
        break
      }
      case 3: {
        // Zeros written to a child must hide what the parent has.
        model.zero(offset, length)
        await disk.write(offset, new Uint8Array(length))
        break
      }
      case 4: {
        model.zero(offset, length)
        await disk.writeZeroes(offset, length)
        break
      }
      case 5: {
        const from = offset - (offset % disk.blockSize)
        const size = Math.min(disk.sizeBytes - from, disk.blockSize)
        await disk.trim(from, size)
        const freed = disk.format === 'vhdx' ? disk.type !== 'fixed' : disk.type === 'dynamic'
        if (freed)
          for (const sector of model.written)
            if (sector * model.sectorSize >= from && sector * model.sectorSize < from + size)
              model.zero(sector * model.sectorSize, model.sectorSize)
        break
      }
      case 6: {
        const bytes = new Uint8Array(length)
        await disk.read(offset, bytes)
        expect(Buffer.compare(bytes, model.read(offset, length)), `read at ${offset}, step ${step}`).toBe(0)
        break
      }
      case 7:
        await disk.flush()
        break
    }
  }
}

async function expectSame(disk: VirtualDisk, model: SparseModel, random: Random): Promise<void> {
  for (let i = 0; i < 40; i++) {
    const [offset, length] = interestingRange(random, disk, 3 * MIB)
    const bytes = new Uint8Array(length)
    await disk.read(offset, bytes)
    expect(Buffer.compare(bytes, model.read(offset, length)), `at ${offset}, ${length} bytes`).toBe(0)
  }
}

describe.each(chains)(
  'differencing $format on $type, $sizeBytes bytes, sectors of $logicalSectorSize',
  ({ childBlocks, ...base }) => {
    it.each(seeds)('[VX-06] reads and writes through a chain as a plain array would, seed %i', async (seed) => {
      const random = new Random(seed)
      const shelf = new Shelf()
      const models: SparseModel[] = [new SparseModel(base.logicalSectorSize ?? 512)]
      const names = ['base']
      const root = await shelf.addBase('base', { ...base, environment: seededEnvironment(seed) })
      await churn(root, models[0] as SparseModel, random, 40)
      await root.close()
      for (const [i, blockSize] of childBlocks.entries()) {
        const model = (models[i] as SparseModel).clone()
        const name = `child${i}`
        let disk = await shelf.addChild(name, names[i] as string, blockSize)
        expect(disk.type).toBe('differencing')
        for (let session = 0; session < 3; session++) {
          await churn(disk, model, random, 30)
          if (random.chance(0.5)) await disk.compact()
          await disk.close()
          expect(await check(shelf.media.get(name) as MemoryBackend, { findParent: shelf.find })).toMatchObject({
            ok: true,
          })
          disk = await shelf.open(name)
        }
        await disk.close()
        names.push(name)
        models.push(model)
      }
      for (const [i, name] of names.entries()) {
        const disk = await shelf.open(name, true)
        await expectSame(disk, models[i] as SparseModel, random)
        await disk.close()
      }
    })
  },
)

describe('[VX-06] parents', () => {
  const base: CreateOptions = { sizeBytes: 4 * MIB, blockSize: MIB }

  it('follows a chain of ten', async () => {
    const shelf = new Shelf()
    const model = new SparseModel(512)
    const random = new Random(3)
    const root = await shelf.addBase('0', base)
    await churn(root, model, random, 10)
    await root.close()
    for (let i = 1; i <= 10; i++) {
      const disk = await shelf.addChild(String(i), String(i - 1))
      await churn(disk, model, random, 8)
      await disk.close()
    }
    const leaf = await shelf.open('10')
    await expectSame(leaf, model, random)
    let depth = 0
    for (let disk: VirtualDisk | undefined = leaf; disk !== undefined; disk = disk.parent) depth++
    expect(depth).toBe(11)
    await leaf.close()
  })

  it.each(['vhd', 'vhdx'] as const)('of a %s must be there', async (format) => {
    const shelf = new Shelf()
    await (await shelf.addBase('base', { ...base, format, blockSize: 2 * MIB })).close()
    await (await shelf.addChild('child', 'base')).close()
    const { media } = shelf
    media.delete('base')
    await expect(shelf.open('child')).rejects.toMatchObject({
      code: 'parent-missing',
      message: expect.stringContaining('relative base') as string,
    })
    await expect(open(reopenable(media.get('child') as MemoryBackend))).rejects.toMatchObject({
      code: 'parent-missing',
    })
  })

  it('must not have changed since', async () => {
    const shelf = new Shelf()
    await (await shelf.addBase('base', base)).close()
    await (await shelf.addChild('child', 'base')).close()
    // Opening it for writing alone changes nothing.
    await (await shelf.open('base')).close()
    await (await shelf.open('child')).close()
    const changed = await shelf.open('base')
    await changed.write(0, new Uint8Array(512))
    await changed.close()
    await expect(shelf.open('child')).rejects.toMatchObject({ code: 'parent-mismatch' })
  })

  it('must be the one the child was made on', async () => {
    const shelf = new Shelf()
    await (await shelf.addBase('base', { ...base, format: 'vhd', blockSize: 2 * MIB })).close()
    await (await shelf.addChild('child', 'base')).close()
    await (await shelf.addBase('base', { ...base, format: 'vhd', blockSize: 2 * MIB })).close()
    await expect(shelf.open('child')).rejects.toMatchObject({ code: 'parent-mismatch' })
  })

  it('of a VHD must have its time stamp, unless that is ignored', async () => {
    const shelf = new Shelf()
    await (await shelf.addBase('base', { ...base, format: 'vhd', blockSize: 2 * MIB })).close()
    const medium = new MemoryBackend()
    const made = Date.UTC(2024, 5, 1)
    const findAt =
      (time: number): ParentFinder =>
      async () => ({ ...reopenable(shelf.media.get('base') as MemoryBackend), modifiedAt: async () => time })
    const child = await createChild(reopenable(medium), {
      parent: await shelf.open('base', true),
      paths: [{ kind: 'relative', path: '.\\base' }],
      findParent: findAt(made),
      parentModifiedAt: made,
    })
    await child.close()
    await (await open(reopenable(medium), { findParent: findAt(made + 1000) })).close()
    await expect(open(reopenable(medium), { findParent: findAt(made + 60_000) })).rejects.toMatchObject({
      code: 'parent-mismatch',
    })
    await (await open(reopenable(medium), { findParent: findAt(made + 60_000), ignoreParentTime: true })).close()
  })

  it('must not be its own child', async () => {
    const shelf = new Shelf()
    await (await shelf.addBase('a', base)).close()
    await (await shelf.addChild('b', 'a')).close()
    shelf.media.set('a', shelf.media.get('b') as MemoryBackend)
    const loop: ParentFinder = async () => reopenable(shelf.media.get('b') as MemoryBackend, 'b')
    await expect(
      open(reopenable(shelf.media.get('b') as MemoryBackend, 'b'), { findParent: loop }),
    ).rejects.toMatchObject({ code: 'parent-cycle' })
    const nameless: ParentFinder = async () => reopenable(shelf.media.get('b') as MemoryBackend)
    await expect(
      open(reopenable(shelf.media.get('b') as MemoryBackend), { findParent: nameless }),
    ).rejects.toMatchObject({ code: 'parent-cycle' })
  })

  it('may be smaller or larger than the child', async () => {
    const shelf = new Shelf()
    const root = await shelf.addBase('base', { ...base, sizeBytes: 4 * MIB })
    await root.write(0, new Uint8Array(4 * MIB).fill(7))
    await root.close()
    const disk = await shelf.addChild('child', 'base')
    await disk.resize(6 * MIB + 512)
    const all = new Uint8Array(6 * MIB + 512)
    await disk.read(0, all)
    expect([all[4 * MIB - 1], all[4 * MIB], all.at(-1)]).toEqual([7, 0, 0])
    // What is cut off does not come back as the parent's.
    await disk.resize(2 * MIB + 512)
    await disk.resize(4 * MIB)
    await disk.read(0, all.subarray(0, 4 * MIB))
    expect([all[2 * MIB + 511], all[2 * MIB + 512], all[3 * MIB], all[4 * MIB - 1]]).toEqual([7, 0, 0, 0])
    await disk.close()
  })

  it('cannot be raw', async () => {
    const shelf = new Shelf()
    await (await shelf.addBase('base', { format: 'raw', type: 'fixed', sizeBytes: MIB })).close()
    await expect(shelf.addChild('child', 'base')).rejects.toMatchObject({ code: 'unsupported' })
  })
})
