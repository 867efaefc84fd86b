import type { Channel, Clock, PageRun } from '@bis/hyperv-types'
import { DeviceError, PAGE_SIZE, SendStatus } from '@bis/hyperv-types'
import {
  describeOid,
  NVSP_NO_SEND_SECTION,
  NvspChannelType,
  NvspMessageType,
  nvspMessage,
  nvspMessageBytes,
  RNDIS_HEADER_BYTES,
  RNDIS_REQUEST_DATA_OFFSET,
  RndisMessageType,
  RndisStatus,
} from '@bis/hyperv-types/network'
import { PacketType, RangeList } from '@bis/hyperv-types/ring'
import { PendingRequests } from '../pending-requests.ts'

/** High word of the transaction ids of RNDIS control messages. */
export const RNDIS_ID_HIGH = 2
/** Pages for requests; each is used again when the host has completed the message in it. */
const PAGES = 4
const LONGEST_REQUEST = PAGE_SIZE
const LEAST_COMPLETE_BYTES = 16
const QUERY_DATA_AT = 24
const INDICATE_DATA_AT = 8
const MAX_TRANSFER = 0x4000

/** What the host told in INITIALIZE_C. */
export interface RndisLimits {
  readonly maxPackets: number
  readonly maxTransfer: number
  readonly alignment: number
}

/** RNDIS requests, one at a time, their answers matched by id; and what the host indicates unasked. */
export class RndisExchange {
  /** Called in a task of the bus: must not wait for anything. The data is its own. */
  onIndicate: (status: number, data: Uint8Array) => void = () => {}
  readonly #channel: Channel
  readonly #pending: PendingRequests<Uint8Array>
  readonly #run: PageRun
  readonly #busy = new Uint8Array(PAGES)
  readonly #list = new RangeList(new Uint8Array(32))
  readonly #message = new Uint8Array(40)
  #messageBytes: number = nvspMessage.size
  #last: Promise<unknown> = Promise.resolve()
  #writable: (() => void) | undefined

  constructor(channel: Channel, clock: Clock, timeoutMs: number, run: PageRun) {
    this.#channel = channel
    this.#pending = new PendingRequests(clock, timeoutMs)
    this.#run = run
    const view = new DataView(this.#message.buffer)
    view.setUint32(0, NvspMessageType.SEND_RNDIS_PKT, true)
    view.setUint32(4, NvspChannelType.CONTROL, true)
    view.setUint32(8, NVSP_NO_SEND_SECTION, true)
  }

  static readonly pages = PAGES

  /** NVSP messages around the requests have the size of this version from now on. */
  agreed(nvsVersion: number): void {
    this.#messageBytes = nvspMessageBytes(nvsVersion)
  }

  async initialize(): Promise<RndisLimits> {
    const view = await this.#ask(
      'INITIALIZE',
      RndisMessageType.INIT,
      RndisMessageType.INIT_C,
      [1, 0, MAX_TRANSFER],
      NONE,
    )
    if (view.byteLength < 44) throw new DeviceError('protocol', `INITIALIZE_C of ${view.byteLength} bytes`)
    const status = view.getUint32(12, true)
    if (status !== RndisStatus.SUCCESS || view.getUint32(16, true) !== 1) {
      throw new DeviceError('attach-failed', `the host refuses RNDIS 1.0 (status ${hex(status)})`)
    }
    const factor = view.getUint32(40, true)
    return {
      maxPackets: Math.max(1, view.getUint32(32, true)),
      maxTransfer: view.getUint32(36, true),
      alignment: 2 ** Math.min(factor, 8),
    }
  }

  /**
   * @param data sent with the query
   * @returns what the host answered, whatever its length
   * @throws DeviceError `not-supported` for a failure status, `timeout`, `protocol`, `removed`
   */
  async query(oid: number, data: Uint8Array = NONE): Promise<Uint8Array> {
    const what = `query ${describeOid(oid)}`
    const view = await this.#ask(what, RndisMessageType.QUERY, RndisMessageType.QUERY_C, requestWords(oid, data), data)
    if (view.byteLength < QUERY_DATA_AT)
      throw new DeviceError('protocol', `${what}: an answer of ${view.byteLength} bytes`)
    checkStatus(what, view.getUint32(12, true))
    const length = view.getUint32(16, true)
    const offset = view.getUint32(20, true)
    const room = view.byteLength - RNDIS_HEADER_BYTES
    if (length > 0 && (offset < 16 || offset > room || length > room - offset)) {
      throw new DeviceError(
        'protocol',
        `${what}: ${length} bytes at ${offset} of an answer of ${view.byteLength} bytes`,
      )
    }
    return new Uint8Array(view.buffer, view.byteOffset + (length === 0 ? 0 : RNDIS_HEADER_BYTES + offset), length)
  }

  /** @throws DeviceError `not-supported` when the host refuses, and as {@link query} */
  async set(oid: number, data: Uint8Array): Promise<void> {
    const what = `set ${describeOid(oid)}`
    const view = await this.#ask(what, RndisMessageType.SET, RndisMessageType.SET_C, requestWords(oid, data), data)
    checkStatus(what, view.getUint32(12, true))
  }

