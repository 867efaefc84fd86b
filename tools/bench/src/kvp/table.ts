import type { KvpRow } from './rows.ts'

/** The rows as text: a line for each size, a column for each operation. */
export function kvpTable(rows: readonly KvpRow[]): string {
  const benches = [...new Set(rows.map(({ bench }) => bench))]
  const sizes = [...new Set(rows.map(({ keys }) => keys))]
  const head = ['keys'.padStart(8), ...benches.map((bench) => bench.padStart(14)), 'plain write'.padStart(14)].join('')
  const lines = sizes.map((keys) => {
    const own = rows.filter((row) => row.keys === keys)
    const cells = benches.map((bench) => figure(own.find((row) => row.bench === bench)?.microseconds).padStart(14))
    const plain = own.find(({ bench }) => bench === 'append')?.plainMicroseconds
    return `${String(keys).padStart(8)}${cells.join('')}${figure(plain).padStart(14)}`
  })
  return [head, ...lines, '', 'microseconds for one operation; plain write: open, write one record, close'].join('\n')
}

function figure(microseconds: number | undefined): string {
  return microseconds === undefined ? '-' : microseconds.toFixed(microseconds < 100 ? 1 : 0)
}
