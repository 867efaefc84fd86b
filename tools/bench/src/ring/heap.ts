import type { BenchMemory, HeapRow } from './rows.ts'
import type { BenchSettings } from './settings.ts'
import type { Engine } from './threads.ts'
import { BenchThread, benchData } from './threads.ts'

/** What many packets leave on the heap. Payloads are of 16 bytes: what is counted is what each packet costs besides. */
export async function heapRow(settings: BenchSettings, engine: Engine, memory: BenchMemory): Promise<HeapRow> {
  settings.signal?.throwIfAborted()
  const packets = settings.heapPackets
  const thread = new BenchThread(settings.threadScript, benchData(engine, memory, 16))
  try {
    const [heapGrowthBytes = Number.NaN, collections = Number.NaN] = await thread.ask({ what: 'heap', rounds: packets })
    return { bench: 'heap', contender: engine, memory, packets, heapGrowthBytes, collections }
  } finally {
    await thread.close()
  }
}
