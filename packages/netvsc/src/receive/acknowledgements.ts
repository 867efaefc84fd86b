import type { Channel } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { NvspMessageType } from '@bis/hyperv-types/network'
import { PacketType, PrivateBuffer, scriptEngine } from '@bis/hyperv-types/ring'
import type { NetvscStatistics } from '../statistics.ts'

const BYTES = 8
const WORDS = 3

/**
 * Gives receive buffers back to the host. What finds the ring full waits in a book as long as the buffer has sections, so
 * that none is lost.
 */
export class Acknowledgements {
  readonly #channel: Channel
  readonly #statistics: NetvscStatistics
  /** Those that wait: low word, high word, status. */
  readonly #book: Uint32Array
  readonly #slots: number
  #from = 0
  #count = 0
  /** Where the ring takes it from fastest. */
  readonly #message: PrivateBuffer

  constructor(channel: Channel, slots: number, statistics: NetvscStatistics) {
    this.#channel = channel
    this.#statistics = statistics
    this.#slots = slots
    this.#book = new Uint32Array(slots * WORDS)
    this.#message = new PrivateBuffer(channel.ringEngine ?? scriptEngine, BYTES)
    this.#message.view.setUint32(0, NvspMessageType.SEND_RNDIS_PKT_COMPLETE, true)
  }

  /** Those that wait for room. */
  get waiting(): number {
    return this.#count
  }

  send(low: number, high: number, status: number): void {
    if (this.#count === 0 && this.#put(low, high, status) !== SendStatus.full) return
    if (this.#count === this.#slots) {
      // More than there are sections: the host has made them up.
      this.#statistics.rxAckFailed++
      return
    }
    this.#statistics.rxAckDelayed++
    const at = ((this.#from + this.#count++) % this.#slots) * WORDS
    this.#book[at] = low
    this.#book[at + 1] = high
    this.#book[at + 2] = status
  }

  /** Sends those that wait, as far as there is room. */
  retry(): void {
    while (this.#count > 0) {
      const at = this.#from * WORDS
      const status = this.#put(this.#book[at] ?? 0, this.#book[at + 1] ?? 0, this.#book[at + 2] ?? 0)
      if (status === SendStatus.full) return
      this.#from = (this.#from + 1) % this.#slots
      this.#count--
    }
  }

  /** Lets go of private memory. */
  close(): void {
    this.#message.close()
  }

  #put(low: number, high: number, status: number): SendStatus {
    const { bytes, view } = this.#message
    view.setUint32(4, status, true)
    return this.#channel.send(PacketType.completion, 0, low, high, undefined, 0, bytes, 0, BYTES)
  }
}
