import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../memory-backend.ts'
import { viewOf } from '../shared/bytes.ts'
import { crc32c } from '../shared/crc32c.ts'
import { logEffect } from './log-effect.ts'
import type { LogEntryContent } from './log-entry.ts'
import { encodeLogEntry } from './log-entry.ts'
import { LogOverlay } from './log-overlay.ts'
import { applyLog, readActiveLog } from './log-replay.ts'

const MIB = 2 ** 20
const GUID = new Uint8Array(16).fill(0xaa)
const TARGET = 3 * MIB
const header = {
  sequence: 1,
  fileWriteGuid: GUID,
  dataWriteGuid: GUID,
  logGuid: GUID,
  logVersion: 0,
  version: 1,
  logLength: MIB,
  logOffset: MIB,
}

function sector(value: number): Uint8Array {
  return new Uint8Array(4096).fill(value)
}

function entry(sequence: number, tail: number, values: number[], more: Partial<LogEntryContent> = {}): Uint8Array {
  return encodeLogEntry({
    sequence,
    tail,
    logGuid: GUID,
    flushedFileSize: 4 * MIB,
    lastFileSize: 4 * MIB,
    sectors: values.map((value, i) => ({ offset: TARGET + i * 4096, bytes: sector(value) })),
    ...more,
  })
}

/** A file of 4 MiB with entries at places in its log. */
async function file(...entries: [position: number, bytes: Uint8Array][]): Promise<MemoryBackend> {
  const medium = new MemoryBackend()
  await medium.truncate(4 * MIB)
  for (const [position, bytes] of entries) {
    const first = Math.min(bytes.length, MIB - position)
    await medium.write(MIB + position, bytes.subarray(0, first))
    await medium.write(MIB, bytes.subarray(first))
  }
  return medium
}

async function sequences(medium: MemoryBackend): Promise<number[]> {
  return (await readActiveLog(medium, header)).map(({ sequence }) => sequence)
}

/** First bytes of the sectors after replay, and after replaying once more. */
async function replayed(medium: MemoryBackend, count: number): Promise<number[]> {
  const effect = logEffect(await readActiveLog(medium, header))
  const overlay = await LogOverlay.over(medium, effect)
  const look = async (backend: { read(offset: number, buffer: Uint8Array): Promise<number> }) => {
    const values: number[] = []
    for (let i = 0; i < count; i++) {
      const bytes = sector(0)
      await backend.read(TARGET + i * 4096, bytes)
      expect(
        bytes.every((byte) => byte === bytes[0]),
        `sector ${i} is of one kind`,
      ).toBe(true)
      values.push(bytes[0] as number)
    }
    return values
  }
  const inMemory = await look(overlay)
  await applyLog(medium, effect)
  const first = await look(medium)
  await applyLog(medium, logEffect(await readActiveLog(medium, header)))
  expect(await look(medium)).toEqual(first)
  expect(inMemory).toEqual(first)
  return first
}

/** An entry with its checksum made right after a change. */
function changed(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  change(viewOf(bytes))
  viewOf(bytes).setUint32(4, crc32c(bytes, 4), true)
  return bytes
}

