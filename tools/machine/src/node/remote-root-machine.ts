import type { Worker } from 'node:worker_threads'
import { GuestMemory } from '@bis/hyperv-types'
import { createMappedMemory } from '@bis/hyperv-types/mapped-memory'
import { connectSocketRoot, startWorkerRoot } from '@bis/partition/node'
import { GuestMachine } from '../guest-machine.ts'
import type { GuestMachineOptions } from '../machine-options.ts'
import { DEFAULT_MEMORY_BYTES, gapBaseOf } from '../machine-options.ts'

/** What a root elsewhere looks like from here, whatever lies between. */
interface Root extends AsyncDisposable {
  readonly ended: Promise<{ readonly reason: string }>
}

/** A worker that plays the root. */
export interface WorkerScript {
  /** Finds `ports` in its `workerData`, for `attachPorts` of `@bis/partition/worker`, beside what `data` holds. */
  readonly url: URL
  readonly data: Readonly<Record<string, unknown>>
  /** Resolves when the devices are on the bus; rejects when they cannot be. */
  ready(worker: Worker): Promise<void>
  /** The guest is off: resolves when the worker has put its things in order. */
  finish(worker: Worker): Promise<void>
}

/** A machine whose root is in another thread or another process. */
export class RemoteRootMachine extends GuestMachine {
  /** Resolves with the reason when the root has gone, at the latest when the machine is off. */
  readonly rootGone: Promise<string>
  #root: Root | undefined
  #finishRoot: () => Promise<void> = async () => {}
  #releaseMemory: () => void
  #resolveRootGone: (reason: string) => void = () => {}

  private constructor(options: GuestMachineOptions, memory: GuestMemory, releaseMemory: () => void = () => {}) {
    super(options, memory)
    this.#releaseMemory = releaseMemory
    this.rootGone = new Promise((resolve) => {
      this.#resolveRootGone = resolve
    })
  }

  /**
   * Boots on the root that listens at a Unix-domain socket (vmbus-user).
   * @throws TransportError `missing-package` without koffi, `refused`, `timeout`, …
   */
  static async withSocketRoot(path: string, options: GuestMachineOptions = {}): Promise<RemoteRootMachine> {
    const mapped = await createMappedMemory(options.memoryBytes ?? DEFAULT_MEMORY_BYTES, gapBaseOf(options))
    const machine = new RemoteRootMachine(options, mapped.memory, () => mapped.release())
    const connect = (): Promise<Root> => connectSocketRoot(machine.partition, { path, memory: mapped })
    return machine.#start(connect, options)
  }

  /** Boots on a root that a worker thread plays. */
  static async withWorkerRoot(script: WorkerScript, options: GuestMachineOptions = {}): Promise<RemoteRootMachine> {
    const memory = GuestMemory.allocate(options.memoryBytes ?? DEFAULT_MEMORY_BYTES, gapBaseOf(options))
    const machine = new RemoteRootMachine(options, memory)
    const connect = async (): Promise<Root> => {
      const root = startWorkerRoot(machine.partition, script.url, script.data)
      machine.#finishRoot = () => script.finish(root.worker)
      await script.ready(root.worker).catch(async (error: unknown) => {
        await root[Symbol.asyncDispose]()
        throw error
      })
      return root
    }
    return machine.#start(connect, options)
  }

  protected override async releaseRoot(): Promise<void> {
    if (this.#root !== undefined) await this.#finishRoot()
    await this.#root?.[Symbol.asyncDispose]()
    this.#resolveRootGone('the machine is off')
    this.#releaseMemory()
  }

  async #start(connect: () => Promise<Root>, options: GuestMachineOptions): Promise<RemoteRootMachine> {
    try {
      this.#root = await connect()
    } catch (error) {
      await this.powerOff()
      throw error
    }
    void this.#root.ended.then(({ reason }) => {
      this.rootHasGone(reason)
      this.#resolveRootGone(reason)
    })
    await this.boot(options)
    return this
  }
}
