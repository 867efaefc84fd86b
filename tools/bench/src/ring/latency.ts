import { MessageChannel } from 'node:worker_threads'
import type { LatencyRow } from './rows.ts'
import type { BenchSettings } from './settings.ts'
import { percentile } from './statistics.ts'
import { BenchThread, benchData } from './threads.ts'

const PAYLOAD_BYTES = 64

/** Round trips between two threads: by two rings, by MessagePort, and by Atomics.wait and notify alone. */
export async function roundTripRows(settings: BenchSettings): Promise<void> {
  const rings = [
    { engine: 'wasm', memory: 'wasm' },
    { engine: 'script', memory: 'wasm' },
    { engine: 'script', memory: 'shared' },
  ] as const
  const rounds = settings.roundTrips
  for (const { engine, memory } of rings) {
    settings.signal?.throwIfAborted()
    const times = await withTwo(settings, benchData(engine, memory, PAYLOAD_BYTES), async (one, other) => {
      await roundTrips(one, other, 'ping', 'pong', 2000)
      return roundTrips(one, other, 'ping', 'pong', rounds)
    })
    settings.onRow({ bench: 'round-trip', contender: engine, memory, ...figures(times) })
  }
  const bell = await withTwo(settings, benchData('script', 'shared', PAYLOAD_BYTES), async (one, other) => {
    await roundTrips(one, other, 'bell-ping', 'bell-pong', 2000)
    return roundTrips(one, other, 'bell-ping', 'bell-pong', rounds)
  })
  settings.onRow({ bench: 'round-trip', contender: 'atomics', ...figures(bell) })
  const port = await withTwo(settings, benchData('script', 'shared', PAYLOAD_BYTES), async (one, other) => {
    const { port1, port2 } = new MessageChannel()
    const far = other.ask({ what: 'port-pong', rounds: rounds + 2000, port: port2 }, [port2])
    const times = await one.ask({ what: 'port-ping', rounds: rounds + 2000, port: port1 }, [port1])
    await far
    return times.slice(2000)
  })
  settings.onRow({ bench: 'round-trip', contender: 'message-port', ...figures(port) })
}

async function roundTrips(
  one: BenchThread,
  other: BenchThread,
  ping: 'ping' | 'bell-ping',
  pong: 'pong' | 'bell-pong',
  rounds: number,
): Promise<readonly number[]> {
  const far = other.ask({ what: pong, rounds })
  const times = await one.ask({ what: ping, rounds })
  await far
  return times
}

async function withTwo<Result>(
  settings: BenchSettings,
  data: ReturnType<typeof benchData>,
  work: (one: BenchThread, other: BenchThread) => Promise<Result>,
): Promise<Result> {
  const one = new BenchThread(settings.threadScript, data)
  const other = new BenchThread(settings.threadScript, data)
  try {
    return await work(one, other)
  } finally {
    await one.close()
    await other.close()
  }
}

function figures(times: readonly number[]): Pick<LatencyRow, 'medianNanoseconds' | 'p99Nanoseconds'> {
  return { medianNanoseconds: percentile(times, 0.5), p99Nanoseconds: percentile(times, 0.99) }
}
