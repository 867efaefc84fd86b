import type { StorvscRow } from './rows.ts'

/** The rows as text for people. */
export function storvscTable(rows: readonly StorvscRow[]): string {
  return rows.map(line).join('\n')
}

function line(row: StorvscRow): string {
  const size = row.bytes >= 2 ** 20 ? `${row.bytes / 2 ** 20} MiB` : `${row.bytes / 1024} KiB`
  const rate = `${(row.nanoseconds / 1000).toFixed(3)} µs`.padStart(13)
  const bytes = `${(row.bytesPerSecond / 1e9).toFixed(2)} GB/s`.padStart(13)
  const threads = row.contender === 'copy' || row.host === 'same' ? '' : ', host in a thread'
  const name = row.contender === 'copy' ? 'memory copy' : `storvsc, queue depth ${row.queueDepth}${threads}`
  const head = `${row.bench.padEnd(17)}${size.padEnd(7)}${row.memory.padEnd(7)}${name.padEnd(44)}${rate}${bytes}`
  if (row.contender === 'copy') return head
  const reads = `${Math.round(row.readsPerSecond).toLocaleString('en')}/s`.padStart(14)
  const copy = `${row.ofCopy.toFixed(2)} of copy`.padStart(14)
  const ring = row.ofCRing === undefined ? '' : `${row.ofCRing.toFixed(3)} of C ring`.padStart(18)
  return head + reads + copy + ring
}
