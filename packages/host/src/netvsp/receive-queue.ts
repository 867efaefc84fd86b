import type { HostChannel } from '@bis/hyperv-types'
import { ReceiveChecksum, SendStatus, TransmitChecksum } from '@bis/hyperv-types'
import {
  NVSP_NO_SEND_SECTION,
  NvspChannelType,
  NvspMessageType,
  PACKET_ID_VERSION,
  PacketIdFlag,
  PPI_BYTES,
  PPI_PACKET_ID,
  PpiType,
  RNDIS_PACKET_HEADER_BYTES,
  RndisMessageType,
  RxChecksum,
} from '@bis/hyperv-types/network'
import { PacketType, RangeList } from '@bis/hyperv-types/ring'
import type { AdapterCounters } from './counters.ts'
import type { SharedBuffer } from './shared-buffer.ts'

/** Where the frame begins in a sub-allocation: before it header and per-packet information. */
export const FRAME_AT = 256
/** Windows' own guests do badly when the last bytes of a sub-allocation are used. */
const TAIL_BYTES = 36
const NONE = -1
const DATA_OFFSET_AT = 8

/** Sub-allocations kept back for control messages. */
export const CONTROL_IDS = 16

/** The guest's receive buffer in sub-allocations, shared by all channels of an adapter. */
export class ReceivePool {
  readonly buffer: SharedBuffer
  /** What the guest calls the buffer. */
  readonly setId: number
  readonly sectionBytes: number
  readonly count: number
  freeCount = 0
  /** By sub-allocation: the next one of the same packet. */
  readonly next: Int32Array
  /** By sub-allocation: queue number and 1 when it is the first of a packet that the guest holds. */
  readonly heads: Uint8Array
  readonly #free: Int32Array

  constructor(buffer: SharedBuffer, setId: number, sectionBytes: number) {
    this.buffer = buffer
    this.setId = setId
    this.sectionBytes = sectionBytes
    this.count = Math.floor(buffer.byteLength / sectionBytes)
    this.next = new Int32Array(this.count).fill(NONE)
    this.heads = new Uint8Array(this.count)
    this.#free = new Int32Array(this.count)
    for (let id = this.count - 1; id >= CONTROL_IDS; id--) this.#free[this.freeCount++] = id
  }

  take(): number {
    return this.#free[--this.freeCount] ?? 0
  }

  give(id: number): void {
    this.next[id] = NONE
    this.#free[this.freeCount++] = id
  }
}

/** Bytes of a sub-allocation for frames of this length. */
export function sectionBytesFor(frameBytes: number): number {
  return Math.ceil((FRAME_AT + frameBytes + TAIL_BYTES) / 8) * 8
}

/** What is told of a frame beside its bytes. */
export interface ReceiveInfo {
  readonly vlan: number
  readonly priority: number
  /** `ReceiveChecksum` bits. */
  readonly checksum: number
  readonly hash: number
  readonly hashType: number
}

/**
 * The way of frames to one channel of a guest: sub-allocations of the receive buffer that this channel has, those that the
 * guest holds, and a packet that is being filled. Frames are taken while there are sub-allocations free; a full ring only
 * delays. A sub-allocation is used again when the guest has acknowledged it, and never before.
 */
export class ReceiveQueue {
  readonly channel: HostChannel
  /** Sub-allocations that the guest holds. */
  outstanding = 0
  readonly #pool: ReceivePool
  readonly #counters: AdapterCounters
  readonly #maxRanges: number
  /** What the pool's heads of this queue hold. */
  readonly #mark: number
  readonly #list: RangeList
  readonly #message = new Uint8Array(40)
  readonly #messageBytes: number
  readonly #header = new Uint8Array(FRAME_AT)
  readonly #view = new DataView(this.#header.buffer)
  #first = NONE
  #last = NONE
  #ranges = 0
  #blocked = false
  #packetId = 0

