import { Machine } from '@bis/machine'
import { RemoteRootMachine } from '@bis/machine/node'
import type { ScsiDisk } from '@bis/storvsc'
import { BlockRequest, storvsc } from '@bis/storvsc'
import type { BenchMemory } from '../ring/rows.ts'
import { rootWorker } from '../thread/root-worker.ts'
import { DISK_BYTES, RELEASE, ramController } from './ram-controller.ts'
import type { HostThread } from './rows.ts'

const MEMORY_BYTES = 128 * 2 ** 20
const modules = [{ name: 'hv_storvsc', drivers: [storvsc()], dependencies: ['hv_vmbus'] }]

/** A machine with a RAM disk, ready to read: its host in this thread, or in one of its own. */
export class DiskMachine {
  readonly #machine: Machine | RemoteRootMachine
  readonly #disk: ScsiDisk
  #seed = 1

  private constructor(machine: Machine | RemoteRootMachine) {
    const disk = machine.kernel.disks.get('da0')
    if (disk === undefined) throw new Error('the machine found no disk')
    this.#machine = machine
    this.#disk = disk as ScsiDisk
  }

  /** @param script file of the host's thread, for a host in a second one */
  static async start(memory: BenchMemory, host: HostThread, script: string): Promise<DiskMachine> {
    const options = { release: RELEASE, modules, memoryBytes: MEMORY_BYTES } as const
    if (host === 'same') {
      return new DiskMachine(await Machine.powerOn({ ...options, devices: [ramController()], memoryKind: memory }))
    }
    return new DiskMachine(await RemoteRootMachine.withWorkerRoot(rootWorker(script), options))
  }

  /** A reader that keeps `queueDepth` reads of `bytes` under way, each into guest memory of its own. */
  reader(bytes: number, queueDepth: number, random: boolean): DiskReader {
    const buffers = Array.from({ length: queueDepth }, () => this.guestBuffer(bytes))
    return new DiskReader(this.#disk, buffers, random ? () => this.#random() : undefined)
  }

  guestBuffer(bytes: number): Uint8Array {
    return this.#machine.kernel.pages.allocate(bytes / 4096).bytes
  }

  stop(): Promise<void> {
    return this.#machine.powerOff()
  }

  #random(): number {
    // Its lowest bits repeat soon; what remains is a small integer, which costs nothing to divide.
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) | 0
    return this.#seed >>> 8
  }
}

/** Reads again and again with the same few requests. */
export class DiskReader {
  readonly #disk: ScsiDisk
  readonly #requests: BlockRequest[]
  readonly #random: (() => number) | undefined
  readonly #blocks: number
  #next = 0
  #left = 0
  #underWay = 0
  #end: (error?: Error) => void = () => {}

  constructor(disk: ScsiDisk, buffers: readonly Uint8Array[], random: (() => number) | undefined) {
    this.#disk = disk
    this.#random = random
    const bytes = buffers[0]?.length ?? 4096
    this.#blocks = DISK_BYTES / bytes
    this.#requests = buffers.map((buffer) => {
      const request = new BlockRequest((done) => this.#done(done))
      request.buffer = buffer
      request.length = bytes
      return request
    })
  }

  /** @returns nanoseconds for each of `reads` reads */
  run(reads: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#left = reads
      const start = performance.now()
      this.#end = (error) =>
        error === undefined ? resolve(((performance.now() - start) * 1e6) / reads) : reject(error)
      this.#disk.beginBatch()
      for (const request of this.#requests) {
        if (this.#left === 0) break
        this.#underWay++
        this.#submit(request)
      }
      this.#disk.endBatch()
    })
  }

  #submit(request: BlockRequest): void {
    this.#left--
    const block = this.#random === undefined ? this.#next++ : this.#random()
    request.offset = (block % this.#blocks) * request.length
    this.#disk.submit(request)
  }

  #done(request: BlockRequest): void {
    if (request.error !== undefined) this.#end(request.error)
    else if (this.#left > 0) this.#submit(request)
    else if (--this.#underWay === 0) this.#end()
  }
}
