import { describe, expect, it } from 'vitest'
import type { Backend, CreateOptions } from '../src/index.ts'
import { check, create, DiskImageError, MemoryBackend, open } from '../src/index.ts'
import { reopenable } from './support/reopenable.ts'

const MIB = 1024 * 1024

const shapes: CreateOptions[] = [
  { format: 'raw', type: 'fixed', sizeBytes: 8 * MIB },
  { format: 'vhd', type: 'fixed', sizeBytes: 8 * MIB },
  { format: 'vhd', sizeBytes: 8 * MIB },
  { format: 'vhdx', type: 'fixed', sizeBytes: 8 * MIB },
  { format: 'vhdx', sizeBytes: 8 * MIB },
]

describe.each(shapes)('$format $type', (options) => {
  it('refuses ranges that are not whole sectors of the disk', async () => {
    const disk = await create(new MemoryBackend(), options)
    const sector = new Uint8Array(512)
    for (const offset of [-512, 8 * MIB, 2 ** 53, 2 ** 63, 2 ** 64, Number.NaN, Number.POSITIVE_INFINITY, 0.5]) {
      await expect(disk.read(offset, sector), `${offset}`).rejects.toMatchObject({ code: 'out-of-range' })
      await expect(disk.write(offset, sector)).rejects.toMatchObject({ code: 'out-of-range' })
      await expect(disk.trim(offset, 512)).rejects.toMatchObject({ code: 'out-of-range' })
      await expect(disk.writeZeroes(offset, 512)).rejects.toMatchObject({ code: 'out-of-range' })
    }
    await expect(disk.read(8 * MIB - 512, new Uint8Array(1024))).rejects.toMatchObject({ code: 'out-of-range' })
    await expect(disk.read(256, sector)).rejects.toMatchObject({ code: 'unaligned' })
    await expect(disk.write(0, new Uint8Array(100))).rejects.toMatchObject({ code: 'unaligned' })
    await disk.read(8 * MIB, new Uint8Array(0))
    await disk.write(0, new Uint8Array(0))
    await disk.close()
  })

  it('[TG-08] decides about a range when it is used: a resize before it counts', async () => {
    const disk = await create(new MemoryBackend(), options)
    await disk.write(0, new Uint8Array(8 * MIB).fill(1))
    const shrink = disk.resize(4 * MIB)
    const late = disk.write(6 * MIB, new Uint8Array(512).fill(2))
    await shrink
    await expect(late).rejects.toMatchObject({ code: 'out-of-range' })
    await disk.resize(8 * MIB)
    const back = new Uint8Array(512)
    await disk.read(6 * MIB, back)
    expect(back.every((byte) => byte === 0)).toBe(true)
    await disk.close()
  })

  it('refuses changes when opened read-only', async () => {
    const medium = new MemoryBackend()
    await (await create(reopenable(medium), options)).close()
    const disk = await open(reopenable(medium), {
      readOnly: true,
      ...(options.format === undefined ? {} : { format: options.format }),
    })
    for (const change of [
      disk.write(0, new Uint8Array(512)),
      disk.trim(0, 512),
      disk.writeZeroes(0, 512),
      disk.resize(MIB),
    ]) {
      await expect(change).rejects.toMatchObject({ code: 'read-only' })
    }
    await disk.flush()
    await disk.close()
  })

  it('refuses everything once closed, and closes once', async () => {
    const disk = await create(new MemoryBackend(), options)
    await Promise.all([disk.close(), disk.close()])
    await disk.close()
    for (const call of [
      disk.read(0, new Uint8Array(512)),
      disk.write(0, new Uint8Array(512)),
      disk.flush(),
      disk.trim(0, 512),
      disk.writeZeroes(0, 512),
      disk.resize(MIB),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'closed' })
    }
  })

  it('finishes what is under way before it closes', async () => {
    const medium = new MemoryBackend()
    const disk = await create(reopenable(medium), options)
    const work = Array.from({ length: 16 }, (_, i) => disk.write(i * 4096, new Uint8Array(4096).fill(i + 1)))
    await disk.close()
    await Promise.all(work)
    const again = await open(reopenable(medium), {
      ...(options.format === undefined ? {} : { format: options.format }),
    })
    const back = new Uint8Array(65_536)
    await again.read(0, back)
    expect(Array.from({ length: 16 }, (_, i) => back[i * 4096])).toEqual(Array.from({ length: 16 }, (_, i) => i + 1))
    await again.close()
  })

  it('lives through a full medium: what fitted stays, what did not fails, later writes work again', async () => {
    const medium = new MemoryBackend()
    let room = Number.POSITIVE_INFINITY
    const tight: Backend = {
      ...reopenable(medium),
      write: async (offset, bytes) => {
        if (offset + bytes.length > room) throw new DiskImageError('out-of-space', 'full')
        await medium.write(offset, bytes)
      },
    }
    const disk = await create(tight, options)
    await disk.write(0, new Uint8Array(512).fill(1))
    await disk.flush()
    room = 0
    await expect(disk.write(4 * MIB, new Uint8Array(4096).fill(2))).rejects.toMatchObject({ code: 'out-of-space' })
    const back = new Uint8Array(4096)
    await disk.read(0, back)
    expect(back[0]).toBe(1)
    room = Number.POSITIVE_INFINITY
    await disk.write(6 * MIB, new Uint8Array(4096).fill(3))
    await disk.write(4 * MIB, new Uint8Array(4096).fill(2))
    await disk.close()
    expect(await check(medium, { ...(options.format === undefined ? {} : { format: options.format }) })).toMatchObject({
      ok: true,
    })
    const again = await open(reopenable(medium), {
      readOnly: true,
      ...(options.format === undefined ? {} : { format: options.format }),
    })
    for (const [offset, value] of [
      [0, 1],
      [4 * MIB, 2],
      [6 * MIB, 3],
    ] as const) {
      await again.read(offset, back)
      expect(back[0]).toBe(value)
    }
  })

  it('tells of a flush that failed', async () => {
    const medium = new MemoryBackend()
    let broken = false
    const flaky: Backend = {
      ...reopenable(medium),
      flush: async () => {
        if (broken) throw new DiskImageError('io', 'the medium broke')
      },
    }
    const disk = await create(flaky, options)
    await disk.write(0, new Uint8Array(512).fill(1))
    broken = true
    await expect(disk.flush()).rejects.toMatchObject({ code: 'io' })
    // What is on the medium can still be read.
    const back = new Uint8Array(512)
    await disk.read(0, back)
    expect(back[0]).toBe(1)
    await disk.close().catch(() => {})
  })
})

