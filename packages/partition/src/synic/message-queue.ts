import type { PortDelivery } from '@bis/hyperv-types'

/** A message on its way into a slot. */
export interface PendingMessage {
  readonly type: number
  readonly payload: Uint8Array
  /** Called just before the message is written to its slot. */
  beforeDelivery?(): void
}

/** One SINT's slot in a message page. The other side may change it between any two of these calls. */
export interface MessageSlot {
  /** Whether the guest has taken the last message: the type is 0. */
  isFree(): boolean
  /** Writes a message into a free slot; `more` sets its message-pending flag. */
  write(message: PendingMessage, more: boolean): void
  /** Sets the message-pending flag of the message that is in the slot. */
  markPending(): void
}

/**
 * The messages for one SINT of one virtual processor, first in, first out. A slot that holds a message is never
 * overwritten: the queue sets its pending flag and waits until the guest writes the end-of-message register.
 *
 * The guest clears the type, then looks at the flag. Setting the flag and then looking at the type again closes the
 * race: either the guest sees the flag, or the queue sees the free slot.
 */
export class MessageQueue {
  readonly #messages: PendingMessage[] = []
  readonly #limit: number
  readonly #delivered: () => void

  /**
   * @param limit messages that may wait
   * @param delivered called after each message written: the place to raise the interrupt
   */
  constructor(limit: number, delivered: () => void) {
    this.#limit = limit
    this.#delivered = delivered
  }

  get length(): number {
    return this.#messages.length
  }

  /** Adds a message and delivers what can be delivered. `slot` is undefined while the SINT takes no messages. */
  post(message: PendingMessage, slot: MessageSlot | undefined): PortDelivery {
    if (this.#messages.length >= this.#limit) return 'full'
    this.#messages.push(message)
    if (slot === undefined) return 'masked'
    this.flush(slot)
    return this.#messages.length === 0 ? 'delivered' : 'queued'
  }

  /** Takes back a message that still waits. */
  remove(message: PendingMessage): void {
    const index = this.#messages.indexOf(message)
    if (index >= 0) this.#messages.splice(index, 1)
  }

  /** Moves the next message to the slot if it is free; otherwise asks the guest to tell when it is. */
  flush(slot: MessageSlot): void {
    const next = this.#messages[0]
    if (next === undefined) return
    if (!slot.isFree()) {
      slot.markPending()
      if (!slot.isFree()) return
    }
    this.#messages.shift()
    next.beforeDelivery?.()
    slot.write(next, this.#messages.length > 0)
    this.#delivered()
  }

  clear(): void {
    this.#messages.length = 0
  }
}
