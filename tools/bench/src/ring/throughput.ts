import type { BenchMemory, Contender, ThroughputRow } from './rows.ts'
import type { BenchSettings } from './settings.ts'
import { median } from './statistics.ts'
import type { Engine } from './threads.ts'
import { BenchThread, benchData, RING_BYTES } from './threads.ts'

/** Something that can be measured again and again. */
interface Contestant {
  readonly contender: Contender
  readonly memory?: BenchMemory
  /** Nanoseconds for each of `rounds` packets. */
  slice(rounds: number): Promise<number>
  close(): Promise<void> | void
}

const RINGS: readonly { engine: Engine; memory: BenchMemory }[] = [
  { engine: 'wasm', memory: 'wasm' },
  { engine: 'script', memory: 'wasm' },
  { engine: 'script', memory: 'shared' },
  { engine: 'script', memory: 'plain' },
]

const WARM_UP_ROUNDS = 20_000
const WARM_UP_SLICES = 6

/** The rows of one payload size. The contestants take turns, so that a noisy moment falls on all of them. */
export async function throughputRows(
  settings: BenchSettings,
  bench: ThroughputRow['bench'],
  payloadBytes: number,
): Promise<void> {
  const contestants = [
    ...(bench === 'one-thread' ? oneThread(settings, payloadBytes) : twoThreads(settings, payloadBytes)),
  ]
  // Threads take their time to get going.
  const stretch = bench === 'two-threads' ? 10 : 1
  const slices = Math.ceil(settings.slices / stretch)
  const sliceNanoseconds = settings.sliceMilliseconds * stretch * 1e6
  try {
    const turns: { contestant: Contestant; rounds: number; times: number[] }[] = []
    for (const contestant of contestants) {
      turns.push({ contestant, rounds: await roundsFor(contestant, sliceNanoseconds), times: [] })
    }
    for (let i = 0; i < slices; i++) {
      for (const { contestant, rounds, times } of turns) {
        settings.signal?.throwIfAborted()
        times.push(await contestant.slice(rounds))
      }
    }
    const c = turns.find(({ contestant }) => contestant.contender === 'c')
    const cTime = c === undefined ? undefined : median(c.times)
    for (const { contestant, times } of turns) {
      const { contender, memory } = contestant
      const nanoseconds = median(times)
      const isRing = contender !== 'copy' && contender !== 'c-copy'
      settings.onRow({
        bench,
        contender,
        ...(memory === undefined ? {} : { memory }),
        payloadBytes,
        nanoseconds,
        packetsPerSecond: 1e9 / nanoseconds,
        bytesPerSecond: (1e9 / nanoseconds) * payloadBytes,
        ...(cTime === undefined || !isRing ? {} : { ofC: cTime / nanoseconds }),
      })
    }
  } finally {
    for (const contestant of contestants) await contestant.close()
  }
}

/** Warms a contestant up, and finds how many rounds take so long. */
async function roundsFor(contestant: Contestant, nanoseconds: number): Promise<number> {
  let rounds = WARM_UP_ROUNDS
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < WARM_UP_SLICES; i++) {
    fastest = Math.min(fastest, await contestant.slice(rounds))
    rounds = Math.max(1000, Math.round(nanoseconds / fastest))
  }
  return rounds
}

function* oneThread(settings: BenchSettings, payloadBytes: number): Iterable<Contestant> {
  yield* ofC(settings, 'c', 'one', payloadBytes)
  yield* ofC(settings, 'c-copy', 'copy', payloadBytes)
  for (const { engine, memory } of RINGS) {
    const thread = new BenchThread(settings.threadScript, benchData(engine, memory, payloadBytes))
    yield {
      contender: engine,
      memory,
      slice: async (rounds) => only(await thread.ask({ what: 'one-thread', rounds })) / rounds,
      close: () => thread.close(),
    }
  }
  for (const memory of ['wasm', 'shared', 'plain'] as const) {
    const thread = new BenchThread(settings.threadScript, benchData('script', memory, payloadBytes))
    yield {
      contender: 'copy',
      memory,
      slice: async (rounds) => only(await thread.ask({ what: 'copy', rounds })) / rounds,
      close: () => thread.close(),
    }
  }
}

function* twoThreads(settings: BenchSettings, payloadBytes: number): Iterable<Contestant> {
  yield* ofC(settings, 'c', 'two', payloadBytes)
  for (const { engine, memory } of RINGS) {
    if (memory === 'plain') continue
    const data = benchData(engine, memory, payloadBytes)
    const reader = new BenchThread(settings.threadScript, data)
    const writer = new BenchThread(settings.threadScript, data)
    yield {
      contender: engine,
      memory,
      async slice(rounds) {
        const read = reader.ask({ what: 'consume', rounds })
        await writer.ask({ what: 'produce', rounds })
        return only(await read) / rounds
      },
      async close() {
        await reader.close()
        await writer.close()
      },
    }
  }
}

function* ofC(
  { c }: BenchSettings,
  contender: Contender,
  mode: 'copy' | 'one' | 'two',
  payloadBytes: number,
): Iterable<Contestant> {
  if (c === undefined) return
  let run: { rounds: number; slice(): Promise<number>; close(): void } | undefined
  yield {
    contender,
    async slice(rounds) {
      if (run?.rounds !== rounds) {
        run?.close()
        run = { rounds, ...c.start(mode, payloadBytes, rounds, RING_BYTES) }
      }
      return run.slice()
    },
    close: () => run?.close(),
  }
}

function only(values: readonly number[]): number {
  return values[0] ?? Number.NaN
}
