/** A host that writes wherever it can reach while the guest reads: rings, event flags and message slots. */
import { parentPort, workerData } from 'node:worker_threads'
import type { MemoryLink } from '@bis/hyperv-types'
import { attachMemory } from '@bis/hyperv-types'
import { Random } from '../fuzz/random.ts'

export interface VandalData {
  readonly memory: MemoryLink
  /** Pages to write to, by number: control pages of rings first. */
  readonly pages: readonly number[]
  readonly seed: number
  /** The word that ends it. */
  readonly stop: SharedArrayBuffer
}

const { memory, pages, seed, stop } = workerData as VandalData
const random = new Random(seed)
const views = pages.map((page) => attachMemory(memory).viewAt(page * 4096, 4096))
const stopped = new Int32Array(stop)
const EDGES = [0, 1, 4, 8, 4088, 4096, 8184, 8192, 0x7fff_fff8, 0x8000_0000, 0xffff_ffff]

parentPort?.postMessage('at work')
while (Atomics.load(stopped, 0) === 0) {
  for (let i = 0; i < 1000; i++) {
    const view = random.pick(views)
    const what = random.below(4)
    // Indices and masks; descriptors; anything.
    const at = what === 0 ? random.below(17) * 4 : random.below(1024) * 4
    view.setUint32(at, what < 2 ? random.pick(EDGES) : what === 2 ? random.below(1024) * 8 : random.next(), true)
  }
}
