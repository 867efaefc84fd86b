import { expect, it } from 'vitest'
import { benchVhdx, vhdxTable } from '../src/vhdx/index.ts'

it('measures an image beside qemu-img and memory copy, and tells it as a table', { timeout: 60_000 }, async () => {
  const rows = await benchVhdx({ mib: 16, rounds: 1 })
  expect(rows.map(({ bench, to = '' }) => `${bench} ${to}`.trim())).toEqual([
    'copy',
    'write',
    'read',
    'read-plain',
    'random-read',
    'convert raw',
    'convert vhd',
    'convert vhdx',
    'memory',
  ])
  for (const { bench, value } of rows) if (bench !== 'memory') expect(value).toBeGreaterThan(0)
  expect(vhdxTable(rows).split('\n')).toHaveLength(rows.length)
})
