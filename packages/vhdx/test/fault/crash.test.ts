import { fuzzRuns, fuzzSeed } from '@bis/build/fuzz'
import { describe, expect, it } from 'vitest'
import type { CreateOptions, Environment, VirtualDisk } from '../../src/index.ts'
import { check, create, createChild, MemoryBackend, open } from '../../src/index.ts'
import { breathe } from '../support/breathe.ts'
import { CrashMedium } from '../support/crash-medium.ts'
import { Random, seededEnvironment } from '../support/random.ts'
import { reopenable } from '../support/reopenable.ts'
import { SectorHistory } from '../support/sector-history.ts'

const MIB = 1024 * 1024

const seeds = Array.from({ length: fuzzRuns(2) }, (_, i) => fuzzSeed + i)
const CUTS = 25

const shapes: (CreateOptions & { childBlocks?: number })[] = [
  { format: 'vhdx', type: 'dynamic', sizeBytes: 12 * MIB, blockSize: MIB },
  { format: 'vhdx', type: 'dynamic', sizeBytes: 9 * MIB, blockSize: 2 * MIB, logicalSectorSize: 4096 },
  { format: 'vhdx', type: 'fixed', sizeBytes: 4 * MIB, blockSize: MIB },
  { format: 'vhd', type: 'dynamic', sizeBytes: 6 * MIB, blockSize: 512 * 1024 },
  { format: 'vhdx', type: 'dynamic', sizeBytes: 9 * MIB, blockSize: MIB, childBlocks: 2 * MIB },
  { format: 'vhd', type: 'dynamic', sizeBytes: 6 * MIB, blockSize: 2 * MIB, childBlocks: 512 * 1024 },
]

/** Batches of calls side by side on places of their own, with flushes between and among them. */
async function work(disk: VirtualDisk, history: SectorHistory, random: Random, now: () => number): Promise<void> {
  const unit = 64 * 1024
  for (let round = 0; round < 25; round++) {
    const jobs: Promise<unknown>[] = []
    const taken = new Set<number>()
    for (let calls = 1 + random.below(6); calls > 0; calls--) {
      const slot = random.below(Math.floor(disk.sizeBytes / unit))
      if (taken.has(slot)) continue
      taken.add(slot)
      const sectors = unit / disk.logicalSectorSize
      const first = random.below(sectors)
      const length = random.chance(0.3) ? unit : disk.logicalSectorSize * (1 + random.below(sectors - first))
      const offset = slot * unit + (length === unit ? 0 : first * disk.logicalSectorSize)
      const { bytes, done } = history.write(offset, length, now)
      jobs.push(disk.write(offset, bytes).then(done))
    }
    if (random.chance(0.3)) {
      const { done } = history.flush(now)
      jobs.push(disk.flush().then(done))
    }
    await Promise.all(jobs)
    if (random.chance(0.3) && disk.type !== 'fixed') {
      const first = random.below(Math.floor(disk.sizeBytes / disk.blockSize))
      const offset = first * disk.blockSize
      const length = Math.min(disk.sizeBytes - offset, disk.blockSize * (1 + random.below(2)))
      const whole = offset + length === disk.sizeBytes ? length : length - (length % disk.blockSize)
      const { done } = history.zero(offset, whole, now)
      const keepsParent = disk.type === 'differencing' && disk.format === 'vhd'
      await (random.chance(0.5) && !keepsParent ? disk.trim(offset, length) : disk.writeZeroes(offset, whole))
      done()
    }
    if (random.chance(0.1) && (disk.type !== 'differencing' || disk.format === 'vhdx')) {
      const size =
        Math.floor(((0.5 + random.below(100) / 66) * disk.sizeBytes) / disk.logicalSectorSize) * disk.logicalSectorSize
      const to = Math.min(size, 16 * MIB)
      const from = Math.min(to, disk.sizeBytes)
      // What is cut off is gone, and reads as zero if the disk grows over it again.
      const zeroed = history.zero(from, 32 * MIB - from, now)
      await disk.resize(to)
      zeroed.done()
    }
    if (random.chance(0.1)) await disk.compact()
    if (random.chance(0.3)) {
      const { done } = history.flush(now)
      await disk.flush()
      done()
    }
  }
}

