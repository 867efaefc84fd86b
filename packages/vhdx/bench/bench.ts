import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { convertFile, createFile, openFile } from '../src/node/index.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024

export interface BenchRow {
  name: string
  /** MiB per second, or operations per second. */
  value: number
  unit: 'MiB/s' | 'IOPS' | 'MiB'
  /** The same work by another program in the same run, and our share of it. */
  reference?: { name: string; value: number; ratio: number }
}

export interface BenchOptions {
  /** Where the images go; a folder of its own is made there. Default: the system's folder for temporary files. */
  folder?: string
  /** Size of the image in MiB. Default 1024. */
  mib?: number
  /** Each figure is the best of so many. Default 3. */
  rounds?: number
  onRow?: (row: BenchRow) => void
}

/**
 * Sequential read, write and convert of a dynamic VHDX in the page cache, beside qemu-img on the same file where it is
 * installed, and memory used over an image of 64 TiB. qemu-img is told to flush at the end as we do.
 */
export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const { mib = 1024, rounds = 3 } = options
  const folder = await mkdtemp(join(options.folder ?? tmpdir(), 'bis-bench-'))
  const rows: BenchRow[] = []
  const add = (row: BenchRow) => {
    rows.push(row)
    options.onRow?.(row)
  }
  const best = async (work: () => Promise<void>): Promise<number> => {
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < rounds; i++) {
      const start = performance.now()
      await work()
      least = Math.min(least, performance.now() - start)
    }
    return mib / (least / 1000)
  }
  const haveQemu = spawnSync('qemu-img', ['--version']).error === undefined
  const inFolder = (name: string) => join(folder, name)
  const beside = (name: string, value: number, theirs: number | undefined): BenchRow => ({
    name,
    value,
    unit: 'MiB/s',
    ...(theirs === undefined ? {} : { reference: { name: 'qemu-img', value: theirs, ratio: value / theirs } }),
  })
  try {
    const image = inFolder('image.vhdx')
    const data = patternOf(2 * MIB)
    add({ name: 'write', unit: 'MiB/s', value: await best(() => fill(image, data, mib)) })
    add({ name: 'read', unit: 'MiB/s', value: await best(() => readAll(image, mib)) })
    add({ name: 'read of the plain file', unit: 'MiB/s', value: await best(() => readPlain(image, mib)) })
    add({ name: 'read 4 KiB at random, 16 at a time', unit: 'IOPS', value: await randomReads(image, mib) })

    for (const [format, type, theirs] of [
      ['raw', 'fixed', 'raw'],
      ['vhd', 'dynamic', 'vpc'],
      ['vhdx', 'dynamic', 'vhdx'],
    ] as const) {
      const ours = await best(async () => {
        await rm(inFolder('ours'), { force: true })
        await convertFile(image, inFolder('ours'), { format, type })
      })
      const reference = !haveQemu
        ? undefined
        : await best(async () => {
            await rm(inFolder('theirs'), { force: true })
            await run('qemu-img', ['convert', '-t', 'writeback', '-f', 'vhdx', '-O', theirs, image, inFolder('theirs')])
          })
      add(beside(`convert to ${format}`, ours, reference))
    }
    add({
      name: 'memory for 2000 writes all over a 64 TiB image',
      unit: 'MiB',
      value: await memoryOfHuge(inFolder('huge.vhdx')),
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return rows
}

async function fill(path: string, data: Uint8Array, mib: number): Promise<void> {
  await rm(path, { force: true })
  const disk = await createFile(path, { sizeBytes: mib * MIB })
  await sequentially(mib, (offset) => disk.write(offset, data))
  await disk.close()
}

async function readAll(path: string, mib: number): Promise<void> {
  const disk = await openFile(path, { readOnly: true })
  const buffers = Array.from({ length: 4 }, () => new Uint8Array(2 * MIB))
  await sequentially(mib, (offset, lane) => disk.read(offset, buffers[lane] as Uint8Array))
  await disk.close()
}

async function readPlain(path: string, mib: number): Promise<void> {
  const file = await open(path)
  const buffers = Array.from({ length: 4 }, () => new Uint8Array(2 * MIB))
  await sequentially(
    mib,
    async (offset, lane) => void (await file.read(buffers[lane] as Uint8Array, 0, 2 * MIB, offset)),
  )
  await file.close()
}

/** Pieces of 2 MiB, four under way at a time. */
async function sequentially(mib: number, work: (offset: number, lane: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: 4 }, async (_, lane) => {
      for (let at = next++; at < mib / 2; at = next++) await work(at * 2 * MIB, lane)
    }),
  )
}

async function randomReads(path: string, mib: number): Promise<number> {
  const disk = await openFile(path, { readOnly: true })
  const count = 40_000
  let seed = 1
  let left = count
  const start = performance.now()
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      const buffer = new Uint8Array(4096)
      while (left-- > 0) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
        await disk.read((seed % (mib * 256)) * 4096, buffer)
      }
    }),
  )
  const seconds = (performance.now() - start) / 1000
  await disk.close()
  return count / seconds
}

async function memoryOfHuge(path: string): Promise<number> {
  const before = process.memoryUsage().rss
  let most = before
  const disk = await createFile(path, { sizeBytes: 64 * 2 ** 40, blockSize: MIB })
  const sector = new Uint8Array(4096).fill(1)
  for (let i = 0; i < 2000; i++) {
    await disk.write(Math.floor((i * 64 * 2 ** 40) / 2000 / 4096) * 4096, sector)
    if (i % 100 === 0) most = Math.max(most, process.memoryUsage().rss)
  }
  await disk.close()
  return Math.max(0, most - before) / MIB
}

function patternOf(length: number): Uint8Array {
  const words = new Uint32Array(length / 4)
  let state = 1
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    words[i] = state
  }
  return new Uint8Array(words.buffer)
}
