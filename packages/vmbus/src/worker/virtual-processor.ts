import type {
  ChannelHandlers,
  ChannelOffer,
  ChannelStatistics,
  Clock,
  GuestMemory,
  Logger,
  PacketSender,
  SendStatus,
  Timer,
} from '@bis/hyperv-types'
import { attachMemory, ChannelError, silentLogger, systemClock } from '@bis/hyperv-types'
import { EVENT_FLAGS_BYTES } from '@bis/hyperv-types/hypervisor'
import { ringEngineFor, scriptEngine } from '@bis/hyperv-types/ring'
import { onNotify, SignalBoard } from '@bis/hyperv-types/threads'
import { RunQueue } from '../bus/run-queue.ts'
import { ChannelCounters } from '../channel/counters.ts'
import { DataPath, DEFAULT_BUDGET } from '../channel/data-path.ts'
import type { Signal } from '../channel/signal.ts'
import { monitorSignal, pageBitSignal } from '../channel/signal.ts'
import { EventFlags } from '../platform/event-flags.ts'
import { ProcessorBoard } from './board.ts'
import type { ChannelDescriptor, ProcessorLink } from './link-data.ts'

/** A timer this far away only keeps a thread alive that has nothing but its processor; in milliseconds. */
const KEEP_ALIVE_MS = 1_000_000_000

export interface ProcessorOptions {
  readonly clock?: Clock
  readonly log?: Logger
}

export interface ServeOptions extends ChannelHandlers {
  readonly budget?: number
  /** The bus took the channel back (closed, rescinded, moved): no handler runs any more. */
  onStopped?(): void
}

/** A channel served in this thread. */
export interface ServedChannel extends PacketSender {
  readonly offer: ChannelOffer
  readonly statistics: ChannelStatistics
  /** Gives the channel back to the bus; no handler runs any more. */
  release(): void
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
  readonly #signals: { readonly board: SignalBoard; readonly row: number } | undefined
  readonly #flags: EventFlags
  readonly #flagWords: Int32Array
  /** Words of event flags that this thread waits on. */
  readonly #armed = new Set<number>()
  readonly #served = new Map<number, Served>()
  readonly #onFlag = (channelId: number): void => this.#event(channelId)
  #bellArmed = false
  #scheduled = false
  #running = true
  #keepAlive: Timer

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
    const { signals, eventFlags } = link
    this.#signals = signals && { board: new SignalBoard(signals.board), row: signals.row }
    this.#flags = new EventFlags(this.memory.bytesAt(eventFlags, EVENT_FLAGS_BYTES))
    this.#flagWords = this.#words(eventFlags, EVENT_FLAGS_BYTES)
    this.#keepAlive = this.#clock.after(KEEP_ALIVE_MS, () => {})
    this.#schedule()
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
    const served = new Served(this.#open(descriptor, options), descriptor.offer, options, () =>
      this.#release(channelId),
    )
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
    this.#keepAlive.cancel()
    this.#board.end()
    this.#board.ring('main')
  }

  #open(descriptor: ChannelDescriptor, options: ServeOptions): { path: DataPath; counters: ChannelCounters } {
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
      signal: this.#signal(descriptor),
      counters,
      clock: this.#clock,
      log: this.#log,
      name: `channel ${offer.channelId}`,
      budget: options.budget ?? DEFAULT_BUDGET,
      fullRingPollMs: descriptor.fullRingPollMs,
      schedule: (task) => this.#queue.schedule(task),
      scheduleLater: (task) => this.#queue.scheduleLater(task),
    })
    return { path, counters }
  }

  /** By the monitor page, by the hypervisor's board, or by the bus, as there is. */
  #signal({ offer, monitorPage, sendPage }: ChannelDescriptor): Signal {
    const { channelId, connectionId, monitorId } = offer
    if (monitorPage !== undefined && monitorId !== undefined) {
      return this.#withPageBit(sendPage, channelId, monitorSignal(this.#words(monitorPage, 4096), monitorId))
    }
    const { board, row } = this.#signals ?? {}
    if (board === undefined || row === undefined || !SignalBoard.takes(connectionId)) {
      return () => {
        if (this.#board.set('to-host', channelId)) this.#board.ring('main')
      }
    }
    return this.#withPageBit(sendPage, channelId, () => board.signal(row, connectionId))
  }

  #withPageBit(sendPage: number | undefined, channelId: number, signal: Signal): Signal {
    return sendPage === undefined ? signal : pageBitSignal(this.#words(sendPage, 2048), channelId, signal)
  }

  #words(gpa: number, byteLength: number): Int32Array {
    const bytes = this.memory.bytesAt(gpa, byteLength)
    return new Int32Array(bytes.buffer, bytes.byteOffset, byteLength / 4)
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

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      this.#look()
    })
  }

  /** Looks at everything, then waits for the next change of anything. */
  #look(): void {
    if (!this.#running) return
    const { index, value } = this.#board.bell('processor')
    if (this.#board.state !== 'attached') {
      this.stop()
      return
    }
    this.#board.take('stopped', (channelId) => this.#release(channelId))
    const used = this.#board.usedWords
    this.#flags.widen(used)
    this.#flags.take(this.#onFlag)
    let due = false
    for (let word = 0; word < used; word++) {
      if (this.#armed.has(word)) continue
      const armed = onNotify(this.#flagWords, word, 0, () => {
        this.#armed.delete(word)
        this.#look()
      })
      if (armed) this.#armed.add(word)
      else due = true
    }
    if (!this.#bellArmed) {
      this.#bellArmed = onNotify(this.#board.words, index, value, () => {
        this.#bellArmed = false
        this.#look()
      })
      due ||= !this.#bellArmed
    }
    if (due) this.#schedule()
  }
}

class Served implements ServedChannel {
  readonly offer: ChannelOffer
  readonly path: DataPath
  readonly statistics: ChannelStatistics
  readonly release: () => void
  readonly #counters: ChannelCounters
  readonly #options: ServeOptions

  constructor(
    { path, counters }: { path: DataPath; counters: ChannelCounters },
    offer: ChannelOffer,
    options: ServeOptions,
    release: () => void,
  ) {
    this.path = path
    this.offer = offer
    this.release = release
    this.statistics = counters
    this.#counters = counters
    this.#options = options
  }

  send(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array | undefined,
    headerLength: number,
    data: Uint8Array,
    dataOffset: number,
    dataLength: number,
  ): SendStatus {
    return this.path.send(
      type,
      flags,
      transactionIdLow,
      transactionIdHigh,
      header,
      headerLength,
      data,
      dataOffset,
      dataLength,
    )
  }

  beginBatch(): void {
    this.path.beginBatch()
  }

  endBatch(): void {
    this.path.endBatch()
  }

  end(): void {
    this.#counters.settle()
    this.path.stop()
    this.#options.onStopped?.()
  }
}
