import type { HostChannel } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { NVSP_INDIRECTION_TABLE_ENTRIES, NVSP_MESSAGE_BYTES_SHORT, NvspMessageType } from '@bis/hyperv-types/network'
import { PacketType } from '@bis/hyperv-types/ring'

/** Ids that OpenVMM gives what it sends on its own; no guest looks at them. */
const ID_HIGH = 0x8000_0000
const TABLE_AT = 12

/** NVSP messages that the host sends unasked, in order; what finds the ring full waits. */
export class Notifications {
  #waiting: Uint8Array[] = []

  push(message: Uint8Array): void {
    this.#waiting.push(message)
  }

  /** Sends what waits, as far as there is room. */
  send(channel: HostChannel | undefined): void {
    if (channel === undefined) return
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { dataInBand } = PacketType
      if (channel.send(dataInBand, 0, 0, ID_HIGH, undefined, 0, next, 0, next.length) === SendStatus.full) return
      this.#waiting.shift()
    }
  }

  clear(): void {
    this.#waiting = []
  }
}

/** A notification of two words, such as SEND_VF_ASSOCIATION. */
export function wordsNotification(type: number, first: number, second: number, messageBytes: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(Math.max(messageBytes, NVSP_MESSAGE_BYTES_SHORT)))
  view.setUint32(0, type, true)
  view.setUint32(4, first, true)
  view.setUint32(8, second, true)
  return new Uint8Array(view.buffer)
}

/** SEND_INDIRECTION_TABLE that spreads what a guest sends over so many channels. */
export function indirectionTable(queueCount: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(TABLE_AT + NVSP_INDIRECTION_TABLE_ENTRIES * 4))
  view.setUint32(0, NvspMessageType.SEND_INDIRECTION_TABLE, true)
  view.setUint32(4, NVSP_INDIRECTION_TABLE_ENTRIES, true)
  view.setUint32(8, TABLE_AT, true)
  for (let i = 0; i < NVSP_INDIRECTION_TABLE_ENTRIES; i++) view.setUint32(TABLE_AT + i * 4, i % queueCount, true)
  return new Uint8Array(view.buffer)
}
