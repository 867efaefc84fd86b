import { describe, expect, it } from 'vitest'
import type { Backend, CreateOptions, Extent, ParentFinder, VirtualDisk } from '../src/index.ts'
import { check, checkAzure, convert, create, createChild, MemoryBackend, merge, open } from '../src/index.ts'
import { Random } from './support/random.ts'
import { reopenable } from './support/reopenable.ts'
import { SparseModel } from './support/sparse-model.ts'

const KIB = 1024
const MIB = 1024 * KIB

const kinds: CreateOptions[] = [
  { format: 'raw', type: 'fixed', sizeBytes: 20 * MIB + 512 },
  { format: 'vhd', type: 'fixed', sizeBytes: 20 * MIB + 512 },
  { format: 'vhd', type: 'dynamic', sizeBytes: 20 * MIB + 512, blockSize: 512 * KIB },
  { format: 'vhdx', type: 'fixed', sizeBytes: 20 * MIB + 512, blockSize: MIB },
  { format: 'vhdx', type: 'dynamic', sizeBytes: 20 * MIB + 512, blockSize: 4 * MIB },
]

/** A few islands of data, some of them zeros that were written. */
async function fill(disk: VirtualDisk, random: Random): Promise<SparseModel> {
  const model = new SparseModel(disk.logicalSectorSize)
  for (let i = 0; i < 8; i++) {
    const bytes = random.chance(0.25)
      ? new Uint8Array(random.below(40) * 512 * 8)
      : random.bytes(8 * 512 * (1 + random.below(40)))
    const offset = Math.min(
      random.below(disk.sizeBytes / 4096) * 4096,
      disk.sizeBytes - (disk.sizeBytes % 4096) - bytes.length,
    )
    model.write(offset, bytes)
    await disk.write(offset, bytes)
  }
  return model
}

async function contentOf(disk: VirtualDisk): Promise<Buffer> {
  const bytes = Buffer.alloc(disk.sizeBytes)
  await disk.read(0, bytes)
  return bytes
}

async function extentsOf(disk: VirtualDisk, options = {}): Promise<Extent[]> {
  const extents: Extent[] = []
  for await (const extent of disk.extents(options)) extents.push(extent)
  return extents
}

