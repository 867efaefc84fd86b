import type { Channel, Packet, PageRun, ReceivedFrame, ReceiveHandler } from '@bis/hyperv-types'
import { ReceiveChecksum, SendStatus } from '@bis/hyperv-types'
import { copyBytes, ETHERNET_HEADER_BYTES } from '@bis/hyperv-types/ethernet'
import {
  NVSP_MAX_RECEIVE_RANGES_RSC,
  NvspMessageType,
  NvspStatus,
  PacketIdFlag,
  PPI_PACKET_ID,
  PpiType,
  RNDIS_PACKET_HEADER_BYTES,
  RndisMessageType,
  RxChecksum,
} from '@bis/hyperv-types/network'
import { PacketType, RangeFault, XferPageRanges } from '@bis/hyperv-types/ring'
import { vlanTci } from './frame-encoder.ts'
import type { NetvscStatistics } from './statistics.ts'

const BATCH = 64
const PPI_HEADER_BYTES = 12
const DATA_OFFSET_AT = 8
const LEAST_RNDIS_BYTES = 8
const ACK_BYTES = 8
/** Room for a coalesced frame beside a batch of ordinary ones. */
const ARENA_BYTES = 0x4_0000
const LONGEST_FRAME = 0x1_0000 + ETHERNET_HEADER_BYTES

/** A frame of the batch; the objects are made once. */
export class FrameSlot implements ReceivedFrame {
  readonly bytes: Uint8Array
  readonly view: DataView
  offset = 0
  length = 0
  checksum = 0
  vlan = -1
  hash = 0
  hashType = 0
  queue = 0
  segments = 1

  constructor(arena: Arena) {
    this.bytes = arena.bytes
    this.view = arena.view
  }
}

interface Arena {
  readonly bytes: Uint8Array
  readonly view: DataView
}

export interface ReceiveParts {
  readonly channel: Channel
  readonly buffer: PageRun
  readonly setId: number
  readonly sectionBytes: number
  readonly sectionCount: number
  readonly queue: number
  readonly statistics: NetvscStatistics
  /** Where frames go; undefined while nobody listens. */
  handler(): ReceiveHandler | undefined
  /** An RNDIS message that is no frame. @returns whether it made sense */
  control(bytes: Uint8Array, view: DataView, at: number, length: number): boolean
  /** A message that the host should not have sent. */
  violation(what: string): void
}

/**
 * Frames on their way in over one channel: copied out of the receive buffer once, checked in the private copy, acknowledged
 * at once, and handed on in batches. An acknowledgement that finds the ring full waits in a book as long as the buffer has
 * sections, so none is lost.
 */
export class ReceivePath {
  readonly #parts: ReceiveParts
  readonly #ranges = new XferPageRanges()
  readonly #arena: Arena
  readonly #frames: readonly FrameSlot[]
  #count = 0
  #used = 0
  /** Acknowledgements that wait: low word, high word, status. */
  readonly #waiting: Uint32Array
  #waitingFrom = 0
  #waitingCount = 0
  readonly #ack = new Uint8Array(ACK_BYTES)
  readonly #ackView = new DataView(this.#ack.buffer)
  /** Pieces of a coalesced frame so far; 0 when none is being put together. */
  #pieces = 0
  /** What the per-packet information of the message in hand says. */
  readonly #info = { checksum: -1, vlan: -1, hash: 0, hashType: 0, idFlags: 0 }

  constructor(parts: ReceiveParts) {
    this.#parts = parts
    const bytes = new Uint8Array(ARENA_BYTES + parts.sectionBytes)
    this.#arena = { bytes, view: new DataView(bytes.buffer) }
    this.#frames = Array.from({ length: BATCH }, () => new FrameSlot(this.#arena))
    for (const frame of this.#frames) frame.queue = parts.queue
    this.#waiting = new Uint32Array((parts.sectionCount + 1) * 3)
    this.#ackView.setUint32(0, NvspMessageType.SEND_RNDIS_PKT_COMPLETE, true)
  }

  /** Acknowledgements that wait for room. */
  get waiting(): number {
    return this.#waitingCount
  }

  onPacket(packet: Packet): void {
    const good = this.#take(packet)
    this.#resetPieces()
    this.#acknowledge(packet.transactionIdLow, packet.transactionIdHigh, good ? NvspStatus.SUCCESS : NvspStatus.FAIL)
  }

  onBatchEnd(): void {
    this.#handOn()
    this.#sendWaiting()
  }

  onWritable(): void {
    this.#sendWaiting()
  }

  #take(packet: Packet): boolean {
    const { buffer, setId, sectionBytes, violation } = this.#parts
    const ranges = this.#ranges
    const fault = ranges.read(packet, buffer.byteLength)
    const { view, dataOffset, dataLength } = packet
    if (fault !== RangeFault.NONE || ranges.count === 0) {
      violation(`transfer pages with bad ranges (${fault})`)
      return false
    }
    const type = dataLength >= 4 ? view.getUint32(dataOffset, true) : 0
    if (type !== NvspMessageType.SEND_RNDIS_PKT || ranges.setId !== setId) {
      violation(`transfer pages of buffer ${ranges.setId} with NVSP message ${type}`)
      return false
    }
    let good = true
    for (let i = 0; i < ranges.count; i++) {
      const length = ranges.length(i)
      if (length < LEAST_RNDIS_BYTES || length > sectionBytes) {
        violation(`a range of ${length} bytes; sections have ${sectionBytes}`)
        this.#resetPieces()
        good = false
        continue
      }
      if (!this.#message(ranges.offset(i), length)) {
        this.#resetPieces()
        good = false
      }
    }
    if (this.#pieces > 0) {
      violation(`a coalesced frame of ${this.#pieces} pieces without an end`)
      good = false
    }
    return good
  }

