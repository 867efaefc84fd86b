import type { Channel } from '@bis/hyperv-types'
import { highWord, PAGE_SIZE, SendStatus } from '@bis/hyperv-types'
import { PacketType } from '@bis/hyperv-types/ring'
import { SRB_SENSE_BYTES } from '@bis/hyperv-types/storage'
import type { StorvscRequest } from './request.ts'
import { SrbEncoder } from './srb-codec.ts'

const TWO_32 = 0x1_0000_0000
/** Reserved word, range count, length and offset. */
const RANGE_HEADER_BYTES = 16

/** One channel of an adapter, sending: packets out of requests, and a queue for those that find the ring full. */
export class IoChannel {
  readonly channel: Channel
  /** Its place in the adapter's list: 0 for the primary channel. */
  readonly index: number
  /** Requests sent; under FreeBSD's name `send_req` in sysctl. */
  sent = 0
  /** Taken off the adapter: nothing goes here any more. */
  lost = false
  readonly #encoder: SrbEncoder
  readonly #ranges: Uint8Array
  readonly #rangesView: DataView
  #waiting: StorvscRequest[] = []

  constructor(channel: Channel, index: number, version: number, maxTransferBytes: number, useExtension: boolean) {
    this.channel = channel
    this.index = index
    this.#encoder = new SrbEncoder(version, SRB_SENSE_BYTES, useExtension)
    this.#ranges = new Uint8Array(RANGE_HEADER_BYTES + (maxTransferBytes / PAGE_SIZE + 1) * 8)
    this.#rangesView = new DataView(this.#ranges.buffer)
    this.#rangesView.setUint32(4, 1, true)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Sends a request, or keeps it until there is room. @returns false when the channel is gone. */
  send(request: StorvscRequest, timeout: number): SendStatus {
    if (this.#waiting.length > 0) return this.#keep(request)
    const result = this.#transmit(request, timeout)
    return result === SendStatus.full ? this.#keep(request) : result
  }

  /** Sends what waits, oldest first, as far as there is room. */
  flush(timeout: number): void {
    let done = 0
    for (const request of this.#waiting) {
      if (this.#transmit(request, request.timeout || timeout) === SendStatus.full) break
      done++
    }
    if (done > 0) this.#waiting.splice(0, done)
  }

  /** A waiting request was given up. */
  drop(request: StorvscRequest): void {
    this.#waiting = this.#waiting.filter((other) => other !== request)
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting = []
  }

  #keep(request: StorvscRequest): SendStatus {
    request.wait()
    this.#waiting.push(request)
    return SendStatus.full
  }

  #transmit(request: StorvscRequest, timeout: number): SendStatus {
    const encoder = this.#encoder
    encoder.encode(request, timeout)
    const { bytes, packetBytes } = encoder
    const id = request.transactionId
    const { channel } = this
    const result =
      request.length === 0
        ? channel.send(PacketType.dataInBand, 1, id, 0, undefined, 0, bytes, 0, packetBytes)
        : channel.send(
            PacketType.dataUsingGpaDirect,
            1,
            id,
            0,
            this.#ranges,
            this.#encodeRange(request),
            bytes,
            0,
            packetBytes,
          )
    if (result === SendStatus.sent) {
      request.sent()
      this.sent++
    }
    return result
  }

  /** One range, with exactly the pages that it touches. @returns the bytes of the header. */
  #encodeRange(request: StorvscRequest): number {
    const view = this.#rangesView
    const { length, gpa, pfns } = request
    const offset = gpa % PAGE_SIZE
    view.setUint32(8, length, true)
    view.setUint32(12, offset, true)
    let at = RANGE_HEADER_BYTES
    const end = at + Math.ceil((offset + length) / PAGE_SIZE) * 8
    let pfn = Math.floor(gpa / PAGE_SIZE)
    for (let page = 0; at < end; at += 8, page++) {
      if (pfns !== undefined) pfn = pfns[page] ?? 0
      view.setUint32(at, pfn >>> 0, true)
      view.setUint32(at + 4, pfn < TWO_32 ? 0 : highWord(pfn), true)
      pfn++
    }
    return end
  }
}
