import type { Worker } from 'node:worker_threads'
import type { HostReleaseName } from '@bis/host'
import type { WorkerScript } from '@bis/machine/node'
import { CliError } from './cli-error.ts'
import type { DiskOption } from './disk-option.ts'
import type { ModuleTable } from './loadable-modules.ts'
import type { NicOption } from './network/nic-option.ts'
import type { NicSettings } from './network/nics.ts'
import type { CallContext } from './thread-calls.ts'
import { ThreadCalls } from './thread-calls.ts'
import type { ControlRequest } from './vm/control-protocol.ts'
import type { GuestElsewhere, Hardware, SysctlTable } from './vm/virtual-machine.ts'

/** What the worker is started with, beside its ports. */
export interface WorkerRootData {
  readonly release: HostReleaseName
  readonly disks: readonly DiskOption[]
  readonly nics: readonly NicOption[]
  readonly network: NicSettings
  /** VMBus versions to refuse. */
  readonly refused: readonly number[]
  /** The machine as `bis vm` knows it, when it is steered. */
  readonly steered?: { readonly name: string; readonly hardware: Omit<Hardware, 'injectNmi'> }
}

/** What outlives the worker: for when the machine starts again. */
export interface WorkerRootRemains {
  readonly startAgain: boolean
  readonly nics: readonly NicOption[]
}

/** The hypervisor's and the guest's side, which the worker does not have. */
export interface GuestSide {
  readonly modules: ModuleTable
  readonly sysctl: SysctlTable
  injectNmi(): void
  turnOff(): Promise<void>
}

/** The root partition in a worker thread, with these devices. */
export class WorkerRoot implements WorkerScript, GuestElsewhere {
  readonly url = new URL('./root-worker.js', import.meta.url)
  readonly data: Readonly<Record<string, unknown>>
  #calls: ThreadCalls | undefined
  #guest: GuestSide | undefined
  #remains: WorkerRootRemains | undefined

  constructor(data: WorkerRootData) {
    this.data = { ...data }
  }

  /** Undefined until the worker has put its things in order. */
  get remains(): WorkerRootRemains | undefined {
    return this.#remains
  }

  /** The guest has booted: from now on the worker reaches it. */
  guestIs(guest: GuestSide): void {
    this.#guest = guest
  }

  async ready(worker: Worker): Promise<void> {
    const calls = new ThreadCalls(worker, {
      kldstat: () => this.#need().modules.loaded(),
      kldload: (name) => this.#need().modules.load(String(name)),
      kldunload: (name) => this.#need().modules.unload(String(name)),
      sysctlList: (name) => this.#need().sysctl.list(String(name)),
      sysctlSet: (pair) => {
        const { name, value } = pair as { name: string; value: string }
        return this.#need().sysctl.set(name, value)
      },
      injectNmi: () => this.#need().injectNmi(),
      // It ends with the worker, which would wait for it.
      turnOff: () => void this.#need().turnOff(),
    })
    worker.once('exit', () => calls.end("the root's thread has ended"))
    this.#calls = calls
    await calls.call('open')
  }

  async finish(): Promise<void> {
    this.#remains = (await this.#calls?.call('close')) as WorkerRootRemains
  }

  async answer(request: ControlRequest, context: CallContext): Promise<unknown> {
    return this.#calls?.call('answer', request, context)
  }

  #need(): GuestSide {
    if (this.#guest === undefined) throw new CliError('failed', 'the guest has not booted yet')
    return this.#guest
  }
}