  /** HALT has no answer; resolves when the host has taken it. */
  halt(): void {
    const slot = this.#busy.indexOf(0)
    if (slot < 0) return
    this.#write(slot, RndisMessageType.HALT, [1], NONE)
    if (this.#send(slot, 12) !== SendStatus.sent) this.#busy[slot] = 0
  }

  /** The host has completed the message of a page. */
  completed(slot: number): boolean {
    if (this.#busy[slot] !== 1) return false
    this.#busy[slot] = 0
    this.onWritable()
    return true
  }

  onWritable(): void {
    const wake = this.#writable
    this.#writable = undefined
    wake?.()
  }

  /**
   * A control message in private memory. Older hosts leave the buffer of an indication out of the message's length, so
   * what counts is the range's.
   * @returns false when it is malformed
   */
  onMessage(bytes: Uint8Array, view: DataView, at: number, length: number): boolean {
    if (length < LEAST_COMPLETE_BYTES) return false
    const type = view.getUint32(at, true)
    const told = view.getUint32(at + 4, true)
    if (told < LEAST_COMPLETE_BYTES - 4 || told > length) return false
    if (type === RndisMessageType.INDICATE) return this.#indicated(bytes, view, at, length)
    const id = view.getUint32(at + 8, true)
    if (!this.#pending.has(id)) return false
    return this.#pending.resolve(id, bytes.slice(at, at + told))
  }

  close(error: Error): void {
    this.#pending.close(error)
    this.onWritable()
  }

  #indicated(bytes: Uint8Array, view: DataView, at: number, length: number): boolean {
    if (length < 20) return false
    const status = view.getUint32(at + 8, true)
    const size = view.getUint32(at + 12, true)
    const offset = view.getUint32(at + 16, true)
    const room = length - INDICATE_DATA_AT
    if (size > 0 && (offset < 12 || offset > room || size > room - offset)) return false
    const from = at + INDICATE_DATA_AT + offset
    this.onIndicate(status, size === 0 ? NONE : bytes.slice(from, from + size))
    return true
  }

  #ask(what: string, type: number, answerType: number, words: readonly number[], data: Uint8Array): Promise<DataView> {
    const turn = this.#last.then(() => this.#exchange(what, type, answerType, words, data))
    this.#last = turn.catch(() => {})
    return turn
  }

  async #exchange(
    what: string,
    type: number,
    answerType: number,
    words: readonly number[],
    data: Uint8Array,
  ): Promise<DataView> {
    const length = RNDIS_HEADER_BYTES + 4 + words.length * 4 + data.length
    if (length > LONGEST_REQUEST) throw new DeviceError('invalid-argument', `${what}: ${length} bytes are too many`)
    const { id, answer } = this.#pending.wait(what)
    for (;;) {
      const slot = this.#busy.indexOf(0)
      if (slot >= 0) {
        this.#write(slot, type, [id, ...words], data)
        const status = this.#send(slot, length)
        if (status === SendStatus.sent) break
        this.#busy[slot] = 0
        if (status !== SendStatus.full)
          this.#pending.reject(id, new DeviceError('removed', `${what}: the channel is gone`))
      }
      // Room in the ring, a page that is free, or the end of waiting, whichever is first.
      const room = new Promise<void>((resolve) => {
        this.#writable = resolve
      })
      if ((await Promise.race([room.then(() => ROOM), answer])) !== ROOM) break
    }
    const bytes = await answer
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (view.getUint32(0, true) !== answerType || bytes.length < LEAST_COMPLETE_BYTES) {
      throw new DeviceError('protocol', `${what}: the answer is message ${hex(view.getUint32(0, true))}`)
    }
    return view
  }

  #write(slot: number, type: number, words: readonly number[], data: Uint8Array): void {
    const { view, bytes } = this.#run
    const at = slot * PAGE_SIZE
    view.setUint32(at, type, true)
    view.setUint32(at + 4, RNDIS_HEADER_BYTES + words.length * 4 + data.length, true)
    words.forEach((word, i) => {
      view.setUint32(at + 8 + i * 4, word, true)
    })
    bytes.set(data, at + 8 + words.length * 4)
  }

  #send(slot: number, length: number): SendStatus {
    this.#busy[slot] = 1
    const list = this.#list
    list.clear()
    list.addRange(length, 0)
    list.addPfn(this.#run.pfn + slot)
    const { dataUsingGpaDirect } = PacketType
    const { bytes } = list
    return this.#channel.send(
      dataUsingGpaDirect,
      1,
      slot + 1,
      RNDIS_ID_HIGH,
      bytes,
      list.length,
      this.#message,
      0,
      this.#messageBytes,
    )
  }
}

const NONE = new Uint8Array(0)
const ROOM = Symbol('room')

/** OID, length, offset and the handle of QUERY and SET; the offset is 20 even when there is no data. */
function requestWords(oid: number, data: Uint8Array): number[] {
  return [oid, data.length, RNDIS_REQUEST_DATA_OFFSET, 0]
}

function checkStatus(what: string, status: number): void {
  if (status !== RndisStatus.SUCCESS) throw new DeviceError('not-supported', `${what}: the host answers ${hex(status)}`)
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
