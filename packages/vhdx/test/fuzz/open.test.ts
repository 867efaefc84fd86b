import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { describe, expect, it } from 'vitest'
import { check, DiskImageError, MemoryBackend, open } from '../../src/index.ts'
import { viewOf } from '../../src/shared/bytes.ts'
import { breathe } from '../support/breathe.ts'
import type { Sample } from '../support/images.ts'
import { allSamples } from '../support/images.ts'
import { Random } from '../support/random.ts'
import { reopenable } from '../support/reopenable.ts'
import { reseal } from '../support/reseal.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** No single image may keep us this long, nor make us take this much memory. */
const MOST_MS = 3000
const MOST_BYTES = 256 * MIB

const VALUES = [0, 1, 0x7fffffff, 0xffffffff, 'up', 'down', 'wide'] as const

const samples = await allSamples()

/** Where the fields of an image are; VHDX payload and the rest of VHD blocks are no fields. */
function fieldRanges({ bytes, name }: Sample): [number, number][] {
  if (name.includes('vhdx')) {
    return [
      [0, 16],
      [64 * KIB, 80],
      [128 * KIB, 80],
      [192 * KIB, 96],
      [256 * KIB, 96],
      [MIB, 128],
      [MIB + 4 * KIB, 128],
      [2 * MIB, 256],
      [2 * MIB + 64 * KIB, 512],
      [3 * MIB, 128],
    ]
  }
  return [
    [0, 96],
    [512, 0x260],
    [1536, 64],
    [bytes.length - 512, 96],
  ]
}

/** Everything a reader or a tool does with an image; only a typed error may come out of it. */
async function use(image: Uint8Array, sample: Sample): Promise<'opened' | 'refused'> {
  let result: 'opened' | 'refused' = 'opened'
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof DiskImageError)) throw error
      expect(error.message.length).toBeGreaterThan(10)
      result = 'refused'
    }
  }
  const medium = new MemoryBackend(image)
  const { findParent } = sample
  await attempt(async () => {
    const disk = await open(reopenable(medium), { readOnly: true, findParent })
    const part = new Uint8Array(64 * KIB)
    try {
      for (const place of [0, 3 * MIB - 4096, disk.sizeBytes - part.length]) {
        const offset = Math.max(0, Math.min(place, disk.sizeBytes - part.length))
        await disk.read(offset - (offset % disk.logicalSectorSize), part)
      }
      let extents = 0
      for await (const _ of disk.extents()) if (++extents > 1000) break
    } finally {
      await disk.close()
    }
  })
  const read = result
  await attempt(async () => void (await check(medium, { findParent })))
  await attempt(async () => {
    const disk = await open(reopenable(medium), { findParent })
    try {
      await disk.write(disk.sizeBytes >= 4 * MIB ? 3 * MIB : 0, new Uint8Array(4096).fill(7))
      await disk.flush()
    } finally {
      await disk.close()
    }
    expect(medium.allocatedBytes).toBeLessThan(MOST_BYTES)
  })
  return read
}

async function useInTime(image: Uint8Array, sample: Sample, message: string): Promise<'opened' | 'refused'> {
  const start = performance.now()
  const result = await use(image, sample).catch((error: unknown) => {
    throw new Error(`${message}: ${String(error)}`, { cause: error })
  })
  expect(performance.now() - start, message).toBeLessThan(MOST_MS)
  return result
}

describe.each(samples)('$name', (sample) => {
  it('is what it should be before anything is changed', async () => {
    expect(await use(sample.bytes, sample)).toBe('opened')
  })

  it('[VX-02] each field at its limits is refused or harmless', { timeout: fuzzTimeout(120_000) }, async () => {
    const cases = fieldRanges(sample).flatMap(([start, length]) =>
      Array.from({ length: length / 4 }, (_, i) => start + 4 * i).flatMap((offset) =>
        VALUES.map((value) => ({ offset, value })),
      ),
    )
    const random = new Random(fuzzSeed)
    const wanted = fuzzRuns(120)
    // All of them if so many are wanted, else some that are spread over all fields.
    const stride = Math.max(1, Math.floor(cases.length / wanted))
    for (let i = random.below(stride); i < cases.length; i += stride) {
      const { offset, value } = cases[i] as (typeof cases)[number]
      const image = sample.bytes.slice()
      const view = viewOf(image)
      const before = view.getUint32(offset)
      if (value === 'wide') image.fill(0xff, offset, offset + 8)
      else view.setUint32(offset, value === 'up' ? before + 1 : value === 'down' ? before - 1 : value)
      reseal(image)
      await useInTime(image, sample, `${value} at 0x${offset.toString(16)}`)
      if (i % 10 === 0) await breathe()
    }
  })

  it('[VX-02] random changes end in a typed error or an open disk', { timeout: fuzzTimeout(120_000) }, async () => {
    const random = new Random(fuzzSeed)
    const ranges = fieldRanges(sample)
    for (let run = 0; run < fuzzRuns(60); run++) {
      const image = random.chance(0.1) ? sample.bytes.slice(0, random.below(sample.bytes.length)) : sample.bytes.slice()
      for (let changes = 1 + random.below(4); changes > 0; changes--) {
        const [start, length] = random.pick(ranges)
        const offset = start + random.below(length)
        const size = random.pick([1, 1, 2, 4, 8])
        for (let i = 0; i < size && offset + i < image.length; i++)
          image[offset + i] = random.chance(0.3) ? 0xff : random.u32()
      }
      if (random.chance(0.7) && image.length > 300 * KIB) reseal(image)
      await useInTime(image, sample, `run ${run}, seed ${fuzzSeed}`)
      if (run % 10 === 0) await breathe()
    }
  })

  it('[VX-02] a damaged copy of a checked structure changes nothing that is read', async () => {
    // Each VHDX structure has two copies and a checksum, as has the footer of a VHD that is not fixed.
    const copies: [number, number][] = sample.name.includes('vhdx')
      ? [
          [64 * KIB, 4 * KIB],
          [128 * KIB, 4 * KIB],
          [192 * KIB, 64 * KIB],
          [256 * KIB, 64 * KIB],
        ]
      : sample.name.includes('fixed')
        ? []
        : [
            [0, 512],
            [sample.bytes.length - 512, 512],
          ]
    const random = new Random(fuzzSeed)
    for (const [start, length] of copies) {
      for (let run = 0; run < 10; run++) {
        const image = sample.bytes.slice()
        const offset = start + random.below(length)
        image[offset] = (image[offset] as number) ^ (1 << random.below(8))
        try {
          const disk = await open(new MemoryBackend(image), { readOnly: true, findParent: sample.findParent })
          const content = new Uint8Array(disk.sizeBytes)
          await disk.read(0, content)
          expect(Buffer.compare(content, sample.content), `a bit at 0x${offset.toString(16)}`).toBe(0)
          await disk.close()
        } catch (error) {
          // The older header knows nothing of the log that the newer one asks to replay, and some changes need it.
          expect(sample.name, String(error)).toBe('dirty vhdx')
        }
      }
    }
  })
})
