import type { MessagePort } from 'node:worker_threads'
import { Worker } from 'node:worker_threads'
import { createBacking } from '@bis/hyperv-types'
import { initRing } from '@bis/hyperv-types/ring'
import type { BenchMemory } from './rows.ts'
import type { Answer, ThreadData, ThreadRequest } from './thread-work.ts'

/** Large enough that a ring is no bottleneck, small enough for a processor's second cache. */
export const RING_BYTES = 4096 + 256 * 1024

const GUEST_BYTES = 2 * RING_BYTES + 64 * 1024

export type Engine = ThreadData['engine']

/** A thread that answers requests. */
export class BenchThread {
  readonly #worker: Worker

  constructor(script: URL | string, data: ThreadData) {
    this.#worker = new Worker(script, { workerData: data })
  }

  ask(request: ThreadRequest, transfer: readonly MessagePort[] = []): Promise<readonly number[]> {
    return new Promise<readonly number[]>((resolve, reject) => {
      const settle = (answer: Answer) => {
        this.#worker.off('error', reject)
        if ('error' in answer) reject(new Error(answer.error))
        else resolve(typeof answer.value === 'number' ? [answer.value] : answer.value)
      }
      this.#worker.once('message', settle)
      this.#worker.once('error', reject)
      this.#worker.postMessage(request, transfer)
    })
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Memory with two empty rings, for one or two threads. */
export function benchData(engine: Engine, kind: BenchMemory, payloadBytes: number): ThreadData {
  const backing = createBacking(kind, GUEST_BYTES)
  initRing(backing.bytes.subarray(0, RING_BYTES))
  initRing(backing.bytes.subarray(RING_BYTES, 2 * RING_BYTES))
  return {
    engine,
    buffer: backing.bytes.buffer,
    ...(backing.wasm === undefined ? {} : { wasm: backing.wasm }),
    guestBytes: GUEST_BYTES,
    ringBytes: RING_BYTES,
    payloadBytes,
    bells: new Int32Array(new SharedArrayBuffer(16)),
  }
}
