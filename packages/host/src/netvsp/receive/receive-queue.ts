import type { HostChannel } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import {
  NVSP_NO_SEND_SECTION,
  NvspChannelType,
  NvspMessageType,
  PACKET_ID_VERSION,
  PacketIdFlag,
} from '@bis/hyperv-types/network'
import { PacketType, PrivateBuffer, packetBytes, RangeList, scriptEngine } from '@bis/hyperv-types/ring'
import type { AdapterCounters } from '../counters.ts'
import type { ReceiveInfo } from './receive-header.ts'
import { MOST_RECEIVE_HEADER_BYTES, writeReceiveHeader } from './receive-header.ts'
import type { ReceivePool } from './receive-pool.ts'
import { FRAME_AT, NONE } from './receive-pool.ts'

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
  /** The range list, and the message behind it: where the ring takes both from fastest. */
  readonly #private: PrivateBuffer
  readonly #message: Uint8Array
  readonly #messageBytes: number
  /** Where a header is made that has to go to scattered pages. */
  readonly #header = new Uint8Array(MOST_RECEIVE_HEADER_BYTES)
  readonly #headerView = new DataView(this.#header.buffer)
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
    this.#maxRanges = Math.min(limits.maxRanges, rangesIn(channel.longestPacket, limits.messageBytes))
    this.#messageBytes = limits.messageBytes
    this.#mark = channel.subIndex + 1
    const listBytes = 8 + 8 * this.#maxRanges
    const memory = new PrivateBuffer(channel.ringEngine ?? scriptEngine, listBytes + limits.messageBytes)
    this.#private = memory
    this.#list = new RangeList(memory.bytes.subarray(0, listBytes))
    this.#message = memory.bytes.subarray(listBytes)
    memory.view.setUint32(listBytes, NvspMessageType.SEND_RNDIS_PKT, true)
    memory.view.setUint32(listBytes + 4, NvspChannelType.DATA, true)
    memory.view.setUint32(listBytes + 8, NVSP_NO_SEND_SECTION, true)
  }

  /** @returns false when the frame was dropped */
  deliver(bytes: Uint8Array, offset: number, length: number, info: ReceiveInfo): boolean {
    if (length > this.#pool.frameBytes) {
      this.#counters.rxTooLong++
      return false
    }
    if (!this.#hasRoom(1)) return false
    this.#put(bytes, offset, length, info, 0)
    this.#counters.rxFrames++
    this.#counters.rxBytes += length
    return true
  }

  /**
   * A large TCP frame in pieces, which the guest puts together again: all of them in one packet.
   * @returns false when it was dropped
   */
  deliverCoalesced(bytes: Uint8Array, offset: number, length: number, info: ReceiveInfo): boolean {
    // Whole words, so that copies of all pieces are as well aligned as that of the first.
    const pieceBytes = this.#pool.frameBytes & ~7
    const pieces = Math.ceil(length / pieceBytes)
    if (!this.#hasRoom(pieces)) return false
    this.#packetId = (this.#packetId + 1) & 0xffff
    const word = PACKET_ID_VERSION | (this.#packetId << 16)
    for (let piece = 0; piece < pieces; piece++) {
      const from = piece * pieceBytes
      const flags =
        PacketIdFlag.SUB_ALLOCATED |
        (piece === 0 ? PacketIdFlag.FIRST : 0) |
        (piece === pieces - 1 ? PacketIdFlag.LAST : 0)
      const part = Math.min(pieceBytes, length - from)
      this.#put(bytes, offset + from, part, piece === 0 ? info : undefined, word | (flags << 8))
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

  /** Lets go of private memory; nothing is delivered after this. */
  close(): void {
    this.#private.close()
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

  /** Room for so many ranges in one packet; sends what there is when that makes it. */
  #hasRoom(ranges: number): boolean {
    if (this.#ranges + ranges > this.#maxRanges) this.flush()
    if (this.#pool.freeCount >= ranges && this.#ranges + ranges <= this.#maxRanges) return true
    this.#counters.rxNoBuffer++
    return false
  }

  #put(bytes: Uint8Array, offset: number, length: number, info: ReceiveInfo | undefined, packetId: number): void {
    const { sectionBytes, buffer } = this.#pool
    const id = this.#pool.take()
    const at = id * sectionBytes
    // Copies are fast where both addresses have the same last bits.
    const skew = (bytes.byteOffset + offset) & 7
    const frameAt = skew === 0 ? FRAME_AT : FRAME_AT - 8 + skew
    if (buffer.view !== undefined) {
      writeReceiveHeader(buffer.view, at, frameAt, length, info, packetId)
    } else {
      const headerBytes = writeReceiveHeader(this.#headerView, 0, frameAt, length, info, packetId)
      buffer.copyIn(at, this.#header, 0, headerBytes)
    }
    buffer.copyIn(at + frameAt, bytes, offset, length)
    if (this.#first === NONE) {
      this.#list.clear(this.#pool.setId)
      this.#first = id
    } else {
      this.#pool.next[this.#last] = id
    }
    this.#last = id
    this.#ranges++
    this.#list.addRange(frameAt + length, at)
  }
}

/** Ranges of a list that goes with a message into one packet of at most so many bytes. */
function rangesIn(packetLimit: number, messageBytes: number): number {
  return Math.max(1, Math.floor((packetLimit - packetBytes(8, messageBytes)) / 8))
}
