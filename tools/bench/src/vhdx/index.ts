export { benchVhdx, type VhdxBenchOptions } from './bench-vhdx.ts'
export type { VhdxRow } from './rows.ts'
export { vhdxTable } from './table.ts'
