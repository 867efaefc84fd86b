import type { BenchRow, Contender, ThroughputRow } from './rows.ts'

const NAMES: Record<Contender, string> = {
  wasm: 'ring in WebAssembly',
  script: 'ring in script',
  copy: 'memory copy',
  c: 'ring in C',
  'c-copy': 'memory copy in C',
  'message-port': 'MessagePort',
  atomics: 'Atomics.wait and notify alone',
}

const TITLES = {
  'one-thread': 'One thread, one write and one read for each packet',
  'two-threads': 'Two threads, one at each end',
  'round-trip': 'Round trip between two threads',
  heap: 'Heap',
} as const

/** The rows as text for people, a table for each bench and payload size. */
export function benchTable(rows: readonly BenchRow[]): string {
  const lines: string[] = []
  let title = ''
  for (const row of rows) {
    const next = 'payloadBytes' in row ? `${TITLES[row.bench]}, ${row.payloadBytes} bytes` : TITLES[row.bench]
    if (next !== title) {
      if (title !== '') lines.push('')
      lines.push(next)
      title = next
    }
    lines.push(`  ${line(row)}`)
  }
  return lines.join('\n')
}

function line(row: BenchRow): string {
  const name = NAMES[row.contender].padEnd(30) + (row.memory ?? '').padEnd(8)
  switch (row.bench) {
    case 'round-trip':
      return `${name}${micro(row.medianNanoseconds)} median${micro(row.p99Nanoseconds)} 99th percentile`
    case 'heap':
      return `${name}${row.packets} packets: ${row.heapGrowthBytes} bytes more, ${row.collections} collections`
    default:
      return name + throughput(row)
  }
}

function throughput(row: ThroughputRow): string {
  const time = `${row.nanoseconds.toFixed(1)} ns`.padStart(10)
  const packets = `${(row.packetsPerSecond / 1e6).toFixed(2)} M/s`.padStart(13)
  const bytes = `${(row.bytesPerSecond / 1e9).toFixed(2)} GB/s`.padStart(13)
  const ofC = row.ofC === undefined ? '' : `${row.ofC.toFixed(2)} of C`.padStart(13)
  return time + packets + bytes + ofC
}

function micro(nanoseconds: number): string {
  return `${(nanoseconds / 1000).toFixed(1)} µs`.padStart(11)
}
