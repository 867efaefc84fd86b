import { synicMessage, synicMessageHeader } from '@bis/hyperv-types/hypervisor'
import type { MessageSlot, PendingMessage } from './message-queue.ts'

/** Slot n belongs to SINT n. */
const SLOT_BYTES = synicMessage.size
const PAYLOAD_OFFSET = synicMessage.payload.offset
const TYPE_WORD = synicMessageHeader.message_type.offset / 4
/** Word of payload size (bits 7:0) and flags (bits 15:8). */
const SIZE_WORD = synicMessageHeader.payload_size.offset / 4
/** The message-pending flag in that word. */
const PENDING = 1 << ((synicMessageHeader.message_flags.offset % 4) * 8)
const SENDER_WORD = synicMessageHeader.sender.offset / 4

/** A slot of a SynIC message page. The type is stored last, so that a guest which polls it never sees half a message. */
export class PageSlot implements MessageSlot {
  readonly #bytes: Uint8Array
  readonly #words: Int32Array

  constructor(page: Uint8Array, sint: number) {
    const offset = page.byteOffset + sint * SLOT_BYTES
    this.#bytes = new Uint8Array(page.buffer, offset, SLOT_BYTES)
    this.#words = new Int32Array(page.buffer, offset, SLOT_BYTES / 4)
  }

  isFree(): boolean {
    return Atomics.load(this.#words, TYPE_WORD) === 0
  }

  write(message: PendingMessage, more: boolean): void {
    const { payload, type } = message
    this.#bytes.set(payload, PAYLOAD_OFFSET)
    this.#words[SENDER_WORD] = 0
    this.#words[SENDER_WORD + 1] = 0
    Atomics.store(this.#words, SIZE_WORD, payload.length | (more ? PENDING : 0))
    Atomics.store(this.#words, TYPE_WORD, type | 0)
  }

  markPending(): void {
    Atomics.or(this.#words, SIZE_WORD, PENDING)
  }
}
