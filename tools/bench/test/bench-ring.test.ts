import { benchRing, benchTable } from '@bis/bench/ring'
import { bundle } from '@bis/build/bundle'
import { expect, it } from 'vitest'

const threadScript = await bundle(new URL('../src/ring/thread.ts', import.meta.url))

const quick = { slices: 1, sliceMilliseconds: 1, roundTrips: 200, heapPackets: 20_000, payloads: [64], threadScript }

it('gives a row for every contender, and a table of them', async () => {
  const rows = await benchRing({ ...quick, compiler: false })
  const names = rows.map((row) => `${row.bench} ${row.contender} ${row.memory ?? ''}`.trim())
  expect(names).toEqual([
    ...['wasm wasm', 'script wasm', 'script shared', 'script plain', 'copy wasm', 'copy shared', 'copy plain'].map(
      (name) => `one-thread ${name}`,
    ),
    ...['wasm wasm', 'script wasm', 'script shared'].map((name) => `two-threads ${name}`),
    ...['wasm wasm', 'script wasm', 'script shared', 'atomics', 'message-port'].map((name) => `round-trip ${name}`),
    'heap wasm wasm',
    'heap script shared',
  ])
  for (const row of rows) {
    for (const value of Object.values(row))
      if (typeof value === 'number') expect(value, JSON.stringify(row)).not.toBeNaN()
  }
  expect(JSON.parse(JSON.stringify(rows))).toEqual(rows)
  expect(benchTable(rows).split('\n').length).toBeGreaterThan(rows.length)
}, 60_000)

it('leaves the C program out when there is no compiler for it', async () => {
  const rows = await benchRing({ ...quick, compiler: 'no-such-compiler', payloads: [16] })
  expect(rows.some(({ contender }) => contender === 'c')).toBe(false)
}, 60_000)

it('measures the C program beside ours when it can', async ({ skip }) => {
  const rows = await benchRing(quick)
  if (!rows.some(({ contender }) => contender === 'c')) skip('needs cc')
  expect(rows.filter((row) => 'ofC' in row)).toHaveLength(9)
}, 60_000)

it('stops when it is told to', async () => {
  await expect(
    benchRing({ ...quick, compiler: false, signal: AbortSignal.abort(new Error('enough')) }),
  ).rejects.toThrow('enough')
}, 60_000)