describe('[VX-04] replay', () => {
  it('takes entries in order from the tail of the newest', async () => {
    const medium = await file([0, entry(5, 0, [1, 1, 1])], [16384, entry(6, 0, [2, 2])], [28672, entry(7, 0, [3])])
    expect(await sequences(medium)).toEqual([5, 6, 7])
    expect(await replayed(medium, 4)).toEqual([3, 2, 1, 0])
  })

  it('leaves out what lies before the tail', async () => {
    const medium = await file([0, entry(5, 0, [1, 1, 1])], [16384, entry(6, 16384, [2])])
    expect(await sequences(medium)).toEqual([6])
    expect(await replayed(medium, 3)).toEqual([2, 0, 0])
  })

  it('goes round the end of the ring, in the middle of an entry too', async () => {
    const start = MIB - 8192
    const medium = await file([start, entry(8, start, [1, 1])], [4096, entry(9, start, [2])])
    expect(await sequences(medium)).toEqual([8, 9])
    expect(await replayed(medium, 2)).toEqual([2, 1])
  })

  it('ends at a gap, a wrong checksum, another log, a wrong tail', async () => {
    const good = entry(5, 0, [1])
    const gap = await file([0, good], [8192, entry(7, 8192 + 4096, [2])])
    expect(await sequences(gap)).toEqual([5])
    const torn = entry(6, 0, [2])
    torn[5000] = 9
    expect(await sequences(await file([0, good], [8192, torn]))).toEqual([5])
    const other = entry(6, 0, [2], { logGuid: new Uint8Array(16).fill(1) })
    expect(await sequences(await file([0, good], [8192, other]))).toEqual([5])
    // The newest entry whose tail is there counts, not the newest.
    expect(await sequences(await file([0, good], [8192, entry(6, 65_536, [2])]))).toEqual([5])
  })

  it('prefers the greatest number of two runs', async () => {
    const medium = await file([0, entry(5, 0, [1])], [8192, entry(6, 0, [1])], [65_536, entry(90, 65_536, [2])])
    expect(await sequences(medium)).toEqual([90])
  })

  it('asks the file size only of the newest entry', async () => {
    const larger = { flushedFileSize: 400 * MIB, lastFileSize: 400 * MIB }
    const medium = await file([0, entry(5, 0, [1], larger)], [8192, entry(6, 0, [2])])
    expect(await sequences(medium)).toEqual([5, 6])
    await expect(sequences(await file([0, entry(5, 0, [1], larger)]))).rejects.toMatchObject({ code: 'truncated' })
  })

  it('grows the file as the newest entry says', async () => {
    const medium = await file([0, entry(5, 0, [1], { lastFileSize: 9 * MIB })])
    await applyLog(medium, logEffect(await readActiveLog(medium, header)))
    expect(await medium.size()).toBe(9 * MIB)
  })

  it('does nothing for an entry without descriptors', async () => {
    expect(await replayed(await file([0, entry(1, 0, [])]), 2)).toEqual([0, 0])
  })

  it('refuses when the header names a log and no entry is whole', async () => {
    await expect(sequences(await file())).rejects.toMatchObject({ code: 'corrupt' })
  })

  it('knows zero descriptors, before and after data of the same place', async () => {
    const zeros = (sequence: number, tail: number, offset: number, length: number) =>
      changed(entry(sequence, tail, []), (view) => {
        view.setUint32(24, 1, true)
        view.setUint32(64, 0x6f72657a, true)
        view.setUint32(72, length, true)
        view.setUint32(80, offset, true)
        view.setUint32(88, sequence, true)
      })
    const medium = await file(
      [0, entry(1, 0, [1, 1, 1])],
      [16384, zeros(2, 0, TARGET, 8192)],
      [20480, entry(3, 0, [3])],
    )
    expect(await sequences(medium)).toEqual([1, 2, 3])
    await medium.write(TARGET, sector(9))
    expect(await replayed(medium, 3)).toEqual([3, 0, 1])
  })

  it('takes data sectors by their numbers, so that an old one under a new header does not count', async () => {
    const stale = changed(entry(6, 0, [2]), (view) => view.setUint32(8192 - 4, 5, true))
    expect(await sequences(await file([0, entry(5, 0, [1])], [8192, stale]))).toEqual([5])
  })

  it.each([
    ['the log itself', MIB + 4096],
    ['a header', 65_536],
    ['half a sector', TARGET + 512],
  ])('refuses an entry that would write to %s', async (_, offset) => {
    const bad = changed(entry(6, 0, [2]), (view) => view.setUint32(64 + 16, offset, true))
    expect(await sequences(await file([0, entry(5, 0, [1])], [8192, bad]))).toEqual([5])
  })

  it('is quick over a log full of promises', async () => {
    // Every sector claims to be an entry as long as the log.
    const medium = await file()
    const claim = entry(1, 0, [])
    viewOf(claim).setUint32(8, MIB, true)
    for (let position = 0; position < MIB; position += 4096) await medium.write(MIB + position, claim)
    await expect(sequences(medium)).rejects.toMatchObject({ code: 'corrupt' })
  })
})
