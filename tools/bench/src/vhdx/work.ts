import { open } from 'node:fs/promises'
import { createFile, openFile } from '@bis/vhdx/node'

const MIB = 2 ** 20
/** Bytes of one read or write, and how many are under way at a time: as qemu-img has them. */
export const PIECE_BYTES = 2 * MIB
const LANES = 4
const RANDOM_BYTES = 4096
const RANDOM_READS = 40_000
const RANDOM_DEPTH = 16

/** Makes a dynamic VHDX and writes it from one end to the other. */
export async function fill(path: string, data: Uint8Array, bytes: number): Promise<void> {
  const disk = await createFile(path, { sizeBytes: bytes })
  await sequentially(bytes, (offset) => disk.write(offset, data))
  await disk.close()
}

/** Reads an image from one end to the other. */
export async function readAll(path: string, bytes: number): Promise<void> {
  const disk = await openFile(path, { readOnly: true })
  const buffers = pieces()
  await sequentially(bytes, (offset, lane) => disk.read(offset, buffers[lane] ?? new Uint8Array(PIECE_BYTES)))
  await disk.close()
}

/** Reads a file from one end to the other: what Node.js can do at best. */
export async function readPlain(path: string, bytes: number): Promise<void> {
  const file = await open(path)
  const buffers = pieces()
  await sequentially(bytes, async (offset, lane) => {
    const buffer = buffers[lane] ?? new Uint8Array(PIECE_BYTES)
    await file.read(buffer, 0, buffer.length, offset)
  })
  await file.close()
}

/** @returns reads of 4 KiB at random places per second */
export async function randomReads(path: string, bytes: number): Promise<number> {
  const disk = await openFile(path, { readOnly: true })
  let seed = 1
  let left = RANDOM_READS
  const start = performance.now()
  await Promise.all(
    Array.from({ length: RANDOM_DEPTH }, async () => {
      const buffer = new Uint8Array(RANDOM_BYTES)
      while (left-- > 0) {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
        await disk.read((seed % (bytes / RANDOM_BYTES)) * RANDOM_BYTES, buffer)
      }
    }),
  )
  const seconds = (performance.now() - start) / 1000
  await disk.close()
  return RANDOM_READS / seconds
}

/** @returns bytes of memory that writes all over an image of 64 TiB, and reads of them, add to the process at most */
export async function memoryOfHuge(path: string): Promise<number> {
  const sizeBytes = 64 * 2 ** 40
  const writes = 2000
  const before = process.memoryUsage().rss
  let most = before
  const disk = await createFile(path, { sizeBytes, blockSize: MIB })
  const sector = new Uint8Array(RANDOM_BYTES).fill(1)
  const placeOf = (i: number): number => Math.floor((i * sizeBytes) / writes / RANDOM_BYTES) * RANDOM_BYTES
  for (let i = 0; i < 2 * writes; i++) {
    if (i < writes) await disk.write(placeOf(i), sector)
    else await disk.read(placeOf(i - writes), sector)
    if (i % 100 === 0) most = Math.max(most, process.memoryUsage().rss)
  }
  await disk.close()
  return Math.max(0, most - before)
}

/** Copies as many bytes from one buffer to another, both larger than the caches. @returns bytes per second */
export function memoryCopy(bytes: number): number {
  const half = Math.min(bytes, 64 * MIB)
  const source = new Uint8Array(half).fill(1)
  const target = new Uint8Array(half)
  target.set(source)
  const rounds = Math.max(1, Math.floor(bytes / half))
  const start = performance.now()
  for (let i = 0; i < rounds; i++) {
    for (let at = 0; at < half; at += PIECE_BYTES) target.set(source.subarray(at, at + PIECE_BYTES), at)
  }
  return (rounds * half) / ((performance.now() - start) / 1000)
}

/** Bytes without runs that a converter could leave out. */
export function noise(length: number): Uint8Array {
  const words = new Uint32Array(length / 4)
  let state = 1
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    words[i] = state
  }
  return new Uint8Array(words.buffer)
}

function pieces(): Uint8Array[] {
  return Array.from({ length: LANES }, () => new Uint8Array(PIECE_BYTES))
}

async function sequentially(bytes: number, work: (offset: number, lane: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (let at = next++; at < bytes / PIECE_BYTES; at = next++) await work(at * PIECE_BYTES, lane)
    }),
  )
}
