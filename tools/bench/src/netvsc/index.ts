export { benchNetvsc } from './bench-netvsc.ts'
export type { NetvscBenchOptions, NetvscRow } from './rows.ts'
