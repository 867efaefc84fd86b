export { benchNetvsc, type NetvscBenchOptions } from './bench-netvsc.ts'
export type {
  Arrangement,
  HostThread,
  Load,
  NetvscFrameRow,
  NetvscHeapRow,
  NetvscLimitRow,
  NetvscRow,
} from './rows.ts'
export { netvscTable } from './table.ts'
