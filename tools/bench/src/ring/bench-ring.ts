import { CProgram } from './c-program.ts'
import { heapRow } from './heap.ts'
import { roundTripRows } from './latency.ts'
import type { BenchRow } from './rows.ts'
import type { BenchOptions, BenchSettings } from './settings.ts'
import { throughputRows } from './throughput.ts'

/**
 * Measures the ring: packets of several sizes written and read in one thread and between two, on every kind of memory and
 * with both engines, beside memory copy and the C program; then round trips between threads; then the heap.
 * Takes about a minute with the defaults.
 */
export async function benchRing(options: BenchOptions = {}): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  const c = options.compiler === false ? undefined : await CProgram.compile(options.compiler ?? 'cc')
  const settings: BenchSettings = {
    payloads: options.payloads ?? [16, 64, 256, 1500, 4096, 16_384],
    slices: options.slices ?? 150,
    sliceMilliseconds: options.sliceMilliseconds ?? 1,
    roundTrips: options.roundTrips ?? 20_000,
    heapPackets: options.heapPackets ?? 10_000_000,
    threadScript: options.threadScript ?? new URL('./thread.js', import.meta.url),
    signal: options.signal,
    c,
    onRow(row) {
      rows.push(row)
      options.onRow?.(row)
    },
  }
  try {
    for (const payload of settings.payloads) await throughputRows(settings, 'one-thread', payload)
    for (const payload of settings.payloads) await throughputRows(settings, 'two-threads', payload)
    await roundTripRows(settings)
    for (const [engine, memory] of [
      ['wasm', 'wasm'],
      ['script', 'shared'],
    ] as const) {
      settings.onRow(await heapRow(settings, engine, memory))
    }
    return rows
  } finally {
    await c?.dispose()
  }
}