describe('convert', () => {
  for (const from of kinds) {
    for (const to of kinds) {
      it(`${from.format} ${from.type} to ${to.format} ${to.type} keeps content and holes`, async () => {
        const medium = new MemoryBackend()
        const source = await create(reopenable(medium), from)
        await fill(source, new Random(5))
        const target = new MemoryBackend()
        const progress: [number, number][] = []
        const { sizeBytes: _, ...settings } = to
        await convert(source, reopenable(target), {
          ...settings,
          onProgress: (done, total) => progress.push([done, total]),
        })
        const copy = await open(reopenable(target), {
          readOnly: true,
          ...(to.format === undefined ? {} : { format: to.format }),
        })
        expect([copy.format, copy.type, copy.sizeBytes]).toEqual([to.format, to.type, from.sizeBytes])
        expect((await contentOf(copy)).equals(await contentOf(source))).toBe(true)
        expect(target.allocatedBytes).toBeLessThan(6 * MIB)
        expect(progress.at(-1)).toEqual([source.sizeBytes, source.sizeBytes])
        expect(progress.every(([done], i) => i === 0 || done >= (progress[i - 1]?.[0] ?? 0))).toBe(true)
        expect(await check(target, { ...(to.format === undefined ? {} : { format: to.format }) })).toMatchObject({
          ok: true,
        })
        await copy.close()
        await source.close()
      })
    }
  }

  it('looks through parents', async () => {
    const base = new MemoryBackend()
    const root = await create(reopenable(base), { sizeBytes: 8 * MIB, blockSize: MIB })
    await root.write(0, new Uint8Array(2 * MIB).fill(1))
    await root.close()
    const findParent: ParentFinder = async () => reopenable(base)
    const child = await createChild(new MemoryBackend(), {
      parent: await open(reopenable(base), { readOnly: true }),
      paths: [],
      findParent,
    })
    await child.write(512, new Uint8Array(512).fill(2))
    await child.trim(0, 0)
    const target = new MemoryBackend()
    await convert(child, reopenable(target))
    const copy = await open(reopenable(target))
    expect((await contentOf(copy)).equals(await contentOf(child))).toBe(true)
    expect(copy.parent).toBeUndefined()
    await copy.close()
    await child.close()
  })

  it('stops when told, with the reason', async () => {
    const source = await create(new MemoryBackend(), { sizeBytes: 64 * MIB })
    await source.write(0, new Random(1).bytes(32 * MIB))
    const controller = new AbortController()
    const work = convert(source, new MemoryBackend(), {
      signal: controller.signal,
      onProgress: (done) => done > 8 * MIB && controller.abort(new Error('enough')),
    })
    await expect(work).rejects.toThrow('enough')
    await source.close()
  })

  it('does not put 4096-byte sectors into a VHD', async () => {
    const source = await create(new MemoryBackend(), { sizeBytes: 4 * MIB, logicalSectorSize: 4096 })
    await expect(convert(source, new MemoryBackend(), { format: 'vhd' })).rejects.toMatchObject({
      code: 'invalid-option',
    })
    const target = new MemoryBackend()
    await convert(source, reopenable(target), { format: 'vhdx' })
    expect((await open(target)).logicalSectorSize).toBe(4096)
    await source.close()
  })

  it('refuses a medium that is not empty', async () => {
    const source = await create(new MemoryBackend(), { sizeBytes: 4 * MIB })
    await expect(convert(source, new MemoryBackend(new Uint8Array(512)))).rejects.toMatchObject({ code: 'exists' })
    await source.close()
  })
})

describe('Azure', () => {
  it('gets a fixed VHD of whole MiB', async () => {
    const source = await create(new MemoryBackend(), { format: 'raw', type: 'fixed', sizeBytes: 20 * MIB + 512 })
    await source.write(20 * MIB, new Uint8Array(512).fill(9))
    const target = new MemoryBackend()
    await convert(source, reopenable(target), { azure: true })
    expect(await checkAzure(target)).toEqual([])
    expect(await target.size()).toBe(21 * MIB + 512)
    const copy = await open(target)
    expect((await contentOf(copy)).subarray(0, source.sizeBytes).equals(await contentOf(source))).toBe(true)
    await copy.close()
  })

  it('names every reason for refusal', async () => {
    const codes = async (options: CreateOptions) => {
      const medium = new MemoryBackend()
      await (await create(reopenable(medium), options)).close()
      return (await checkAzure(medium)).map(({ code }) => code)
    }
    expect(await codes({ sizeBytes: 4 * MIB })).toEqual(['vhdx'])
    expect(await codes({ format: 'raw', type: 'fixed', sizeBytes: 4 * MIB })).toEqual(['not-vhd'])
    expect(await codes({ format: 'vhd', sizeBytes: 4 * MIB })).toEqual(['not-fixed'])
    expect(await codes({ format: 'vhd', sizeBytes: 4 * MIB + 512 })).toEqual(['not-fixed', 'size-not-whole-mib'])
    expect(await codes({ format: 'vhd', type: 'fixed', sizeBytes: 4 * MIB + 512 })).toEqual(['size-not-whole-mib'])
    const damaged = new MemoryBackend()
    await (await create(reopenable(damaged), { format: 'vhd', type: 'fixed', sizeBytes: 4 * MIB })).close()
    await damaged.write(4 * MIB + 100, Uint8Array.of(1))
    expect((await checkAzure(damaged)).map(({ code }) => code)).toEqual(['bad-footer'])
  })
})

