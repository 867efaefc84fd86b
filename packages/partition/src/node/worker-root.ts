import { Worker } from 'node:worker_threads'
import type { LinkEnd } from '@bis/hyperv-types/vmbus-user'
import type { Partition } from '../partition.ts'
import { offerPorts } from '../worker/index.ts'

/** A root in a worker thread of this process. */
export interface WorkerRoot extends AsyncDisposable {
  readonly worker: Worker
  /** Resolves when the root has gone, or was told to, with the reason. Never rejects. */
  readonly ended: Promise<LinkEnd>
}

/**
 * Starts a thread that plays the root of a partition. The script finds `ports` in its `workerData` and hands it to
 * `attachPorts`.
 * @param data further data for the script, beside `ports`
 * @throws TransportError `mapping` when the partition's memory cannot be shared between threads
 */
export function startWorkerRoot(
  partition: Partition,
  script: string | URL,
  data: Readonly<Record<string, unknown>> = {},
): WorkerRoot {
  const link = offerPorts(partition)
  const worker = new Worker(script, { workerData: { ...data, ports: link.data } })
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  worker.on('error', (error) => link.close(`the root's thread failed: ${error.message}`))
  worker.once('exit', (code) => link.close(`the root's thread has ended with status ${code}`))
  return {
    worker,
    ended: link.ended,
    async [Symbol.asyncDispose]() {
      link.close('closed')
      await worker.terminate()
      await exited
    },
  }
}
