import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { convertFile } from '@bis/vhdx/node'
import type { VhdxRow } from './rows.ts'
import { fill, memoryCopy, memoryOfHuge, noise, PIECE_BYTES, randomReads, readAll, readPlain } from './work.ts'

const run = promisify(execFile)
const MIB = 2 ** 20

/** How the bench runs; every field may be left out. */
export interface VhdxBenchOptions {
  /** Where the images go; a folder of its own is made there. Default: the system's folder for temporary files. */
  readonly folder?: string
  /** Size of the image in MiB, an even number. Default 512. */
  readonly mib?: number
  /** Each figure is the best of so many; ours and qemu-img take turns. Default 3. */
  readonly rounds?: number
  readonly onRow?: (row: VhdxRow) => void
  readonly signal?: AbortSignal
}

/**
 * Sequential read, write and convert of a dynamic VHDX in the page cache, beside `qemu-img convert` on the same file where
 * it is installed, plain files and memory copy; and the memory that an image of 64 TiB takes. Both sides flush at the end.
 * For reading alone qemu-img converts into nothing, for writing it converts a raw file with the same content.
 */
export async function benchVhdx(options: VhdxBenchOptions = {}): Promise<VhdxRow[]> {
  const { rounds = 3, signal } = options
  const bytes = (options.mib ?? 512) * MIB
  const folder = await mkdtemp(join(options.folder ?? tmpdir(), 'bis-bench-'))
  const inFolder = (name: string): string => join(folder, name)
  const haveQemu = spawnSync('qemu-img', ['--version']).error === undefined
  const rows: VhdxRow[] = []
  const add = (row: VhdxRow): void => {
    rows.push(row)
    options.onRow?.(row)
  }
  /** The best rates of our work and of qemu-img's, which take turns. */
  const race = async (work: () => Promise<unknown>, theirs?: readonly string[]) => {
    const best = { ours: 0, qemuImg: 0 }
    for (let round = 0; round < rounds; round++) {
      signal?.throwIfAborted()
      // Outside the time, for both: freeing the file of the round before takes as long as a tenth of writing it.
      await rm(inFolder('ours'), { force: true })
      best.ours = Math.max(best.ours, await rate(bytes, work))
      if (theirs === undefined || !haveQemu) continue
      await rm(inFolder('theirs'), { force: true })
      best.qemuImg = Math.max(
        best.qemuImg,
        await rate(bytes, () => run('qemu-img', ['convert', ...theirs], { signal })),
      )
    }
    const { ours, qemuImg } = best
    const speed = { value: ours, unit: 'B/s', ofCopy: ours / copy } as const
    return qemuImg === 0 ? speed : { ...speed, qemuImg, ofQemuImg: ours / qemuImg }
  }
  const copy = Math.max(...Array.from({ length: rounds }, () => memoryCopy(bytes)))
  try {
    const image = inFolder('image.vhdx')
    const plain = inFolder('plain')
    const data = noise(PIECE_BYTES)
    add({ bench: 'copy', value: copy, unit: 'B/s' })
    await fill(image, data, bytes)
    await convertFile(image, plain, { format: 'raw' })
    const toVhdx = ['-t', 'writeback', '-f', 'raw', '-O', 'vhdx', plain, inFolder('theirs')]
    add({ bench: 'write', ...(await race(() => fill(inFolder('ours'), data, bytes), toVhdx)) })
    const toNothing = ['-n', '-f', 'vhdx', '--target-image-opts', image, `driver=null-co,size=${bytes}`]
    add({ bench: 'read', ...(await race(() => readAll(image, bytes), toNothing)) })
    add({ bench: 'read-plain', ...(await race(() => readPlain(plain, bytes))) })
    add({ bench: 'random-read', value: await randomReads(image, bytes), unit: 'IOPS' })
    for (const [to, type, driver] of [
      ['raw', 'fixed', 'raw'],
      ['vhd', 'dynamic', 'vpc'],
      ['vhdx', 'dynamic', 'vhdx'],
    ] as const) {
      const ours = (): Promise<unknown> => convertFile(image, inFolder('ours'), { format: to, type })
      const theirs = ['-t', 'writeback', '-f', 'vhdx', '-O', driver, image, inFolder('theirs')]
      add({ bench: 'convert', to, ...(await race(ours, theirs)) })
    }
    add({ bench: 'memory', value: await memoryOfHuge(inFolder('huge.vhdx')), unit: 'B' })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return rows
}

async function rate(bytes: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return bytes / ((performance.now() - start) / 1000)
}
