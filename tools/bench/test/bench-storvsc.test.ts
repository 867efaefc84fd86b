import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle } from '@bis/build/bundle'
import { expect, it, vi } from 'vitest'
import { benchStorvsc, storvscTable } from '../src/storvsc/index.ts'

it('measures reads beside copies, and tells them as a table', async () => {
  const rows = await benchStorvsc({
    queueDepths: [1, 16],
    memories: ['plain'],
    slices: 2,
    sliceMilliseconds: 1,
    compiler: false,
    secondThread: true,
    scripts: {
      measure: await bundle(new URL('../src/storvsc/measure-thread.ts', import.meta.url)),
      root: await bundle(new URL('../src/storvsc/root-thread.ts', import.meta.url)),
    },
  })
  expect(rows.map(({ bench, contender }) => `${bench} ${contender}`)).toEqual([
    'random-read copy',
    'random-read storvsc',
    'random-read storvsc',
    'sequential-read copy',
    'sequential-read storvsc',
    'random-read copy',
    'random-read storvsc',
    'random-read storvsc',
    'sequential-read copy',
    'sequential-read storvsc',
  ])
  for (const row of rows) expect(row.nanoseconds).toBeGreaterThan(0)
  expect(storvscTable(rows).split('\n')).toHaveLength(10)
})

it('ends at once when it is told to, and leaves no file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bis-bench-test-'))
  vi.stubEnv('TMPDIR', folder)
  try {
    const abort = new AbortController()
    const bench = benchStorvsc({
      scripts: {
        measure: await bundle(new URL('../src/storvsc/measure-thread.ts', import.meta.url)),
        root: 'none',
      },
      signal: abort.signal,
    })
    setTimeout(() => abort.abort(new Error('enough')), 500)
    await expect(bench).rejects.toThrow('enough')
    expect(await readdir(folder)).toEqual([])
  } finally {
    vi.unstubAllEnvs()
    await rm(folder, { recursive: true })
  }
})
