import type { Clock } from '../interfaces/clock.ts'
import type { HostGpadl, VspDevice, VspPort } from '../interfaces/host-channel.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import type { PageAllocator, PageRun } from '../memory/page-allocator.ts'

/** What the channels of one device share: both machines' halves of what a bus does. */
export interface LoopbackConnection {
  readonly device: VspDevice
  readonly clock: Clock
  readonly memory: GuestMemory
  readonly pages: PageAllocator
  readonly processorCount: number
  readonly protocolVersion: number
  readonly gpadls: LoopbackGpadls
  readonly referenceTime: (() => bigint) | undefined
}

/** GPADLs of one device. */
export class LoopbackGpadls {
  readonly #gpadls = new Map<number, HostGpadl>()
  #next = 1

  get size(): number {
    return this.#gpadls.size
  }

  establish(run: PageRun): number {
    const handle = this.#next++
    const pfns = Float64Array.from({ length: run.pageCount }, (_, page) => run.pfn + page)
    const { byteLength, bytes: contiguous } = run
    this.#gpadls.set(handle, { handle, byteLength, byteOffset: 0, rangeCount: 1, pfns, contiguous })
    return handle
  }

  get(handle: number): HostGpadl | undefined {
    return this.#gpadls.get(handle)
  }

  remove(handle: number): void {
    this.#gpadls.delete(handle)
  }
}

/** The host's bus as a device sees it. */
export class LoopbackPort implements VspPort {
  readonly protocolVersion: number
  readonly processorCount: number
  readonly #referenceTime: (() => bigint) | undefined
  readonly #offer: (count: number) => boolean
  readonly #revoke: () => Promise<void>

  constructor(connection: LoopbackConnection, offer: (count: number) => boolean, revoke: () => Promise<void>) {
    this.protocolVersion = connection.protocolVersion
    this.processorCount = connection.processorCount
    this.#referenceTime = connection.referenceTime
    this.#offer = offer
    this.#revoke = revoke
  }

  referenceTime(): bigint | undefined {
    return this.#referenceTime?.()
  }

  offerSubchannels(count: number): boolean {
    return this.#offer(count)
  }

  revoke(): Promise<void> {
    return this.#revoke()
  }
}
