import type { CProgram } from '../ring/c-program.ts'
import { percentile } from '../ring/statistics.ts'
import type { Turn } from '../thread/turns.ts'
import { cRingTurn, takeTurns } from '../thread/turns.ts'
import { FrameStream } from './frame-stream.ts'
import { trafficOf } from './frames.ts'
import { heapRow } from './heap.ts'
import { startNetwork } from './network.ts'
import type { Arrangement, Load, NetvscFrameRow, NetvscRow } from './rows.ts'

const C_PAYLOAD = 64
const C_ROUNDS = 30_000
/** Frames that a busy stack hands over at once, to each channel that it has; and to see what the heap pays for. */
const BURST = 64
const LONG_BURST = 512
const WARM_UP_FRAMES = 500
const WARM_UP_SLICES = 150
/** Of the slices: whatever else the machine does makes a slice longer, never shorter. */
const SHARE = 0.02

/** One network to measure, in a thread of its own. */
export interface Measurement {
  readonly arrangement: Arrangement
  readonly loads: readonly (readonly [load: Load, frameBytes: number])[]
  readonly slices: number
  readonly sliceMilliseconds: number
  /** Frames for the heap's figure; 0 for none. */
  readonly heapFrames: number
  /** File of the host thread's script. */
  readonly rootScript: string
}

/** Measures one network: all figures take turns, so that a noisy moment falls on all of them. */
export async function measure(what: Measurement, c: CProgram | undefined): Promise<NetvscRow[]> {
  const { arrangement, sliceMilliseconds, loads } = what
  const { memory, channels } = arrangement
  await using network = await startNetwork(
    arrangement,
    loads.every(([load]) => load !== 'large-send-cut'),
    what.rootScript,
  )
  const cTurn = cRingTurn(c, C_PAYLOAD, C_ROUNDS)
  try {
    const stream = (load: Load, bytes: number, burst = load === 'flows' ? BURST * channels : BURST) =>
      new FrameStream(network.sender, network.receiver, trafficOf(load, bytes), burst)
    const sending = []
    for (const [load, bytes] of loads) {
      const frames = await frameTurn(stream(load, bytes), sliceMilliseconds)
      sending.push({ load, bytes, frames, copy: copyTurn(network.guestBuffer(bytes), sliceMilliseconds) })
    }
    const turns = [...sending.flatMap(({ frames, copy }) => [frames, copy]), ...(cTurn === undefined ? [] : [cTurn])]
    await takeTurns(turns, what.slices)
    const cTime = cTurn === undefined ? undefined : best(cTurn)
    const rows: NetvscRow[] = []
    if (cTime !== undefined) rows.push({ contender: 'c-ring', memory, frameBytes: C_PAYLOAD, nanoseconds: cTime })
    for (const { load, bytes, frames, copy } of sending) {
      rows.push({ contender: 'copy', memory, frameBytes: bytes, nanoseconds: best(copy) })
      rows.push(frameRow(arrangement, load, bytes, best(frames), best(copy), cTime))
    }
    for (const burst of what.heapFrames > 0 ? [BURST, LONG_BURST] : []) {
      rows.push(await heapRow(memory, stream('frames', 64, burst), burst, what.heapFrames))
    }
    return rows
  } finally {
    cTurn?.close()
  }
}

function frameRow(
  arrangement: Arrangement,
  load: Load,
  frameBytes: number,
  nanoseconds: number,
  copyTime: number,
  cTime: number | undefined,
): NetvscFrameRow {
  const framesPerSecond = 1e9 / nanoseconds
  return {
    ...arrangement,
    contender: 'netvsc',
    load,
    frameBytes,
    nanoseconds,
    framesPerSecond,
    bitsPerSecond: framesPerSecond * frameBytes * 8,
    ...(cTime === undefined ? {} : { ofCRing: cTime / nanoseconds }),
    ofCopy: copyTime / nanoseconds,
  }
}

function best({ times }: Turn): number {
  return percentile(times, SHARE)
}

/** Warms a stream up and finds how many frames make a slice. */
async function frameTurn(stream: FrameStream, milliseconds: number): Promise<Turn> {
  let fastest = Number.POSITIVE_INFINITY
  const end = performance.now() + WARM_UP_SLICES * milliseconds
  do fastest = Math.min(fastest, await stream.run(WARM_UP_FRAMES))
  while (performance.now() < end)
  const frames = Math.max(16, Math.round((milliseconds * 1e6) / fastest))
  const slice = async (): Promise<number> => {
    // What the others did to the caches is not this one's doing.
    await stream.run(Math.ceil(frames / 2))
    return stream.run(frames)
  }
  return { slice, times: [] }
}

function copyTurn(target: Uint8Array, milliseconds: number): Turn {
  const source = new Uint8Array(target.length).fill(1)
  const run = (copies: number): number => {
    const start = performance.now()
    for (let i = 0; i < copies; i++) target.set(source)
    return ((performance.now() - start) * 1e6) / copies
  }
  run(1000)
  const copies = Math.max(2, Math.round((milliseconds * 1e6) / run(1000)))
  return { slice: () => run(copies), times: [] }
}
