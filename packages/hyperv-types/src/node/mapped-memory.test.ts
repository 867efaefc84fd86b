import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createMappedMemory, createRegionMapper } from './index.ts'

const directory = mkdtempSync(join(tmpdir(), 'mapped memory '))
const undo: (() => void)[] = []

afterEach(() => {
  for (const step of undo.splice(0).reverse()) step()
})

async function create(byteLength: number, gapBase?: number) {
  const mapped = await createMappedMemory(byteLength, { directory, ...(gapBase === undefined ? {} : { gapBase }) })
  undo.push(mapped.unlink, mapped.release)
  return mapped
}

describe('mapped memory', () => {
  it('is one for all who map its file, with atomic operations', async () => {
    const ours = await create(4 * 4096, 2 * 4096)
    const mapper = await createRegionMapper()
    const theirs = mapper.map(ours.regions)
    undo.push(theirs.release)
    expect(theirs.memory.regions.map(({ gpa, byteLength, kind }) => [gpa, byteLength, kind])).toEqual([
      [0, 8192, 'mapped'],
      [2 ** 32, 8192, 'mapped'],
    ])
    for (const gpa of [0, 4096, 2 ** 32 + 4096]) {
      const [a, b] = [ours, theirs].map(({ memory }) => {
        const bytes = memory.bytesAt(gpa, 4)
        return new Int32Array(bytes.buffer, bytes.byteOffset, 1)
      })
      if (a === undefined || b === undefined) throw new Error('two views')
      Atomics.or(a, 0, 1)
      expect(Atomics.or(b, 0, 2)).toBe(1)
      expect(Atomics.load(a, 0)).toBe(3)
    }
  })

  it('is a file of this user only, which goes away when it is told to', async () => {
    const { regions, unlink } = await create(4096)
    const path = regions[0]?.path ?? ''
    expect(execFileSync('stat', ['-c', '%a %s', path], { encoding: 'utf8' }).trim()).toBe('600 4096')
    unlink()
    unlink()
    expect(existsSync(path)).toBe(false)
  })

  it('removes what a process that was killed has left behind', async () => {
    const [dead, young, ours, other] = [
      'bis-4194303-0123456789abcdef',
      'bis-4194302-0123456789abcdef',
      `bis-${process.pid}-0123456789abcdef`,
      'bis-4194303-notes',
    ].map((name) => join(directory, name))
    for (const path of [dead, young, ours, other]) writeFileSync(path ?? '', '')
    for (const path of [dead, ours, other]) utimesSync(path ?? '', 1, 1)
    await create(4096)
    expect([dead, young, ours, other].map((path) => existsSync(path ?? ''))).toEqual([false, true, true, true])
  })

  it('reads as zero once it is released, instead of ending the process', async () => {
    const { memory, release } = await create(8192)
    const view = memory.bytesAt(0, 8192)
    view.fill(7)
    release()
    release()
    expect(view.every((byte) => byte === 0)).toBe(true)
    view.fill(1)
  })

  it('refuses files that are not there, too short or no files, and regions that are not whole pages', async () => {
    const mapper = await createRegionMapper(2 ** 20)
    const short = join(directory, 'short')
    writeFileSync(short, new Uint8Array(4096))
    const region = { gpa: 0, byteLength: 4096, path: short, fileOffset: 0 }
    const failure = (...regions: (typeof region)[]): string => {
      try {
        mapper.map(regions).release()
        return 'none'
      } catch (error) {
        return error instanceof Error && 'code' in error ? `${error.name} ${String(error.code)}` : String(error)
      }
    }
    expect(failure(region)).toBe('none')
    expect(failure({ ...region, byteLength: 8192 })).toBe('TransportError mapping')
    expect(failure({ ...region, fileOffset: 4096 })).toBe('TransportError mapping')
    expect(failure({ ...region, path: join(directory, 'nothing') })).toBe('TransportError mapping')
    expect(failure({ ...region, path: directory })).toBe('TransportError mapping')
    expect(failure({ ...region, path: '/dev/null' })).toBe('TransportError mapping')
    expect(failure({ ...region, byteLength: 100 })).toBe('MemoryError bad-region')
    expect(failure({ ...region, fileOffset: 1 })).toBe('MemoryError bad-region')
    expect(failure({ ...region, gpa: 2 ** 53 })).toBe('MemoryError bad-region')
    expect(failure({ ...region, byteLength: 2 ** 30 })).toBe('MemoryError bad-region')
    expect(failure(region, region)).toBe('MemoryError bad-region')
  })

  it('cleans up', () => {
    rmSync(directory, { recursive: true })
  })
})
