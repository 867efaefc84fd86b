import type { Channel, Clock, Packet } from '@bis/hyperv-types'
import { SendStatus, sleep } from '@bis/hyperv-types'
import { PacketType } from '@bis/hyperv-types/ring'
import { deviceGone } from '../errors.ts'
import { PendingRequests } from '../pending-requests.ts'

/** High word of the transaction ids of NVSP requests. */
export const NVS_ID_HIGH = 1
/** Between tries of a control message that finds the ring full, in milliseconds. */
const RETRY_MS = 5

/** NVSP requests on the primary channel, and their answers, which come as completions with the request's id. */
export class NvsExchange {
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #pending: PendingRequests<Packet>

  constructor(channel: Channel, clock: Clock, timeoutMs: number) {
    this.#channel = channel
    this.#clock = clock
    this.#pending = new PendingRequests(clock, timeoutMs)
  }

  /**
   * @param what for the error: `INIT`
   * @returns the answer, as a packet of its own
   * @throws DeviceError `timeout`, `removed`
   */
  async ask(what: string, message: Uint8Array): Promise<Packet> {
    const { id, answer } = this.#pending.wait(`NVSP ${what}`)
    for (;;) {
      const status = this.#send(message, 1, id)
      if (status === SendStatus.sent) break
      if (status !== SendStatus.full) {
        this.#pending.reject(id, deviceGone())
        break
      }
      await sleep(this.#clock, RETRY_MS)
      if (!this.#pending.has(id)) break
    }
    return answer
  }

  /** Sends what has no answer; resolves when there was room for it, or the channel is gone. */
  async tell(message: Uint8Array): Promise<void> {
    while (this.post(message) === SendStatus.full) await sleep(this.#clock, RETRY_MS)
  }

  /** Sends what has no answer, if there is room now. */
  post(message: Uint8Array): SendStatus {
    return this.#send(message, 0, 0)
  }

  /** The host has completed a request. @returns false when nothing waits for this id */
  completed(id: number, packet: Packet): boolean {
    return this.#pending.resolve(id, copyOf(packet))
  }

  /** Ends what waits, and everything to come. */
  close(error: Error): void {
    this.#pending.close(error)
  }

  #send(message: Uint8Array, flags: number, id: number): SendStatus {
    const { length } = message
    return this.#channel.send(PacketType.dataInBand, flags, id, NVS_ID_HIGH, undefined, 0, message, 0, length)
  }
}

/** A packet of its own, for an answer that is looked at later. */
function copyOf(packet: Packet): Packet {
  const { type, flags, transactionIdLow, transactionIdHigh, length, dataOffset, dataLength } = packet
  const bytes = packet.bytes.slice(0, length)
  const view = new DataView(bytes.buffer)
  return { type, flags, transactionIdLow, transactionIdHigh, bytes, view, length, dataOffset, dataLength }
}
