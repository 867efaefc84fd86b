import type { CProgram } from './c-program.ts'
import type { BenchRow } from './rows.ts'

/** How the bench runs; every field may be left out. */
export interface BenchOptions {
  /** Payload sizes in bytes, up to 65536. Default 16, 64, 256, 1500, 4096 and 16384. */
  readonly payloads?: readonly number[]
  /** Times each figure is taken, in turns with the others; the row tells the median. Default 150. */
  readonly slices?: number
  /**
   * How long each taking lasts, in milliseconds; default 1. Short ones suffer less from whatever else the machine does.
   * Between two threads, a tenth as many are taken and each lasts ten times as long.
   */
  readonly sliceMilliseconds?: number
  /** Round trips measured for latency. Default 20000. */
  readonly roundTrips?: number
  /** Packets of the heap figure. Default ten million. */
  readonly heapPackets?: number
  /** The C compiler; false for none. Default `cc`, left out quietly when the machine has none. */
  readonly compiler?: string | false
  /** Called with each row as soon as it is known. */
  readonly onRow?: (row: BenchRow) => void
  readonly signal?: AbortSignal
  /** The script of the threads; only tests on the sources have another one than the package's own. */
  readonly threadScript?: URL | string
}

/** Every setting, as the parts of the bench see it. */
export type BenchSettings = Required<Omit<BenchOptions, 'signal' | 'compiler'>> & {
  readonly signal: AbortSignal | undefined
  readonly c: CProgram | undefined
}
