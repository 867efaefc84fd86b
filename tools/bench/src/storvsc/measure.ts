import type { CProgram } from '../ring/c-program.ts'
import type { BenchMemory } from '../ring/rows.ts'
import { percentile } from '../ring/statistics.ts'
import type { Turn } from '../thread/turns.ts'
import { cRingTurn, takeTurns } from '../thread/turns.ts'
import { DiskMachine } from './disk-machine.ts'
import { DISK_BYTES } from './ram-controller.ts'
import type { HostThread, StorvscRow } from './rows.ts'

const RANDOM_BYTES = 4096
const SEQUENTIAL_BYTES = 2 ** 20
const SEQUENTIAL_DEPTH = 4
const C_PAYLOAD = 64
const C_ROUNDS = 50_000

/** One kind of machine to measure. */
export interface Measurement {
  readonly memory: BenchMemory
  readonly host: HostThread
  /** File of the host thread's script. */
  readonly rootScript: string
  readonly queueDepths: readonly number[]
  readonly slices: number
  readonly sliceMilliseconds: number
}

/** What a slice takes when nothing else runs: a tenth of them are as quick. On a quiet machine the median is close to it. */
function typical(times: readonly number[]): number {
  return percentile(times, 0.1)
}

/** Measures one machine: all figures take turns, so that a noisy moment falls on all of them. */
export async function measure(what: Measurement, c: CProgram | undefined): Promise<StorvscRow[]> {
  const { memory, host } = what
  const machine = await DiskMachine.start(memory, host, what.rootScript)
  const cTurn = cRingTurn(c, C_PAYLOAD, C_ROUNDS)
  try {
    const milliseconds = what.sliceMilliseconds
    const depths = what.queueDepths
    const random = await Promise.all(
      depths.map(async (depth) => ({
        depth,
        turn: await readTurn(machine.reader(RANDOM_BYTES, depth, true), milliseconds),
      })),
    )
    const sequential = await readTurn(machine.reader(SEQUENTIAL_BYTES, SEQUENTIAL_DEPTH, false), milliseconds)
    const smallCopy = copyTurn(machine.guestBuffer(RANDOM_BYTES), milliseconds)
    const largeCopy = copyTurn(machine.guestBuffer(SEQUENTIAL_BYTES), milliseconds)
    const turns = [...random.map(({ turn }) => turn), sequential, smallCopy, largeCopy, ...(cTurn ? [cTurn] : [])]
    await takeTurns(turns, what.slices)
    const cTime = cTurn === undefined ? undefined : typical(cTurn.times)
    const read = (bench: 'random-read' | 'sequential-read', bytes: number, depth: number, turn: Turn, copy: Turn) => {
      const nanoseconds = typical(turn.times)
      return {
        bench,
        contender: 'storvsc' as const,
        host,
        memory,
        bytes,
        queueDepth: depth,
        nanoseconds,
        readsPerSecond: 1e9 / nanoseconds,
        bytesPerSecond: (1e9 / nanoseconds) * bytes,
        ...(cTime === undefined ? {} : { ofCRing: cTime / nanoseconds }),
        ofCopy: typical(copy.times) / nanoseconds,
      }
    }
    const copyRow = (bench: 'random-read' | 'sequential-read', bytes: number, turn: Turn) => {
      const nanoseconds = typical(turn.times)
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
    cTurn?.close()
    await machine.stop()
  }
}

/** Warms a reader up and finds how many reads make a slice. */
async function readTurn(reader: ReturnType<DiskMachine['reader']>, milliseconds: number): Promise<Turn> {
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) fastest = Math.min(fastest, await reader.run(i === 0 ? 2000 : 500))
  const reads = Math.max(4, Math.round((milliseconds * 1e6) / fastest))
  const slice = async (): Promise<number> => {
    // What the others did to the caches is not this one's doing.
    await reader.run(Math.ceil(reads / 2))
    return reader.run(reads)
  }
  return { slice, times: [] }
}

function copyTurn(target: Uint8Array, milliseconds: number): Turn {
  const source = new Uint8Array(DISK_BYTES).fill(1)
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
  const slice = (): number => {
    run(Math.ceil(copies / 2))
    return run(copies)
  }
  return { slice, times: [] }
}
