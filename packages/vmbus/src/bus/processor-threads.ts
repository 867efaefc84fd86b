import type { Clock, Hypervisor } from '@bis/hyperv-types'
import { ChannelError, linkMemory, sleep } from '@bis/hyperv-types'
import { onNotify } from '@bis/hyperv-types/threads'
import { VMBUS_MESSAGE_SINT } from '@bis/hyperv-types/vmbus'
import type { VmbusChannel } from '../channel/channel.ts'
import type { EventFlags } from '../platform/event-flags.ts'
import { ProcessorBoard } from '../worker/board.ts'
import type { ChannelDescriptor, ProcessorLink } from '../worker/link-data.ts'
import type { ChannelTable } from './channel-table.ts'

/** How long a thread may take to let go of a channel or of its processor before they count as lost, in milliseconds. */
const GIVE_BACK_MS = 2000

export interface ThreadParts {
  readonly clock: Clock
  readonly hypervisor: Hypervisor
  readonly table: ChannelTable
  /** Guest-physical address of a processor's VMBus event flags. */
  eventFlagsGpa(cpu: number): number | undefined
  monitorPageGpa(channel: VmbusChannel): number | undefined
  sendPageGpa(channel: VmbusChannel): number | undefined
  /** An event for a channel that the bus serves itself. */
  channelEvent(channelId: number): void
}

interface Thread {
  readonly board: ProcessorBoard
  /** The bell is waited on. */
  armed: boolean
  /** Looked at whenever the thread rings. */
  readonly waiting: Set<{ readonly met: () => boolean; readonly resolve: () => void }>
}

/**
 * The processors that run in threads of their own. The bus keeps away from their event flags and serves the channels that
 * they do not. It wakes them and signals the host for them only where the hypervisor leaves that to it.
 */
export class ProcessorThreads {
  readonly #parts: ThreadParts
  readonly #threads = new Map<number, Thread>()
  #usedWords = 1

  constructor(parts: ThreadParts) {
    this.#parts = parts
  }

  /** @throws ChannelError `invalid-argument` for a processor that is not there or has a thread, MemoryError `bad-region`. */
  link(cpu: number): ProcessorLink {
    const eventFlags = this.#parts.eventFlagsGpa(cpu)
    if (eventFlags === undefined) throw new ChannelError('invalid-argument', `cpu ${cpu} is not there`)
    if (this.#threads.has(cpu)) {
      throw new ChannelError('invalid-argument', `cpu ${cpu} has a thread already`)
    }
    const { hypervisor } = this.#parts
    const memory = linkMemory(hypervisor.memory)
    const buffer = ProcessorBoard.allocate()
    const thread: Thread = { board: new ProcessorBoard(buffer), armed: false, waiting: new Set() }
    thread.board.usedWords = this.#usedWords
    this.#threads.set(cpu, thread)
    const signals = hypervisor.enterThread?.(cpu, VMBUS_MESSAGE_SINT)
    this.#look(cpu, thread)
    return { cpu, memory, eventFlags, board: buffer, ...(signals === undefined ? {} : { signals }) }
  }

