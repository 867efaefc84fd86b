import { expect, it } from 'vitest'
import { benchNetvsc } from '../src/netvsc/index.ts'

it('the netvsc bench measures every row, and loses no frame', async () => {
  const milliseconds = Number(process.env['BIS_BENCH_MS'] ?? 20)
  const rows = await benchNetvsc({ milliseconds, ports: [1, 16], channels: [1, 4] })
  if (process.env['BIS_BENCH_MS'] !== undefined) console.table(rows)
  expect(rows.map(({ bench }) => bench)).toEqual([
    'copy',
    'copy',
    'copy',
    'frames',
    'frames',
    'large-send',
    'ports',
    'ports',
    'channels',
    'channels',
  ])
  expect(rows.every(({ nanoseconds }) => nanoseconds > 0)).toBe(true)
}, 60_000)