describe('extents', () => {
  it("tell data, zeros and what is the parent's", async () => {
    const base = new MemoryBackend()
    const root = await create(reopenable(base), { sizeBytes: 8 * MIB, blockSize: MIB })
    await root.write(3 * MIB, new Uint8Array(MIB).fill(1))
    expect(await extentsOf(root)).toEqual([
      { offset: 0, length: 3 * MIB, kind: 'zero' },
      { offset: 3 * MIB, length: MIB, kind: 'data' },
      { offset: 4 * MIB, length: 4 * MIB, kind: 'zero' },
    ])
    await root.close()
    const findParent: ParentFinder = async () => reopenable(base)
    const child = await createChild(new MemoryBackend(), {
      parent: await open(reopenable(base), { readOnly: true }),
      paths: [],
      findParent,
      blockSize: MIB,
    })
    await child.write(512, new Uint8Array(1024).fill(2))
    await child.writeZeroes(3 * MIB, MIB)
    await child.resize(9 * MIB)
    expect(await extentsOf(child, { own: true })).toEqual([
      { offset: 0, length: 512, kind: 'parent' },
      { offset: 512, length: 1024, kind: 'data' },
      { offset: 1536, length: 3 * MIB - 1536, kind: 'parent' },
      { offset: 3 * MIB, length: MIB, kind: 'zero' },
      { offset: 4 * MIB, length: 5 * MIB, kind: 'parent' },
    ])
    expect(await extentsOf(child, { offset: 1024, length: 4 * MIB })).toEqual([
      { offset: 1024, length: 512, kind: 'data' },
      { offset: 1536, length: 4 * MIB - 512, kind: 'zero' },
    ])
    await child.close()
  })

  it('of a 64 TiB disk take no time and no memory', async () => {
    const medium = new MemoryBackend()
    const disk = await create(medium, { sizeBytes: 64 * 2 ** 40, blockSize: MIB })
    await disk.write(50 * 2 ** 40, new Uint8Array(512).fill(1))
    expect((await extentsOf(disk)).filter(({ kind }) => kind === 'data')).toEqual([
      { offset: 50 * 2 ** 40, length: MIB, kind: 'data' },
    ])
    expect(medium.allocatedBytes).toBeLessThan(8 * MIB)
    await disk.close()
  })
})

describe.each([
  { format: 'vhdx', sizeBytes: 32 * MIB, blockSize: MIB },
  { format: 'vhd', sizeBytes: 32 * MIB, blockSize: 2 * MIB },
] satisfies CreateOptions[])('compact a $format', (options) => {
  it('gives back zeros and gaps while the disk is in use', async () => {
    const medium = new MemoryBackend()
    const disk = await create(reopenable(medium), options)
    const random = new Random(11)
    const all = random.bytes(32 * MIB)
    await disk.write(0, all)
    await disk.write(4 * MIB, new Uint8Array(6 * MIB))
    all.fill(0, 4 * MIB, 10 * MIB)
    await disk.trim(12 * MIB, 10 * MIB)
    all.fill(0, 12 * MIB, 22 * MIB)
    const work = disk.compact()
    const probe = new Uint8Array(512)
    for (let i = 0; i < 50; i++) {
      const offset = random.below(65_536) * 512
      await disk.read(offset, probe)
      expect(Buffer.compare(probe, all.subarray(offset, offset + 512))).toBe(0)
      random.fill(probe)
      all.set(probe, offset)
      await disk.write(offset, probe)
    }
    await work
    const { before, after } = await disk.compact()
    expect(after).toBeLessThanOrEqual(before)
    await disk.close()
    // What the writes meanwhile allocated again is at most the 50 blocks they hit.
    expect(await check(medium)).toMatchObject({ ok: true, leakedBytes: expect.any(Number) as number })
    const again = await open(reopenable(medium))
    expect(Buffer.compare(await contentOf(again), all)).toBe(0)
    await again.close()
  })

  it('cuts the file to what is needed', async () => {
    const medium = new MemoryBackend()
    const disk = await create(reopenable(medium), options)
    await disk.write(0, new Random(2).bytes(32 * MIB))
    const full = await medium.size()
    await disk.trim(0, 30 * MIB)
    await disk.flush()
    const { before, after } = await disk.compact()
    expect(before).toBeGreaterThanOrEqual(full)
    expect(full - after).toBeGreaterThanOrEqual(30 * MIB)
    await disk.close()
    expect(await medium.size()).toBeLessThanOrEqual(after)
    expect((await check(medium)).leakedBytes).toBeLessThan(4096)
  })
})

