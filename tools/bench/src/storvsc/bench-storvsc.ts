import { CProgram } from '../ring/c-program.ts'
import type { BenchMemory } from '../ring/rows.ts'
import { median } from '../ring/statistics.ts'
import { DiskMachine } from './disk-machine.ts'
import type { StorvscRow } from './rows.ts'

/** How the bench runs; every field may be left out. */
export interface StorvscBenchOptions {
  /** Reads under way at once, of 4 KiB at random places. Default 1, 4, 16 and 64. */
  readonly queueDepths?: readonly number[]
  /** Kinds of guest memory. Default `wasm` and `plain`. */
  readonly memories?: readonly BenchMemory[]
  /** Times each figure is taken, in turns with the others; the row tells the median. Default 40. */
  readonly slices?: number
  /** How long each taking lasts, in milliseconds. Default 5. */
  readonly sliceMilliseconds?: number
  /** The C compiler; false for none. Default `cc`, left out quietly when the machine has none. */
  readonly compiler?: string | false
  readonly onRow?: (row: StorvscRow) => void
  readonly signal?: AbortSignal
}

const RANDOM_BYTES = 4096
const SEQUENTIAL_BYTES = 2 ** 20
const SEQUENTIAL_DEPTH = 4
const C_PAYLOAD = 64
const C_RING_BYTES = 256 * 1024
const C_ROUNDS = 50_000

interface Turn {
  /** Runs a slice. @returns nanoseconds for one */
  readonly slice: () => Promise<number> | number
  readonly times: number[]
}

/**
 * Measures reads from a RAM disk through the whole stack, guest and host in one thread: 4 KiB at random with several queue
 * depths, 1 MiB in sequence, beside plain copies of as many bytes and the C ring program. About half a minute by default.
 */
export async function benchStorvsc(options: StorvscBenchOptions = {}): Promise<StorvscRow[]> {
  const rows: StorvscRow[] = []
  const c = options.compiler === false ? undefined : await CProgram.compile(options.compiler ?? 'cc')
  try {
    for (const memory of options.memories ?? (['wasm', 'plain'] as const)) {
      for (const row of await benchMemory(memory, options, c)) {
        rows.push(row)
        options.onRow?.(row)
      }
    }
    return rows
  } finally {
    await c?.dispose()
  }
}

async function benchMemory(
  memory: BenchMemory,
  options: StorvscBenchOptions,
  c: CProgram | undefined,
): Promise<StorvscRow[]> {
  const machine = await DiskMachine.start(memory)
  const cRing = c?.start('one', C_PAYLOAD, C_ROUNDS, C_RING_BYTES)
  try {
    const milliseconds = options.sliceMilliseconds ?? 5
    const depths = options.queueDepths ?? [1, 4, 16, 64]
    const random = await Promise.all(
      depths.map(async (depth) => ({
        depth,
        turn: await readTurn(machine.reader(RANDOM_BYTES, depth, true), milliseconds),
      })),
    )
    const sequential = await readTurn(machine.reader(SEQUENTIAL_BYTES, SEQUENTIAL_DEPTH, false), milliseconds)
    const smallCopy = copyTurn(machine.guestBuffer(RANDOM_BYTES), milliseconds)
    const largeCopy = copyTurn(machine.guestBuffer(SEQUENTIAL_BYTES), milliseconds)
    const cTurn: Turn | undefined = cRing === undefined ? undefined : { slice: () => cRing.slice(), times: [] }
    const turns = [...random.map(({ turn }) => turn), sequential, smallCopy, largeCopy, ...(cTurn ? [cTurn] : [])]
    for (let slice = options.slices ?? 40; slice > 0; slice--) {
      for (const turn of turns) {
        options.signal?.throwIfAborted()
        turn.times.push(await turn.slice())
      }
    }
    const cTime = cTurn === undefined ? undefined : median(cTurn.times)
    const read = (bench: 'random-read' | 'sequential-read', bytes: number, depth: number, turn: Turn, copy: Turn) => {
      const nanoseconds = median(turn.times)
      return {
        bench,
        contender: 'storvsc' as const,
        memory,
        bytes,
        queueDepth: depth,
        nanoseconds,
        readsPerSecond: 1e9 / nanoseconds,
        bytesPerSecond: (1e9 / nanoseconds) * bytes,
        ...(cTime === undefined ? {} : { ofCRing: cTime / nanoseconds }),
        ofCopy: median(copy.times) / nanoseconds,
      }
    }
    const copyRow = (bench: 'random-read' | 'sequential-read', bytes: number, turn: Turn) => {
      const nanoseconds = median(turn.times)
      return {
        bench,
        contender: 'copy' as const,
        memory,
        bytes,
        nanoseconds,
        bytesPerSecond: (1e9 / nanoseconds) * bytes,
      }
    }
    return [
      copyRow('random-read', RANDOM_BYTES, smallCopy),
      ...random.map(({ depth, turn }) => read('random-read', RANDOM_BYTES, depth, turn, smallCopy)),
      copyRow('sequential-read', SEQUENTIAL_BYTES, largeCopy),
      read('sequential-read', SEQUENTIAL_BYTES, SEQUENTIAL_DEPTH, sequential, largeCopy),
    ]
  } finally {
    cRing?.close()
    await machine.stop()
  }
}

/** Warms a reader up and finds how many reads make a slice. */
async function readTurn(reader: ReturnType<DiskMachine['reader']>, milliseconds: number): Promise<Turn> {
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) fastest = Math.min(fastest, await reader.run(i === 0 ? 2000 : 500))
  const reads = Math.max(4, Math.round((milliseconds * 1e6) / fastest))
  return { slice: () => reader.run(reads), times: [] }
}

function copyTurn(target: Uint8Array, milliseconds: number): Turn {
  const source = new Uint8Array(64 * 2 ** 20).fill(1)
  const count = source.length / target.length
  let next = 0
  const run = (copies: number): number => {
    const start = performance.now()
    for (let i = 0; i < copies; i++) {
      const at = (next++ % count) * target.length
      target.set(source.subarray(at, at + target.length))
    }
    return ((performance.now() - start) * 1e6) / copies
  }
  run(100)
  const copies = Math.max(2, Math.round((milliseconds * 1e6) / run(200)))
  return { slice: () => run(copies), times: [] }
}
