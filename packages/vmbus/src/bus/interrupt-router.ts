import type { Runnable } from '../channel/channel-bus.ts'
import type { EventFlags } from '../platform/event-flags.ts'
import type { SlotMessage } from '../platform/message-slot.ts'
import type { ChannelTable } from './channel-table.ts'
import type { BusCounters } from './counters.ts'

export interface RouterParts {
  readonly table: ChannelTable
  readonly counters: BusCounters
  schedule(task: Runnable): void
  deliver(message: SlotMessage): void
  /** The host's half of the interrupt page while it is in use (before 2.4); otherwise flags name channels. */
  interruptPage(): EventFlags | undefined
}

/** What interrupts bring, on its way to where it belongs. In the interrupt only note is taken; work is done in tasks. */
export class InterruptRouter implements Runnable {
  readonly #parts: RouterParts
  readonly #inbox: SlotMessage[] = []
  readonly #onEvent = (flag: number): void => this.channelEvent(flag)
  readonly #onSharedEvent = (flag: number): void => {
    if (flag === 0) this.#parts.interruptPage()?.take(this.#onEvent)
  }

  constructor(parts: RouterParts) {
    this.#parts = parts
  }

  onMessage(message: SlotMessage): void {
    this.#inbox.push(message)
    if (this.#inbox.length === 1) this.#parts.schedule(this)
  }

  onEventFlags(flags: EventFlags): void {
    flags.take(this.#parts.interruptPage() === undefined ? this.#onEvent : this.#onSharedEvent)
  }

  /** Takes the messages that came to where they belong. */
  run(): void {
    for (let message = this.#inbox.shift(); message !== undefined; message = this.#inbox.shift()) {
      this.#parts.deliver(message)
    }
  }

  /** The connection is gone: what came and was not looked at belongs to nobody. */
  clear(): void {
    this.#inbox.length = 0
  }

  /** An event for a channel, wherever it was found. */
  channelEvent(flag: number): void {
    const entry = this.#parts.table.get(flag)
    if (entry === undefined) this.#parts.counters.strayEvents++
    else entry.channel.interrupt()
  }
}
