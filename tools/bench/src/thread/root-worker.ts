import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import type { Worker } from 'node:worker_threads'
import type { WorkerScript } from '@bis/machine/node'

/** The other end of `serveRoot`, for `RemoteRootMachine.withWorkerRoot`. @param script file that calls it */
export function rootWorker(script: string): WorkerScript {
  return {
    url: pathToFileURL(script),
    data: {},
    ready: async (worker: Worker) => void (await once(worker, 'message')),
    finish: async (worker: Worker) => {
      worker.postMessage('close')
      await once(worker, 'message')
    },
  }
}