  constructor(
    channel: HostChannel,
    pool: ReceivePool,
    limits: { readonly maxRanges: number; readonly messageBytes: number },
    counters: AdapterCounters,
  ) {
    this.channel = channel
    this.#pool = pool
    this.#counters = counters
    this.#maxRanges = limits.maxRanges
    this.#messageBytes = limits.messageBytes
    this.#mark = channel.subIndex + 1
    this.#list = new RangeList(new Uint8Array(8 + 8 * limits.maxRanges))
    const message = new DataView(this.#message.buffer)
    message.setUint32(0, NvspMessageType.SEND_RNDIS_PKT, true)
    message.setUint32(4, NvspChannelType.DATA, true)
    message.setUint32(8, NVSP_NO_SEND_SECTION, true)
  }

  /** @returns false when the frame was dropped */
  deliver(bytes: Uint8Array, offset: number, length: number, info: ReceiveInfo): boolean {
    const { sectionBytes, buffer } = this.#pool
    if (length > sectionBytes - FRAME_AT - TAIL_BYTES) {
      this.#counters.rxTooLong++
      return false
    }
    if (this.#ranges === this.#maxRanges) this.flush()
    if (this.#pool.freeCount === 0 || this.#ranges === this.#maxRanges) {
      this.#counters.rxNoBuffer++
      return false
    }
    const id = this.#pool.take()
    const infoBytes = this.#writeInfo(info, RNDIS_PACKET_HEADER_BYTES)
    this.#writeHeader(infoBytes, length)
    const at = id * sectionBytes
    buffer.copyIn(at, this.#header, 0, RNDIS_PACKET_HEADER_BYTES + infoBytes)
    buffer.copyIn(at + FRAME_AT, bytes, offset, length)
    this.#add(id, FRAME_AT + length)
    this.#counters.rxFrames++
    this.#counters.rxBytes += length
    return true
  }

  /**
   * A large TCP frame in pieces, which the guest puts together again: all of them in one packet.
   * @returns false when it was dropped
   */
  deliverCoalesced(bytes: Uint8Array, offset: number, length: number, info: ReceiveInfo): boolean {
    const { sectionBytes, buffer } = this.#pool
    const pieceBytes = sectionBytes - FRAME_AT - TAIL_BYTES
    const pieces = Math.ceil(length / pieceBytes)
    if (this.#ranges + pieces > this.#maxRanges) this.flush()
    if (this.#pool.freeCount < pieces || this.#ranges + pieces > this.#maxRanges) {
      this.#counters.rxNoBuffer++
      return false
    }
    this.#packetId = (this.#packetId + 1) & 0xffff
    for (let piece = 0; piece < pieces; piece++) {
      const from = piece * pieceBytes
      const part = Math.min(pieceBytes, length - from)
      const id = this.#pool.take()
      let infoBytes = piece === 0 ? this.#writeInfo(info, RNDIS_PACKET_HEADER_BYTES) : 0
      const flags =
        PacketIdFlag.SUB_ALLOCATED |
        (piece === 0 ? PacketIdFlag.FIRST : 0) |
        (piece === pieces - 1 ? PacketIdFlag.LAST : 0)
      const word = PACKET_ID_VERSION | (flags << 8) | (this.#packetId << 16)
      infoBytes += this.#putInfo(RNDIS_PACKET_HEADER_BYTES + infoBytes, PPI_PACKET_ID, word)
      this.#writeHeader(infoBytes, part)
      const at = id * sectionBytes
      buffer.copyIn(at, this.#header, 0, RNDIS_PACKET_HEADER_BYTES + infoBytes)
      buffer.copyIn(at + FRAME_AT, bytes, offset + from, part)
      this.#add(id, FRAME_AT + part)
    }
    this.#counters.rxFrames++
    this.#counters.rxBytes += length
    return true
  }

  /** Sends what has been collected. */
  flush(): void {
    if (this.#ranges === 0 || this.#blocked) return
    // Before the packet can be seen: the answer may come at any time.
    this.#pool.heads[this.#first] = this.#mark
    const status = this.channel.send(
      PacketType.dataUsingXferPages,
      1,
      this.#first,
      0,
      this.#list.bytes,
      this.#list.length,
      this.#message,
      0,
      this.#messageBytes,
    )
    if (status === SendStatus.full) {
      this.#pool.heads[this.#first] = 0
      this.#blocked = true
      return
    }
    this.outstanding += this.#ranges
    this.#first = NONE
    this.#last = NONE
    this.#ranges = 0
    this.#list.clear(this.#pool.setId)
  }

  onWritable(): void {
    this.#blocked = false
    this.flush()
  }

  /** Gives back what was collected and not sent: after filter 0 nothing is written any more. */
  discard(): void {
    for (let id = this.#first; id !== NONE; ) {
      const next = this.#pool.next[id] ?? NONE
      this.#pool.give(id)
      id = next
    }
    this.#first = NONE
    this.#last = NONE
    this.#ranges = 0
    this.#blocked = false
    this.#list.clear(this.#pool.setId)
  }

  /** The guest has taken a packet. @returns false when it does not hold one of this id */
  acknowledge(idLow: number, idHigh: number): boolean {
    const { heads } = this.#pool
    if (idHigh !== 0 || idLow >= heads.length || heads[idLow] !== this.#mark) return false
    heads[idLow] = 0
    for (let id = idLow; id !== NONE; ) {
      const next = this.#pool.next[id] ?? NONE
      this.outstanding--
      this.#pool.give(id)
      id = next
    }
    return true
  }

  #add(id: number, byteLength: number): void {
    if (this.#first === NONE) {
      this.#list.clear(this.#pool.setId)
      this.#first = id
    } else {
      this.#pool.next[this.#last] = id
    }
    this.#last = id
    this.#ranges++
    this.#list.addRange(byteLength, id * this.#pool.sectionBytes)
  }

  #writeHeader(infoBytes: number, length: number): void {
    const view = this.#view
    view.setUint32(0, RndisMessageType.PACKET, true)
    view.setUint32(4, FRAME_AT + length, true)
    view.setUint32(8, FRAME_AT - DATA_OFFSET_AT, true)
    view.setUint32(12, length, true)
    view.setUint32(28, infoBytes === 0 ? 0 : RNDIS_PACKET_HEADER_BYTES - DATA_OFFSET_AT, true)
    view.setUint32(32, infoBytes, true)
  }

  #writeInfo(info: ReceiveInfo, start: number): number {
    let at = start
    if (info.hash !== 0) {
      at += this.#putInfo(at, PpiType.HASH_VALUE, info.hash)
      at += this.#putInfo(at, PpiType.HASH_INFO, info.hashType)
    }
    if (info.vlan !== 0 || info.priority !== 0) {
      at += this.#putInfo(at, PpiType.IEEE_8021Q, info.priority | (info.vlan << 4))
    }
    if (info.checksum !== 0) at += this.#putInfo(at, PpiType.TCPIP_CHECKSUM, info.checksum)
    return at - start
  }

  #putInfo(at: number, type: number, word: number): number {
    const view = this.#view
    view.setUint32(at, PPI_BYTES, true)
    view.setUint32(at + 4, type, true)
    view.setUint32(at + 8, 12, true)
    view.setUint32(at + 12, word, true)
    return PPI_BYTES
  }
}

/** The word of the checksum record for a frame whose sender left `unfinished` fields open. */
export function receiveChecksumWord(unfinished: number, verdict: number): number {
  let word = 0
  if ((verdict & ReceiveChecksum.ipv4Good) !== 0) word |= RxChecksum.IP_SUCCEEDED
  if ((verdict & ReceiveChecksum.ipv4Bad) !== 0) word |= RxChecksum.IP_FAILED
  if ((unfinished & TransmitChecksum.tcp) !== 0) word |= RxChecksum.TCP_SUCCEEDED | RxChecksum.TCP_VALUE_INVALID
  if ((unfinished & TransmitChecksum.udp) !== 0) word |= RxChecksum.UDP_SUCCEEDED | RxChecksum.TCP_VALUE_INVALID
  if ((unfinished & TransmitChecksum.ipv4Header) !== 0) word |= RxChecksum.IP_SUCCEEDED | RxChecksum.IP_VALUE_INVALID
  return word
}
