import { fileURLToPath } from 'node:url'
import { MeasuringThreads } from '../thread/measurement.ts'
import type { Measurement } from './measure.ts'
import type { Arrangement, Load, NetvscRow } from './rows.ts'

/** The longest large send that the host takes, with its Ethernet header. */
const LARGE_BYTES = 0xf53c + 14

/** How the bench runs; every field may be left out. */
export interface NetvscBenchOptions {
  /** Ports beside the sender's. Default 1, 4, 16 and 64. */
  readonly ports?: readonly number[]
  /** Channels of each NIC. Default 1, 4 and 16. */
  readonly channels?: readonly number[]
  /** Times each figure is taken, in turns with the others of its network; the row tells the second percentile. Default 200. */
  readonly slices?: number
  /** How long each taking lasts, in milliseconds. Default 2: short ones suffer less from whatever else the machine does. */
  readonly sliceMilliseconds?: number
  /** Frames for the heap's figure. Default 4 million. */
  readonly heapFrames?: number
  /** The C compiler; false for none. Default `cc`, left out quietly when the machine has none. */
  readonly compiler?: string | false
  /** Files of the threads' scripts; only tests on the sources have others than the package's own. */
  readonly scripts?: { readonly measure: string; readonly root: string }
  readonly onRow?: (row: NetvscRow) => void
  readonly signal?: AbortSignal
}

/**
 * Measures frames from one guest through netvsc, VMBus, netvsp and the switch to a second guest, beside plain copies of as
 * many bytes and the C ring program: small, full-size, TCP and large sends, on default and plain memory; with more ports;
 * with more channels; with the host in a second thread. Each network has a thread of its own, as what one does to the
 * compiler would slow the next. About half a minute by default.
 */
export async function benchNetvsc(options: NetvscBenchOptions = {}): Promise<NetvscRow[]> {
  const rows: NetvscRow[] = []
  const base: Arrangement = { memory: 'wasm', host: 'same', ports: 1, channels: 1 }
  const all: readonly (readonly [Load, number])[] = [
    ['frames', 64],
    ['frames', 1514],
    ['tcp', 1514],
    ['large-send', LARGE_BYTES],
  ]
  const script = options.scripts?.measure ?? ownScript('measure-thread')
  const { compiler, signal } = options
  await using threads = await MeasuringThreads.open<Measurement, NetvscRow>({ script, compiler, signal })
  const run = async (change: Partial<Arrangement>, loads: Measurement['loads'], heapFrames = 0): Promise<void> => {
    const measurement: Measurement = {
      arrangement: { ...base, ...change },
      loads,
      slices: options.slices ?? 200,
      sliceMilliseconds: options.sliceMilliseconds ?? 2,
      heapFrames,
      rootScript: options.scripts?.root ?? ownScript('root-thread'),
    }
    for (const row of await threads.measure(measurement)) {
      rows.push(row)
      options.onRow?.(row)
    }
  }
  await run({}, all, options.heapFrames ?? 4_000_000)
  await run({}, [['large-send-cut', LARGE_BYTES]])
  await run({ memory: 'plain' }, all)
  await run({ host: 'second' }, all)
  for (const ports of options.ports ?? [1, 4, 16, 64]) await run({ ports }, [['frames', 64]])
  for (const channels of options.channels ?? [1, 4, 16]) await run({ channels }, [['flows', 64]])
  return rows
}

function ownScript(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url))
}
