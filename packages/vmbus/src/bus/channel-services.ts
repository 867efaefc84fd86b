import type {
  ChannelOffer,
  Clock,
  GuestMemory,
  Logger,
  MmioSpace,
  PageAllocator,
  PageConstraint,
} from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import { ringEngineFor, scriptEngine } from '@bis/hyperv-types/ring'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelBus, Runnable } from '../channel/channel-bus.ts'
import { GpadlHandles } from '../channel/gpadl-handles.ts'
import type { Signal } from '../channel/signal.ts'
import type { PendingReplies } from '../control/pending-replies.ts'
import type { ReferenceTime } from '../platform/reference-time.ts'
import type { HostLink } from './host-link.ts'
import type { VmbusOptions } from './options.ts'
import type { RunQueue } from './run-queue.ts'
import type { VmbusTiming } from './timing.ts'

export interface ServicesParts {
  readonly options: VmbusOptions
  readonly clock: Clock
  readonly log: Logger
  readonly pages: PageAllocator
  readonly mmio: MmioSpace
  readonly timing: VmbusTiming
  readonly link: HostLink
  readonly queue: RunQueue
}

/** What the channels of a bus ask of it: the way to the host, the machine that it runs on, and turns. */
export class ChannelServices implements ChannelBus {
  readonly clock: Clock
  readonly log: Logger
  readonly memory: GuestMemory
  readonly pages: PageAllocator
  readonly mmio: MmioSpace
  readonly ringConstraint: PageConstraint
  readonly processorCount: number
  readonly timing: VmbusTiming
  readonly replies: PendingReplies
  readonly #engine: RingEngine | undefined
  readonly #link: HostLink
  readonly #queue: RunQueue
  readonly #gpadlHandles = new GpadlHandles()
  #lastCpu = 0

  constructor({ options, clock, log, pages, mmio, timing, link, queue }: ServicesParts) {
    const { hypervisor, ringConstraint = {} } = options
    this.clock = clock
    this.log = log
    this.memory = hypervisor.memory
    this.pages = pages
    this.mmio = mmio
    this.ringConstraint = ringConstraint
    this.processorCount = hypervisor.processorCount
    this.timing = timing
    this.replies = link.replies
    this.#engine = options.engine
    this.#link = link
    this.#queue = queue
  }

  get version(): number {
    return this.#link.version
  }

  get features(): number {
    return this.#link.features
  }

  get referenceTime(): ReferenceTime | undefined {
    return this.#link.time
  }

  ringEngine(gpa: number): RingEngine {
    const region = this.memory.regionAt(gpa, 0)
    return this.#engine ?? (region === undefined ? scriptEngine : ringEngineFor(region))
  }

  vpIndex(cpu: number): number {
    return this.#link.vpIndex(cpu)
  }

  nextCpu(): number {
    if (this.version < VmbusVersion.V2_4) return 0
    this.#lastCpu = (this.#lastCpu + 1) % this.processorCount
    return this.#lastCpu
  }

  takeGpadlHandle(): number {
    return this.#gpadlHandles.take()
  }

  post(message: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#link.post(message, signal)
  }

  makeSignal(offer: ChannelOffer, monitored: boolean): Signal {
    return this.#link.makeSignal(offer, monitored)
  }

  schedule(task: Runnable): void {
    this.#queue.schedule(task)
  }

  scheduleLater(task: Runnable): void {
    this.#queue.scheduleLater(task)
  }
}