describe('creating', () => {
  it.each<CreateOptions>([
    { sizeBytes: 0 },
    { sizeBytes: -512 },
    { sizeBytes: 1000 },
    { sizeBytes: 64 * 2 ** 40 + 512 },
    { sizeBytes: Number.NaN },
    { sizeBytes: 2 ** 60 },
    { sizeBytes: MIB, blockSize: 0 },
    { sizeBytes: MIB, blockSize: 3 * MIB },
    { sizeBytes: MIB, blockSize: 512 * MIB },
    { sizeBytes: MIB, blockSize: 512 },
    { sizeBytes: MIB + 512, logicalSectorSize: 4096 },
    { sizeBytes: MIB, logicalSectorSize: 1024 as 512 },
    { sizeBytes: MIB, diskId: new Uint8Array(3) },
    { format: 'vhd', sizeBytes: 2040 * 2 ** 30 + 512 },
    { format: 'vhd', sizeBytes: 0 },
    { format: 'vhd', sizeBytes: MIB, blockSize: 1000 },
    { format: 'vhd', sizeBytes: MIB, logicalSectorSize: 4096 },
    { format: 'raw', sizeBytes: MIB, type: 'dynamic' },
    { format: 'raw', type: 'fixed', sizeBytes: 100 },
  ])('refuses %j', async (options) => {
    const medium = new MemoryBackend()
    await expect(create(medium, options)).rejects.toMatchObject({ code: 'invalid-option' })
    expect(await medium.size()).toBe(0)
  })

  it('left off half-way leaves no image', async () => {
    const whole = new MemoryBackend()
    await (await create(reopenable(whole), { sizeBytes: 4 * MIB })).close()
    let flushes = 0
    const medium = new MemoryBackend()
    const stopped: Backend = {
      ...reopenable(medium),
      flush: async () => {
        if (++flushes === 1) throw new DiskImageError('out-of-space', 'full')
      },
    }
    await expect(create(stopped, { sizeBytes: 4 * MIB })).rejects.toMatchObject({ code: 'out-of-space' })
    await expect(open(medium, { format: 'vhdx' })).rejects.toMatchObject({ code: 'not-an-image' })
  })
})

