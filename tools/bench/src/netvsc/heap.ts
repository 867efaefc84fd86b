import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { BenchMemory } from '../ring/rows.ts'
import type { FrameStream } from './frame-stream.ts'
import type { NetvscHeapRow } from './rows.ts'

/** Frames between two looks at the heap: few enough that the collector seldom runs in between. */
const STRIDE = 20_000

/** Sends many frames, and adds up what the heap grows by from look to look. */
export async function heapRow(
  memory: BenchMemory,
  stream: FrameStream,
  burst: number,
  frames: number,
): Promise<NetvscHeapRow> {
  let collections = 0
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length
  })
  observer.observe({ entryTypes: ['gc'] })
  let allocatedBytes = 0
  let before = getHeapStatistics().used_heap_size
  let sent = 0
  for (; sent < frames; sent += STRIDE) {
    await stream.run(STRIDE)
    const now = getHeapStatistics().used_heap_size
    if (now > before) allocatedBytes += now - before
    before = now
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  observer.disconnect()
  return {
    contender: 'heap',
    memory,
    frames: sent,
    burst,
    allocatedBytes,
    bytesPerFrame: allocatedBytes / sent,
    collections,
  }
}