  /** Copies one message out and looks at the copy only. */
  #message(offset: number, length: number): boolean {
    const { buffer, violation, control } = this.#parts
    if (this.#pieces === 0 && (this.#count === BATCH || this.#used + length + LONGEST_FRAME > ARENA_BYTES))
      this.#handOn()
    const { bytes, view } = this.#arena
    const open = this.#pieces > 0 ? this.#frames[this.#count] : undefined
    const at = open === undefined ? this.#used : align(open.offset + open.length)
    copyBytes(bytes, at, buffer.bytes, offset, length)
    const type = view.getUint32(at, true)
    if (type !== RndisMessageType.PACKET) {
      if (control(bytes, view, at, length)) return true
      violation(`RNDIS message 0x${type.toString(16)} of ${length} bytes`)
      return false
    }
    if (!this.#frame(at, length)) {
      this.#parts.statistics.rxDropped++
      violation(`a frame message of ${length} bytes whose lengths do not fit`)
      return false
    }
    return true
  }

  #frame(at: number, length: number): boolean {
    if (length < RNDIS_PACKET_HEADER_BYTES) return false
    const { view } = this.#arena
    const told = view.getUint32(at + 4, true)
    if (told < RNDIS_PACKET_HEADER_BYTES || told > length) return false
    const body = told - DATA_OFFSET_AT
    const dataOffset = view.getUint32(at + 8, true)
    const dataLength = view.getUint32(at + 12, true)
    const infoOffset = view.getUint32(at + 28, true)
    const infoLength = view.getUint32(at + 32, true)
    if (dataOffset < RNDIS_PACKET_HEADER_BYTES - DATA_OFFSET_AT || dataOffset > body) return false
    if (dataLength > body - dataOffset) return false
    const info = this.#info
    info.checksum = -1
    info.vlan = -1
    info.hash = 0
    info.hashType = 0
    info.idFlags = 0
    if (infoLength !== 0) {
      if (infoOffset < RNDIS_PACKET_HEADER_BYTES - DATA_OFFSET_AT || infoOffset > body) return false
      if (infoLength > body - infoOffset || infoOffset % 4 !== 0) return false
      if (!this.#readInfo(at + DATA_OFFSET_AT + infoOffset, infoLength)) return false
    }
    const from = at + DATA_OFFSET_AT + dataOffset
    if ((info.idFlags & PacketIdFlag.SUB_ALLOCATED) !== 0) return this.#piece(from, dataLength)
    if (dataLength < ETHERNET_HEADER_BYTES || this.#pieces > 0) return false
    const slot = this.#frames[this.#count]
    if (slot === undefined) return false
    this.#describe(slot, from, dataLength)
    this.#finish(slot)
    return true
  }

  /** Part of a TCP segment series that the host has joined: put behind the part before it. */
  #piece(from: number, length: number): boolean {
    const { idFlags } = this.#info
    const slot = this.#frames[this.#count]
    if (slot === undefined || length === 0) return false
    if ((idFlags & PacketIdFlag.FIRST) !== 0) {
      if (length < ETHERNET_HEADER_BYTES) return false
      this.#pieces = 1
      this.#describe(slot, from, length)
    } else {
      if (this.#pieces === 0 || this.#pieces >= NVSP_MAX_RECEIVE_RANGES_RSC) return false
      if (slot.length + length > LONGEST_FRAME) return false
      this.#pieces++
      this.#arena.bytes.copyWithin(slot.offset + slot.length, from, from + length)
      slot.length += length
    }
    if ((idFlags & PacketIdFlag.LAST) === 0) return true
    slot.segments = this.#pieces
    this.#pieces = 0
    this.#parts.statistics.rscPackets++
    this.#finish(slot)
    return true
  }

  #describe(slot: FrameSlot, offset: number, length: number): void {
    const info = this.#info
    const { statistics } = this.#parts
    slot.offset = offset
    slot.length = length
    slot.vlan = info.vlan
    slot.hash = info.hash
    slot.hashType = info.hashType
    slot.segments = 1
    slot.checksum = info.checksum === -1 ? 0 : checksumBits(info.checksum, statistics)
    if (info.hash !== 0) statistics.rssPackets++
  }

