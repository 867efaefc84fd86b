import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import type { HostReleaseName } from '@bis/host'
import type { WorkerScript } from '@bis/machine/node'
import { CliError } from './cli-error.ts'
import type { DiskOption } from './disk-option.ts'
import type { NicSettings } from './nic-devices.ts'
import type { NicOption } from './nic-option.ts'

/** What the worker is started with, beside its ports. */
export interface RootWorkerData {
  readonly release: HostReleaseName
  readonly disks: readonly DiskOption[]
  readonly nics: readonly NicOption[]
  readonly network: NicSettings
  /** VMBus versions to refuse. */
  readonly refused: readonly number[]
}

/** What the worker says: that its devices are on the bus, or that its images are closed; or the one line of an error. */
export type RootWorkerMessage = 'ready' | 'closed' | { readonly error: string }

/** The root partition in a worker thread, with these devices. */
export function rootWorker(data: RootWorkerData): WorkerScript {
  return {
    url: new URL('./root-worker.js', import.meta.url),
    data: { ...data },
    ready: (worker) => waitFor(worker, 'ready'),
    async finish(worker) {
      worker.postMessage('close')
      await waitFor(worker, 'closed')
    },
  }
}

async function waitFor(worker: Worker, expected: 'ready' | 'closed'): Promise<void> {
  const exit = once(worker, 'exit').then(() => [{ error: "the root's thread has ended" }])
  const [message] = (await Promise.race([once(worker, 'message'), exit])) as [RootWorkerMessage]
  if (message !== expected) throw new CliError('failed', typeof message === 'string' ? message : message.error)
}
