import type { HostChannel } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { NVSP_NO_SEND_SECTION, NvspChannelType, NvspMessageType } from '@bis/hyperv-types/network'
import { PacketType, RangeList } from '@bis/hyperv-types/ring'
import type { ReceivePool } from '../receive/receive-pool.ts'
import { CONTROL_IDS } from '../receive/receive-pool.ts'

/** Control messages that may wait for a guest that does not take them. */
const MOST_WAITING = 256
/** Mark of a control sub-allocation that the guest holds. */
const CONTROL_MARK = 0xff

/** RNDIS answers and indications on their way to the guest, each in a sub-allocation kept for them. In order. */
export class ControlOutbox {
  readonly #channel: HostChannel
  readonly #pool: ReceivePool
  readonly #messageBytes: number
  readonly #waiting: Uint8Array[] = []
  readonly #list = new RangeList(new Uint8Array(16))
  readonly #message = new Uint8Array(40)

  constructor(channel: HostChannel, pool: ReceivePool, messageBytes: number) {
    this.#channel = channel
    this.#pool = pool
    this.#messageBytes = messageBytes
    const view = new DataView(this.#message.buffer)
    view.setUint32(0, NvspMessageType.SEND_RNDIS_PKT, true)
    view.setUint32(4, NvspChannelType.CONTROL, true)
    view.setUint32(8, NVSP_NO_SEND_SECTION, true)
  }

  /** @returns false when too many wait already: the guest does not read */
  send(message: Uint8Array): boolean {
    if (this.#waiting.length >= MOST_WAITING) return false
    this.#waiting.push(message)
    this.pump()
    return true
  }

  /** @returns whether the guest held this one */
  acknowledge(id: number, idHigh: number): boolean {
    const { heads } = this.#pool
    if (idHigh !== 0 || id >= CONTROL_IDS || heads[id] !== CONTROL_MARK) return false
    heads[id] = 0
    this.pump()
    return true
  }

  pump(): void {
    for (let message = this.#waiting[0]; message !== undefined; message = this.#waiting[0]) {
      if (!this.#put(message)) return
      this.#waiting.shift()
    }
  }

  #put(message: Uint8Array): boolean {
    const { heads, sectionBytes, buffer, setId } = this.#pool
    let id = 0
    while (id < CONTROL_IDS && heads[id] !== 0) id++
    if (id === CONTROL_IDS) return false
    const length = Math.min(message.length, sectionBytes)
    buffer.copyIn(id * sectionBytes, message, 0, length)
    this.#list.clear(setId)
    this.#list.addRange(length, id * sectionBytes)
    const { bytes, length: headerBytes } = this.#list
    const { dataUsingXferPages } = PacketType
    const status = this.#channel.send(
      dataUsingXferPages,
      1,
      id,
      0,
      bytes,
      headerBytes,
      this.#message,
      0,
      this.#messageBytes,
    )
    if (status === SendStatus.full) return false
    heads[id] = CONTROL_MARK
    return true
  }
}