describe.each(['vhdx', 'vhd'] as const)('merge a %s', (format) => {
  const blockSize = format === 'vhd' ? 512 * KIB : MIB

  async function chain(): Promise<{
    media: [MemoryBackend, MemoryBackend, MemoryBackend]
    find: ParentFinder
    shown: Buffer
  }> {
    const media: [MemoryBackend, MemoryBackend, MemoryBackend] = [
      new MemoryBackend(),
      new MemoryBackend(),
      new MemoryBackend(),
    ]
    const find: ParentFinder = async (paths) => reopenable(media[Number(paths[0]?.path)] as MemoryBackend)
    const random = new Random(3)
    const root = await create(reopenable(media[0]), { format, sizeBytes: 9 * MIB + 512, blockSize })
    await fill(root, random)
    await root.close()
    let shown: Buffer = Buffer.alloc(0)
    for (const i of [1, 2] as const) {
      const child = await createChild(reopenable(media[i]), {
        parent: await open(reopenable(media[i - 1] as Backend), { readOnly: true, findParent: find }),
        paths: [{ kind: 'relative', path: String(i - 1) }],
        findParent: find,
        blockSize: 2 * MIB,
      })
      await fill(child, random)
      await child.writeZeroes(2 * MIB, 3 * MIB)
      if (format === 'vhdx' && i === 2) await child.resize(11 * MIB)
      shown = await contentOf(child)
      await child.close()
    }
    return { media, find, shown }
  }

  it('leaves in the parent what the child showed', async () => {
    const { media, find, shown } = await chain()
    await merge(reopenable(media[2]), reopenable(media[1]), { findParent: find })
    const middle = await open(reopenable(media[1]), { findParent: find })
    expect((await contentOf(middle)).equals(shown)).toBe(true)
    await middle.close()
    await merge(reopenable(media[1]), reopenable(media[0]), { findParent: find })
    const root = await open(reopenable(media[0]))
    expect(root.type).toBe('dynamic')
    expect((await contentOf(root)).equals(shown)).toBe(true)
    await root.close()
    expect(await check(media[0])).toMatchObject({ ok: true })
  })

  it('[VX-06] can be broken off at any time and done again; the child stays good', async () => {
    const { media, find, shown } = await chain()
    for (let stop = 0; stop < 4; stop++) {
      const controller = new AbortController()
      let calls = 0
      const onProgress = () => void (calls++ === stop && controller.abort(new Error('stop')))
      await expect(
        merge(reopenable(media[2]), reopenable(media[1]), { findParent: find, signal: controller.signal, onProgress }),
      ).rejects.toThrow('stop')
      const child = await open(reopenable(media[2]), { findParent: find, readOnly: true })
      expect((await contentOf(child)).equals(shown)).toBe(true)
      await child.close()
    }
    await merge(reopenable(media[2]), reopenable(media[1]), { findParent: find })
    const middle = await open(reopenable(media[1]), { findParent: find })
    expect((await contentOf(middle)).equals(shown)).toBe(true)
    await middle.close()
  })

  it('needs a parent', async () => {
    const medium = new MemoryBackend()
    await (await create(reopenable(medium), { format, sizeBytes: MIB })).close()
    await expect(merge(medium, new MemoryBackend())).rejects.toMatchObject({ code: 'invalid-option' })
  })
})
