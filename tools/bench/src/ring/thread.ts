/**
 * The thread that benchRing starts for each contender: a fresh engine of V8, so that what one contender taught the compiler
 * does not slow another. Ask it with a `ThreadRequest` and it answers with a number.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { Answer, ThreadRequest } from './thread-work.ts'
import { threadWork } from './thread-work.ts'

if (parentPort !== null) {
  const port = parentPort
  const work = threadWork(workerData)
  port.on('message', async (request: ThreadRequest) => {
    try {
      port.postMessage({ value: await work(request) } satisfies Answer)
    } catch (error) {
      port.postMessage({ error: String(error) } satisfies Answer)
    }
  })
}
