import { fuzzRuns, fuzzSeed } from '@bis/build/fuzz'
import { describe, expect, it } from 'vitest'
import type { CreateOptions } from '../src/index.ts'
import { check, create, MemoryBackend, open } from '../src/index.ts'
import { breathe } from './support/breathe.ts'
import { Random, seededEnvironment } from './support/random.ts'
import { reopenable } from './support/reopenable.ts'
import { interestingRange, SparseModel } from './support/sparse-model.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

const shapes: CreateOptions[] = [
  { format: 'raw', type: 'fixed', sizeBytes: 5 * MIB },
  { format: 'raw', type: 'fixed', sizeBytes: 4 * MIB, logicalSectorSize: 4096 },
  { format: 'vhd', type: 'fixed', sizeBytes: 5 * MIB + 512 },
  { format: 'vhd', type: 'dynamic', sizeBytes: 9 * MIB + 512, blockSize: 512 * 1024 },
  { format: 'vhd', type: 'dynamic', sizeBytes: 2040 * GIB },
  { format: 'vhd', type: 'dynamic', sizeBytes: 100 * MIB + 1024, blockSize: 8 * MIB },
  { format: 'vhdx', type: 'fixed', sizeBytes: 5 * MIB + 512, blockSize: MIB },
  { format: 'vhdx', type: 'dynamic', sizeBytes: 9 * MIB + 512, blockSize: MIB },
  { format: 'vhdx', type: 'dynamic', sizeBytes: 9 * MIB + 4096, blockSize: MIB, logicalSectorSize: 4096 },
  { format: 'vhdx', type: 'dynamic', sizeBytes: 100 * GIB, blockSize: 256 * MIB },
  { format: 'vhdx', type: 'dynamic', sizeBytes: 64 * 1024 * GIB, blockSize: 32 * MIB, logicalSectorSize: 4096 },
]

const seeds = Array.from({ length: fuzzRuns(2) }, (_, i) => fuzzSeed + i)

describe.each(shapes)(
  '$format $type, $sizeBytes bytes in blocks of $blockSize, sectors of $logicalSectorSize',
  (shape) => {
    it.each(seeds)(
      '[VX-01] [VX-08] holds what a plain array would, over random operations and reopening, seed %i',
      async (seed) => {
        const random = new Random(seed)
        const environment = seededEnvironment(seed)
        const medium = new MemoryBackend()
        const model = new SparseModel(shape.logicalSectorSize ?? 512)
        let disk = await create(reopenable(medium), { ...shape, environment })
        const fixed = disk.type === 'fixed'
        for (let step = 0; step < 120; step++) {
          if (step % 10 === 0) await breathe()
          const [offset, length] = interestingRange(random, disk, disk.blockSize > 32 * MIB ? 64 * 1024 : 3 * MIB)
          switch (random.below(11)) {
            case 0:
            case 1:
            case 2:
            case 3: {
              const bytes = random.bytes(length)
              model.write(offset, bytes)
              await disk.write(offset, bytes)
              break
            }
            case 4:
            case 5: {
              const bytes = new Uint8Array(length).fill(0xa5)
              await disk.read(offset, bytes)
              expect(Buffer.compare(bytes, model.read(offset, length)), `read at ${offset}, step ${step}`).toBe(0)
              break
            }
            case 6: {
              const whole = random.chance(0.5) ? [offset - (offset % disk.blockSize), 0] : [offset, 0]
              const from = whole[0] as number
              const size = Math.min(disk.sizeBytes - from, Math.max(length, disk.blockSize * (1 + random.below(2))))
              await disk.trim(from, size)
              if (!fixed) {
                const first = Math.ceil(from / disk.blockSize) * disk.blockSize
                const end =
                  from + size === disk.sizeBytes
                    ? disk.sizeBytes
                    : Math.floor((from + size) / disk.blockSize) * disk.blockSize
                for (const sector of model.written) {
                  const place = sector * model.sectorSize
                  if (place >= first && place < end) model.zero(place, model.sectorSize)
                }
              }
              break
            }
            case 7: {
              model.zero(offset, length)
              await disk.writeZeroes(offset, length)
              break
            }
            case 8:
              await disk.flush()
              break
            case 9:
              if (random.chance(0.2) && disk.blockSize <= 8 * MIB) await disk.compact()
              if (random.chance(0.3)) {
                await disk.close()
                disk = await open(reopenable(medium), {
                  environment,
                  format: disk.format,
                  rawSectorSize: disk.logicalSectorSize,
                })
              }
              break
            case 10: {
              if (random.chance(0.5)) break
              const most = { raw: 64 * MIB, vhd: 2040 * GIB, vhdx: 64 * 1024 * GIB }[disk.format]
              const far = random.chance(0.2) && !fixed ? most : Math.min(most, 2 * shape.sizeBytes)
              const size = Math.max(
                disk.logicalSectorSize,
                random.below(far / disk.logicalSectorSize) * disk.logicalSectorSize,
              )
              if (Math.abs(size - disk.sizeBytes) / disk.blockSize > 2e4) break
              await disk.resize(size)
              expect(disk.sizeBytes).toBe(size)
              model.truncate(size)
              break
            }
          }
        }
        if (random.chance(0.5) && disk.blockSize <= 8 * MIB) {
          await disk.compact()
          await disk.write(0, model.read(0, disk.logicalSectorSize))
        }
        await disk.close()
        expect(await check(medium, { format: disk.format })).toMatchObject({
          ok: true,
          findings: expect.not.arrayContaining([expect.objectContaining({ repairable: true })]) as unknown,
        })
        disk = await open(reopenable(medium), {
          readOnly: true,
          format: disk.format,
          rawSectorSize: disk.logicalSectorSize,
        })
        for (const sector of model.written) {
          const bytes = new Uint8Array(model.sectorSize)
          await disk.read(sector * model.sectorSize, bytes)
          expect(Buffer.compare(bytes, model.read(sector * model.sectorSize, bytes.length)), `sector ${sector}`).toBe(0)
        }
        await disk.close()
      },
    )

    it('takes many calls at once', async () => {
      const random = new Random(7)
      const disk = await create(new MemoryBackend(), shape)
      const model = new SparseModel(disk.logicalSectorSize)
      const unit = 16 * disk.logicalSectorSize
      const places = Math.min(400, Math.floor(disk.sizeBytes / unit))
      const jobs: Promise<void>[] = []
      for (let i = 0; i < places; i++) {
        const bytes = random.bytes(unit)
        model.write(i * unit, bytes)
        jobs.push(disk.write(i * unit, bytes))
        if (i % 50 === 0) jobs.push(disk.flush())
      }
      await Promise.all(jobs)
      const all = new Uint8Array(places * unit)
      await disk.read(0, all)
      expect(Buffer.compare(all, model.read(0, all.length))).toBe(0)
      await disk.close()
    })
  },
)
