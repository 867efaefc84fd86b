import { HV_MESSAGE_PAYLOAD_BYTES, SynicMessageType, synicMessageHeader } from '@bis/hyperv-types/hypervisor'

const SLOT_BYTES = 256
const HEADER_BYTES = synicMessageHeader.size
const FLAG_PENDING = 1

/** What was in a slot: a private copy of exactly the payload that its header told. */
export interface SlotMessage {
  readonly type: number
  /** Empty when the header told more than a slot can hold. */
  readonly payload: Uint8Array
  readonly tooLong: boolean
}

/**
 * One message slot of a processor's message page. Header fields are read once each; what is handed on is a copy.
 * Source: Linux asm-generic/mshyperv.h (`vmbus_signal_eom`), FreeBSD vmbus.c (`vmbus_msg_task`).
 */
export class MessageSlot {
  /** The header's first word: the message type. */
  readonly #type: Int32Array
  readonly #bytes: Uint8Array
  readonly #endOfMessage: () => void

  /** @param endOfMessage writes the EOM register: more is waiting for this slot */
  constructor(messagePage: Uint8Array, sint: number, endOfMessage: () => void) {
    const offset = messagePage.byteOffset + sint * SLOT_BYTES
    this.#type = new Int32Array(messagePage.buffer, offset, 1)
    this.#bytes = new Uint8Array(messagePage.buffer, offset, SLOT_BYTES)
    this.#endOfMessage = endOfMessage
  }

  /** Takes the message out and frees the slot. @returns undefined when the slot is empty */
  take(): SlotMessage | undefined {
    const type = Atomics.load(this.#type, 0) >>> 0
    if (type === SynicMessageType.NONE) return undefined
    const length = Atomics.load(this.#bytes, synicMessageHeader.payload_size.offset)
    const tooLong = length > HV_MESSAGE_PAYLOAD_BYTES
    const payload = tooLong ? new Uint8Array(0) : this.#bytes.slice(HEADER_BYTES, HEADER_BYTES + length)
    this.free()
    return { type, payload, tooLong }
  }

  /**
   * Frees the slot, then looks whether more is pending: atomics keep this order on both sides, and any other one loses
   * messages.
   */
  free(): void {
    Atomics.store(this.#type, 0, SynicMessageType.NONE)
    const flags = Atomics.load(this.#bytes, synicMessageHeader.message_flags.offset)
    if ((flags & FLAG_PENDING) !== 0) this.#endOfMessage()
  }
}