  #finish(slot: FrameSlot): void {
    const { statistics } = this.#parts
    this.#count++
    this.#used = align(slot.offset + slot.length)
    statistics.rxFrames++
    statistics.rxBytes += slot.length
  }

  /** Walks the records; each step goes forward, and the first that does not fit ends it. */
  #readInfo(start: number, length: number): boolean {
    const { view } = this.#arena
    const info = this.#info
    let at = start
    let left = length
    while (left > 0) {
      if (left < PPI_HEADER_BYTES) return false
      const size = view.getUint32(at, true)
      const type = view.getUint32(at + 4, true)
      const offset = view.getUint32(at + 8, true)
      if (size < PPI_HEADER_BYTES || size > left || size % 4 !== 0) return false
      if (offset < PPI_HEADER_BYTES || offset > size) return false
      if (size - offset >= 4) {
        const word = view.getUint32(at + offset, true)
        if (type === PpiType.TCPIP_CHECKSUM) info.checksum = word
        else if (type === PpiType.IEEE_8021Q) info.vlan = vlanTci(word)
        else if (type === PpiType.HASH_VALUE) info.hash = word
        else if (type === PpiType.HASH_INFO) info.hashType = word
        else if (type === PPI_PACKET_ID) info.idFlags = (word >>> 8) & 0xff
      }
      at += size
      left -= size
    }
    return true
  }

  #resetPieces(): void {
    if (this.#pieces === 0) return
    this.#parts.statistics.rscDrop++
    this.#pieces = 0
  }

  #handOn(): void {
    const count = this.#count
    this.#count = 0
    this.#used = 0
    if (count === 0) return
    const handler = this.#parts.handler()
    if (handler === undefined) this.#parts.statistics.rxDropped += count
    else handler(this.#frames, count)
  }

  #acknowledge(low: number, high: number, status: number): void {
    if (this.#waitingCount === 0 && this.#sendAck(low, high, status) !== SendStatus.full) return
    const { statistics } = this.#parts
    const slots = this.#waiting.length / 3
    if (this.#waitingCount === slots) {
      // More than there are sections: the host has made them up.
      statistics.rxAckFailed++
      return
    }
    statistics.rxAckDelayed++
    const at = ((this.#waitingFrom + this.#waitingCount++) % slots) * 3
    this.#waiting[at] = low
    this.#waiting[at + 1] = high
    this.#waiting[at + 2] = status
  }

  #sendWaiting(): void {
    const slots = this.#waiting.length / 3
    while (this.#waitingCount > 0) {
      const at = this.#waitingFrom * 3
      const [low = 0, high = 0, status = 0] = [this.#waiting[at], this.#waiting[at + 1], this.#waiting[at + 2]]
      if (this.#sendAck(low, high, status) === SendStatus.full) return
      this.#waitingFrom = (this.#waitingFrom + 1) % slots
      this.#waitingCount--
    }
  }

  #sendAck(low: number, high: number, status: number): SendStatus {
    this.#ackView.setUint32(4, status, true)
    return this.#parts.channel.send(PacketType.completion, 0, low, high, undefined, 0, this.#ack, 0, ACK_BYTES)
  }
}

function align(at: number): number {
  return Math.ceil(at / 8) * 8
}

/** A failure bit counts more than a success bit beside it. */
export function checksumBits(word: number, statistics?: NetvscStatistics): number {
  let bits = 0
  const transportFailed = (word & (RxChecksum.TCP_FAILED | RxChecksum.UDP_FAILED)) !== 0
  const transportGood = (word & (RxChecksum.TCP_SUCCEEDED | RxChecksum.UDP_SUCCEEDED)) !== 0
  if (transportFailed) bits |= ReceiveChecksum.transportBad
  else if (transportGood) bits |= ReceiveChecksum.transportGood
  if ((word & RxChecksum.IP_FAILED) !== 0) bits |= ReceiveChecksum.ipv4Bad
  else if ((word & RxChecksum.IP_SUCCEEDED) !== 0) bits |= ReceiveChecksum.ipv4Good
  if ((word & RxChecksum.TCP_VALUE_INVALID) !== 0) bits |= ReceiveChecksum.transportPartial
  if ((word & RxChecksum.IP_VALUE_INVALID) !== 0) bits |= ReceiveChecksum.ipv4Partial
  if (statistics === undefined || !transportGood) return bits
  if ((word & RxChecksum.TCP_SUCCEEDED) !== 0) statistics.csumTcp++
  if ((word & RxChecksum.UDP_SUCCEEDED) !== 0) statistics.csumUdp++
  if ((word & RxChecksum.IP_SUCCEEDED) !== 0) statistics.csumIp++
  statistics.csumTrusted++
  return bits
}