describe('opening', () => {
  it('gives the same ids and sizes back', async () => {
    const medium = new MemoryBackend()
    const diskId = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
    const options = {
      sizeBytes: 64 * MIB,
      blockSize: 8 * MIB,
      logicalSectorSize: 4096,
      physicalSectorSize: 4096,
      diskId,
    } as const
    await (await create(reopenable(medium), options)).close()
    const disk = await open(reopenable(medium))
    expect(disk).toMatchObject({ format: 'vhdx', type: 'dynamic', ...options })
    expect(await disk.info()).toMatchObject({
      diskId: '04030201-0605-0807-090a-0b0c0d0e0f10',
      creator: '@bis/vhdx',
      parent: undefined,
    })
    await disk.close()
  })

  it('changes nothing until something is written', async () => {
    for (const options of shapes) {
      const medium = new MemoryBackend()
      await (await create(reopenable(medium), options)).close()
      const before = new Uint8Array(await medium.size())
      await medium.read(0, before)
      const disk = await open(reopenable(medium), {
        ...(options.format === undefined ? {} : { format: options.format }),
      })
      await disk.read(0, new Uint8Array(512))
      await disk.flush()
      await disk.close()
      const after = new Uint8Array(await medium.size())
      await medium.read(0, after)
      expect(Buffer.compare(before, after)).toBe(0)
    }
  })

  it('reads a raw file whose last sector is short, and completes it', async () => {
    const medium = new MemoryBackend(new Uint8Array(700).fill(5))
    const disk = await open(reopenable(medium))
    expect(disk).toMatchObject({ format: 'raw', sizeBytes: 1024 })
    const bytes = new Uint8Array(1024)
    await disk.read(0, bytes)
    expect([bytes[699], bytes[700]]).toEqual([5, 0])
    await disk.write(512, new Uint8Array(512).fill(6))
    await disk.close()
    expect(await medium.size()).toBe(1024)
  })

  it('refuses what is nothing, and what was a VHDX once', async () => {
    await expect(open(new MemoryBackend())).rejects.toMatchObject({ code: 'not-an-image' })
    await expect(open(new MemoryBackend(new Uint8Array(4096)), { format: 'vhd' })).rejects.toMatchObject({
      code: 'not-an-image',
    })
    await expect(open(new MemoryBackend(new Uint8Array(4096)), { format: 'vhdx' })).rejects.toMatchObject({
      code: 'not-an-image',
    })
    const medium = new MemoryBackend()
    await (await create(reopenable(medium), { sizeBytes: MIB })).close()
    await medium.write(0, new Uint8Array(4096))
    await expect(open(reopenable(medium))).rejects.toMatchObject({ code: 'corrupt' })
    await (await open(reopenable(medium), { format: 'raw' })).close()
  })

  it('notices another program that writes to the same image', async () => {
    const medium = new MemoryBackend()
    await (await create(reopenable(medium), { sizeBytes: 8 * MIB })).close()
    const [one, two] = [await open(reopenable(medium)), await open(reopenable(medium))]
    await one.write(0, new Uint8Array(512).fill(1))
    await expect(two.write(4096, new Uint8Array(512).fill(2))).rejects.toMatchObject({ code: 'in-use' })
    await one.close()
    await two.close()
  })

  it('keeps the content id until the content changes', async () => {
    const medium = new MemoryBackend()
    const made = await create(reopenable(medium), { sizeBytes: 8 * MIB })
    const first = (await made.info()).linkage
    await made.close()
    const disk = await open(reopenable(medium))
    expect((await disk.info()).linkage).toBe(first)
    await disk.write(0, new Uint8Array(512))
    expect((await disk.info()).linkage).not.toBe(first)
    await disk.close()
  })
})
