export { benchRing } from './bench-ring.ts'
export type { BenchMemory, BenchRow, Contender, HeapRow, LatencyRow, ThroughputRow } from './rows.ts'
export type { BenchOptions } from './settings.ts'
export { benchTable } from './table.ts'