describe.each(shapes)(
  'power cut: $format $type, $sizeBytes bytes in blocks of $blockSize, child of $childBlocks',
  ({ childBlocks, ...shape }) => {
    it.each(seeds)(
      '[VX-03] [VX-07] loses nothing that was flushed and shows nothing foreign, seed %i',
      async (seed) => {
        const random = new Random(seed)
        const environment = seededEnvironment(seed)
        const sectorSize = shape.logicalSectorSize ?? 512
        const history = new SectorHistory(sectorSize)
        const { start, parent } = await makeImage(shape, childBlocks, history, environment)
        const findParent = async () => parent && reopenable(parent)
        const medium = new CrashMedium(random, sectorSize, start)
        const now = () => medium.tick()
        for (let session = 0; session < 2; session++) {
          const disk = await open(medium.backend(), { environment, findParent })
          await work(disk, history, random, now)
          const { done } = history.flush(now)
          await disk.close()
          done()
        }
        for (let i = 0; i < CUTS; i++) {
          await breathe()
          const cut = i === 0 ? medium.now : random.below(medium.now)
          const message = `seed ${seed}, cut at ${cut} of ${medium.now}`
          const rest = await medium.after(cut, random)
          const handle = reopenable(rest)
          const readOnly = await open(handle, { readOnly: true, findParent })
          await expect(history.check(readOnly, cut), `${message}, read-only`).resolves.toBeUndefined()
          await readOnly.close()
          // Nothing worse than a log to replay, a footer to write again, and space to free.
          const before = await check(rest, { findParent })
          expect(
            before.findings.filter(({ severity, repairable }) => severity !== 'leak' && !repairable),
            message,
          ).toEqual([])
          const disk = await open(handle, { environment, findParent })
          await expect(history.check(disk, cut), message).resolves.toBeUndefined()
          // The image goes on being usable, and its free space is free.
          const probe = new Uint8Array(disk.logicalSectorSize)
          for (let offset = 0; offset < disk.sizeBytes; offset += disk.blockSize) {
            await disk.read(offset, probe)
            await disk.write(offset, probe)
          }
          await disk.close()
          expect(
            (await check(rest, { findParent })).findings.filter(({ severity }) => severity !== 'leak'),
            message,
          ).toEqual([])
          const again = await open(handle, { readOnly: true, findParent })
          await expect(history.check(again, cut), `${message}, after another session`).resolves.toBeUndefined()
          await again.close()
        }
      },
    )
  },
)

/** An empty image's bytes; of a child, with a parent that was filled and closed long ago. */
async function makeImage(
  shape: CreateOptions,
  childBlocks: number | undefined,
  history: SectorHistory,
  environment: Environment,
): Promise<{ start: Uint8Array; parent: MemoryBackend | undefined }> {
  const base = new MemoryBackend()
  const disk = await create(reopenable(base), { ...shape, environment })
  if (childBlocks === undefined) {
    await disk.close()
    return { start: await contentOf(base), parent: undefined }
  }
  for (let offset = 0; offset < disk.sizeBytes; offset += 192 * 1024) {
    const { bytes, done } = history.write(offset, Math.min(100 * 1024, disk.sizeBytes - offset), () => -3)
    await disk.write(offset, bytes)
    done()
  }
  history.flush(() => -2).done()
  await disk.close()
  const child = new MemoryBackend()
  const made = await createChild(reopenable(child), {
    parent: await open(reopenable(base), { readOnly: true }),
    paths: [],
    findParent: async () => reopenable(base),
    blockSize: childBlocks,
    environment,
  })
  await made.close()
  return { start: await contentOf(child), parent: base }
}

async function contentOf(medium: MemoryBackend): Promise<Uint8Array> {
  const bytes = new Uint8Array(await medium.size())
  await medium.read(0, bytes)
  return bytes
}
