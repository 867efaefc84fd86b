import { fileURLToPath } from 'node:url'
import type { BenchMemory } from '../ring/rows.ts'
import { MeasuringThreads } from '../thread/measurement.ts'
import type { Measurement } from './measure.ts'
import type { HostThread, StorvscRow } from './rows.ts'

/** How the bench runs; every field may be left out. */
export interface StorvscBenchOptions {
  /** Reads under way at once, of 4 KiB at random places. Default 1, 4, 16 and 64. */
  readonly queueDepths?: readonly number[]
  /** Kinds of guest memory. Default `wasm`, `local` and `plain`. */
  readonly memories?: readonly BenchMemory[]
  /** Times each figure is taken, in turns with the others; the row tells the tenth percentile. Default 150. */
  readonly slices?: number
  /** How long each taking lasts, in milliseconds. Default 2: short ones suffer less from whatever else the machine does. */
  readonly sliceMilliseconds?: number
  /** The C compiler; false for none. Default `cc`, left out quietly when the machine has none. */
  readonly compiler?: string | false
  /** Measure with the host in a thread of its own too. Default true. */
  readonly secondThread?: boolean
  /** Files of the threads' scripts; only tests on the sources have others than the package's own. */
  readonly scripts?: { readonly measure: string; readonly root: string }
  readonly onRow?: (row: StorvscRow) => void
  readonly signal?: AbortSignal
}

/**
 * Measures reads from a RAM disk through the whole stack, guest and host in one thread and in two: 4 KiB at random with
 * several queue depths, 1 MiB in sequence, beside plain copies of as many bytes and the C ring program. Each kind of
 * machine has a thread of its own, as what one does to the compiler would slow the next. About half a minute by default.
 */
export async function benchStorvsc(options: StorvscBenchOptions = {}): Promise<StorvscRow[]> {
  const rows: StorvscRow[] = []
  const { scripts } = options
  const kinds: [BenchMemory, HostThread][] = (options.memories ?? ['wasm', 'local', 'plain']).map((memory) => [
    memory,
    'same',
  ])
  if (options.secondThread !== false) kinds.push(['wasm', 'second'])
  const script = scripts?.measure ?? ownScript('measure-thread')
  const { compiler, signal } = options
  await using threads = await MeasuringThreads.open<Measurement, StorvscRow>({ script, compiler, signal })
  for (const [memory, host] of kinds) {
    const measurement: Measurement = {
      memory,
      host,
      rootScript: scripts?.root ?? ownScript('root-thread'),
      queueDepths: options.queueDepths ?? [1, 4, 16, 64],
      slices: options.slices ?? 150,
      sliceMilliseconds: options.sliceMilliseconds ?? 2,
    }
    for (const row of await threads.measure(measurement)) {
      rows.push(row)
      options.onRow?.(row)
    }
  }
  return rows
}

function ownScript(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url))
}
