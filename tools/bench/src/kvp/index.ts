export { benchKvp, type KvpBenchOptions } from './bench-kvp.ts'
export type { KvpRow } from './rows.ts'
export { kvpTable } from './table.ts'
