import type { Clock, GuestMemory, Logger } from '@bis/hyperv-types'
import { attachMemory, ChannelError, silentLogger, systemClock } from '@bis/hyperv-types'
import { EVENT_FLAGS_BYTES } from '@bis/hyperv-types/hypervisor'
import { ringEngineFor, scriptEngine } from '@bis/hyperv-types/ring'
import { RunQueue } from '../bus/run-queue.ts'
import { ChannelCounters } from '../channel/counters.ts'
import { DataPath, DEFAULT_BUDGET } from '../channel/data-path.ts'
import { EventFlags } from '../platform/event-flags.ts'
import { ProcessorBoard } from './board.ts'
import { EventWatch } from './event-watch.ts'
import type { ChannelDescriptor, ProcessorLink } from './link-data.ts'
import type { ServedChannel, ServeOptions } from './served-channel.ts'
import { Served } from './served-channel.ts'
import { ThreadSignals } from './thread-signals.ts'

export interface ProcessorOptions {
  readonly clock?: Clock
  readonly log?: Logger
}

/**
 * A virtual processor in a thread of its own: takes the interrupts of the channels that were handed to it straight from
 * the event flags in shared memory, and serves them here.
 */
export class VirtualProcessor {
  readonly cpu: number
  readonly memory: GuestMemory
  readonly #clock: Clock
  readonly #log: Logger
  readonly #queue: RunQueue
  readonly #board: ProcessorBoard
  readonly #signals: ThreadSignals
  readonly #watch: EventWatch
  readonly #served = new Map<number, Served>()
  #running = true

  /**
   * In the processor's thread, with what `VmbusBus.processorLink` gave.
   * @throws ChannelError `invalid-state` when the link was taken up before, or the bus has ended it
   */
  constructor(link: ProcessorLink, options: ProcessorOptions = {}) {
    this.cpu = link.cpu
    this.memory = attachMemory(link.memory)
    this.#clock = options.clock ?? systemClock
    this.#log = options.log ?? silentLogger
    this.#queue = new RunQueue(this.#clock)
    this.#board = new ProcessorBoard(link.board)
    if (!this.#board.change('offered', 'attached')) {
      throw new ChannelError('invalid-state', `the link to cpu ${link.cpu} is ${this.#board.state}`)
    }
    this.#signals = new ThreadSignals(this.memory, this.#board, link.signals)
    this.#watch = new EventWatch({
      clock: this.#clock,
      flags: new EventFlags(this.memory.bytesAt(link.eventFlags, EVENT_FLAGS_BYTES)),
      board: this.#board,
      look: () => this.#look(),
      onEvent: (channelId) => this.#event(channelId),
    })
  }

  /** @throws ChannelError `invalid-argument` for a channel of another processor, `invalid-state` when it is served already */
  serve(descriptor: ChannelDescriptor, options: ServeOptions): ServedChannel {
    const { channelId } = descriptor.offer
    if (descriptor.cpu !== this.cpu) {
      throw new ChannelError(
        'invalid-argument',
        `channel ${channelId} belongs to cpu ${descriptor.cpu}, this is ${this.cpu}`,
      )
    }
    if (this.#served.has(channelId) || !this.#running) {
      throw new ChannelError('invalid-state', `channel ${channelId} cannot be served here now`)
    }
    // Said first and claimed then, so that the bus never takes the rings for free while they are not.
    this.#board.set('served', channelId)
    if (!this.#board.clear('lent', channelId)) {
      this.#board.clear('served', channelId)
      this.#board.ring('main')
      throw new ChannelError('invalid-state', `the bus has taken channel ${channelId} back`)
    }
    const served = this.#open(descriptor, options)
    this.#served.set(channelId, served)
    // The host may have signalled since the bus let go.
    served.path.kick()
    return served
  }

  /** Gives every channel back and stops taking interrupts; the bus takes them again. */
  stop(): void {
    if (!this.#running) return
    for (const channelId of [...this.#served.keys()]) this.#release(channelId)
    this.#running = false
    this.#watch.end()
    this.#board.end()
    this.#board.ring('main')
  }

  #open(descriptor: ChannelDescriptor, options: ServeOptions): Served {
    const { offer, rings, txRingBytes, rxRingBytes, maxPacketBytes } = descriptor
    const region = this.memory.regionAt(rings, txRingBytes + rxRingBytes)
    const engine = region === undefined ? scriptEngine : ringEngineFor(region)
    const producer = engine.producer(this.memory.bytesAt(rings, txRingBytes))
    const consumer = engine.consumer(this.memory.bytesAt(rings + txRingBytes, rxRingBytes), maxPacketBytes)
    const counters = new ChannelCounters()
    counters.follow(producer, consumer)
    const path = new DataPath({
      producer,
      consumer,
      handlers: options,
      signal: this.#signals.of(descriptor),
      counters,
      clock: this.#clock,
      log: this.#log,
      name: `channel ${offer.channelId}`,
      budget: options.budget ?? DEFAULT_BUDGET,
      fullRingPollMs: descriptor.fullRingPollMs,
      schedule: (task) => this.#queue.schedule(task),
      scheduleLater: (task) => this.#queue.scheduleLater(task),
    })
    const release = (): void => this.#release(offer.channelId)
    return new Served({ offer, path, counters, release, onStopped: () => options.onStopped?.() })
  }

  #release(channelId: number): void {
    const served = this.#served.get(channelId)
    if (served === undefined) return
    this.#served.delete(channelId)
    served.end()
    this.#board.clear('stopped', channelId)
    this.#board.clear('served', channelId)
    this.#board.ring('main')
  }

  #event(channelId: number): void {
    const served = this.#served.get(channelId)
    if (served !== undefined) {
      served.path.interrupt()
    } else {
      this.#board.set('forwarded', channelId)
      this.#board.ring('main')
    }
  }

  /** @returns whether the bus still wants this processor to run here */
  #look(): boolean {
    if (this.#board.state !== 'attached') {
      this.stop()
      return false
    }
    this.#board.take('stopped', (channelId) => this.#release(channelId))
    return this.#running
  }
}
