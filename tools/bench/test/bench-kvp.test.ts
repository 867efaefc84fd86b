import { expect, it } from 'vitest'
import { benchKvp, kvpTable } from '../src/kvp/index.ts'

it('measures pools of growing size, and tells it as a table', { timeout: 60_000 }, async () => {
  const rows = await benchKvp({ keys: 50, operations: 10 })
  expect(rows.map(({ bench, keys }) => `${bench} ${keys}`)).toEqual(
    [16, 32, 50].flatMap((keys) =>
      ['append', 'change', 'get', 'enumerate', 'delete'].map((bench) => `${bench} ${keys}`),
    ),
  )
  for (const { microseconds } of rows) expect(microseconds).toBeGreaterThan(0)
  expect(kvpTable(rows).split('\n')).toHaveLength(6)
})