  /** The thread is gone, with or without a farewell: the bus serves the processor again. */
  end(cpu: number): void {
    const thread = this.#threads.get(cpu)
    if (thread === undefined) return
    this.#threads.delete(cpu)
    thread.board.end()
    this.#drain(thread)
    thread.board.ring('main')
    this.#parts.hypervisor.leaveThread?.(cpu, VMBUS_MESSAGE_SINT)
    for (const channel of this.#parts.table.list()) if (channel.cpu === cpu) void channel.takeBack()
  }

  /** Ends every thread's work. @returns the processors whose threads do not say that they have ended */
  async close(): Promise<readonly number[]> {
    const lost: number[] = []
    const closing = [...this.#threads].map(async ([cpu, thread]) => {
      const { board } = thread
      if (board.change('offered', 'ended')) return
      board.change('attached', 'closing')
      board.ring('processor')
      if (!(await this.#until(thread, () => board.state === 'ended'))) lost.push(cpu)
    })
    await Promise.all(closing)
    for (const [cpu] of [...this.#threads]) {
      if (lost.includes(cpu)) this.#parts.hypervisor.leaveThread?.(cpu, VMBUS_MESSAGE_SINT)
      else this.end(cpu)
    }
    this.#threads.clear()
    return lost
  }

  /** In the interrupt of a processor. @returns false when it has no thread */
  interrupt(cpu: number, flags: EventFlags): boolean {
    if (!this.#threads.has(cpu)) return false
    flags.notify()
    return true
  }

  /** Flags up to this one are in use from now on. */
  useEventFlag(flag: number): void {
    const words = (flag >>> 5) + 1
    if (words <= this.#usedWords) return
    this.#usedWords = words
    for (const { board } of this.#threads.values()) {
      board.usedWords = words
      board.ring('processor')
    }
  }

  /**
   * Lets the processor's thread serve an open channel.
   * @throws ChannelError `invalid-state` when the channel is not open or lent already, `invalid-argument` when its
   * processor has no thread
   */
  handOver(channel: VmbusChannel): ChannelDescriptor {
    const { cpu, offer, protocolVersion } = channel
    const thread = this.#threads.get(cpu)
    if (thread === undefined) throw new ChannelError('invalid-argument', `cpu ${cpu} has no thread`)
    const { channelId } = offer
    const { rings, options } = channel.lend({ end: () => this.#reclaim(thread, channelId) })
    thread.board.set('lent', channelId)
    const sendPage = this.#parts.sendPageGpa(channel)
    const monitorPage = options.monitored === false ? undefined : this.#parts.monitorPageGpa(channel)
    return {
      offer,
      protocolVersion,
      cpu,
      rings: rings.run.gpa,
      txRingBytes: options.txRingBytes,
      rxRingBytes: options.rxRingBytes,
      maxPacketBytes: rings.consumer.longestPacket,
      fullRingPollMs: channel.fullRingPollMs,
      ...(monitorPage === undefined ? {} : { monitorPage }),
      ...(sendPage === undefined ? {} : { sendPage }),
    }
  }

  /** Resolves when the thread no longer serves the channel; false when it does not say so in time. */
  async #reclaim(thread: Thread, channelId: number): Promise<boolean> {
    const { board } = thread
    if (board.clear('lent', channelId)) return true
    board.set('stopped', channelId)
    board.ring('processor')
    // A thread that has ended touches nothing any more, whatever the board says of channels.
    const quiet = await this.#until(thread, () => board.state === 'ended' || !board.has('served', channelId))
    board.clear('stopped', channelId)
    return quiet
  }

  /** Waits for the thread. @returns false when the condition is not met in time */
  async #until(thread: Thread, met: () => boolean): Promise<boolean> {
    if (met()) return true
    const wait = new AbortController()
    await new Promise<void>((resolve) => {
      const waiter = { met, resolve }
      thread.waiting.add(waiter)
      void sleep(this.#parts.clock, GIVE_BACK_MS, wait.signal)
        .catch(() => {})
        .then(resolve)
    })
    wait.abort()
    return met()
  }

  #look(cpu: number, thread: Thread): void {
    if (thread.armed) return
    const { board } = thread
    const { index, value } = board.bell('main')
    this.#drain(thread)
    if (board.state === 'ended') {
      if (this.#threads.get(cpu) === thread) this.end(cpu)
      return
    }
    thread.armed = onNotify(board.words, index, value, () => {
      thread.armed = false
      this.#look(cpu, thread)
    })
    if (!thread.armed) this.#parts.clock.soon(() => this.#look(cpu, thread))
  }

  #drain({ board, waiting }: Thread): void {
    board.take('to-host', (channelId) => this.#parts.table.get(channelId)?.channel.signalHost())
    board.take('forwarded', (channelId) => this.#parts.channelEvent(channelId))
    for (const waiter of waiting) {
      if (!waiter.met()) continue
      waiting.delete(waiter)
      waiter.resolve()
    }
  }
}
