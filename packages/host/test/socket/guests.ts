import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { createMappedMemory } from '@bis/hyperv-types/mapped-memory'
import { Partition } from '@bis/partition'
import type { SocketRoot } from '@bis/partition/node'
import { connectSocketRoot } from '@bis/partition/node'
import { afterAll, afterEach } from 'vitest'
import type { ConnectedPartition, VmbusUserServer } from '../../src/node/index.ts'
import { listenVmbusUser } from '../../src/node/index.ts'

const PATIENCE_MS = 8000

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await setImmediate()
  }
}

export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  await new Promise((resolve) => setTimeout(resolve, 15))
}

export interface SocketPair extends AsyncDisposable {
  readonly partition: Partition
  readonly root: SocketRoot
  /** The partition as the server has it. */
  readonly connected: ConnectedPartition
}

/** A directory of this test file, with a space in its name; socket and memory files go there. */
export function workDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'vmbus user '))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A server of this test file, and guests of this process that connect to it. */
export class SocketWorld {
  readonly directory = workDirectory()
  readonly path = join(this.directory, 'root.sock')
  readonly arrived: ConnectedPartition[] = []
  server: VmbusUserServer | undefined
  readonly #undo: (() => PromiseLike<void>)[] = []

  constructor() {
    afterEach(async () => {
      for (const step of this.#undo.splice(0).reverse()) await step()
      await this.server?.close()
      this.server = undefined
      this.arrived.length = 0
    })
  }

  async listen(options: { maxPartitions?: number; handshakeTimeout?: number; maxMemoryBytes?: number } = {}) {
    const onPartition = (partition: ConnectedPartition): number => this.arrived.push(partition)
    this.server = await listenVmbusUser({ ...options, path: this.path, onPartition })
    return this.server
  }

  async connect(): Promise<SocketPair> {
    const memory = await createMappedMemory(2 ** 21, { directory: this.directory })
    const partition = new Partition({ memory: memory.memory, processorCount: 2 })
    const before = this.arrived.length
    try {
      const root = await connectSocketRoot(partition, { path: this.path, memory, timeout: 3000 })
      this.#undo.push(() => root[Symbol.asyncDispose]())
      await until('the partition at the server', () => this.arrived.length > before)
      const connected = this.arrived.at(-1)
      if (connected === undefined) throw new Error('no partition')
      return {
        partition,
        root,
        connected,
        async [Symbol.asyncDispose]() {
          partition.powerOff()
          await root[Symbol.asyncDispose]()
          memory.release()
        },
      }
    } catch (error) {
      memory.release()
      throw error
    }
  }
}
