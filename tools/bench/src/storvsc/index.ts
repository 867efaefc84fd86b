export { benchStorvsc, type StorvscBenchOptions } from './bench-storvsc.ts'
export type { StorvscCopyRow, StorvscReadRow, StorvscRow } from './rows.ts'
export { storvscTable } from './table.ts'
