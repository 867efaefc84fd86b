import type { Channel, Packet, PageRun, ReceivedFrame, ReceiveHandler } from '@bis/hyperv-types'
import { ETHERNET_HEADER_BYTES } from '@bis/hyperv-types/ethernet'
import {
  NVSP_MAX_RECEIVE_RANGES_RSC,
  NvspMessageType,
  NvspStatus,
  PacketIdFlag,
  RndisMessageType,
} from '@bis/hyperv-types/network'
import { PrivateBuffer, RangeFault, scriptEngine, XferPageRanges } from '@bis/hyperv-types/ring'
import type { NetvscStatistics } from '../statistics.ts'
import { Acknowledgements } from './acknowledgements.ts'
import { FrameMessage } from './frame-message.ts'
import { checksumBits } from './receive-checksum.ts'

const BATCH = 64
const LEAST_RNDIS_BYTES = 8
/** Room for a coalesced frame beside a batch of ordinary ones. */
const ARENA_BYTES = 0x4_0000
const LONGEST_FRAME = 0x1_0000 + ETHERNET_HEADER_BYTES

/** A frame of the batch; the objects are made once. */
class FrameSlot implements ReceivedFrame {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly queue: number
  offset = 0
  length = 0
  checksum = 0
  vlan = -1
  hash = 0
  hashType = 0
  segments = 1

  constructor(arena: PrivateBuffer, queue: number) {
    this.bytes = arena.bytes
    this.view = arena.view
    this.queue = queue
  }
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
 * Frames on their way in over one channel: each header read once where it lies, each frame copied out of the receive buffer
 * once, acknowledged at once, and handed on in batches.
 */
export class ReceivePath {
  /** Frames received on this channel. */
  packets = 0
  readonly #parts: ReceiveParts
  readonly #ranges = new XferPageRanges()
  readonly #arena: PrivateBuffer
  readonly #frames: readonly FrameSlot[]
  readonly #acknowledgements: Acknowledgements
  readonly #message = new FrameMessage()
  #count = 0
  #used = 0
  /** Pieces of a coalesced frame so far; 0 when none is being put together. */
  #pieces = 0

  constructor(parts: ReceiveParts) {
    this.#parts = parts
    const { channel, queue, sectionBytes, sectionCount, statistics } = parts
    const arena = new PrivateBuffer(channel.ringEngine ?? scriptEngine, ARENA_BYTES + sectionBytes)
    this.#arena = arena
    this.#frames = Array.from({ length: BATCH }, () => new FrameSlot(arena, queue))
    this.#acknowledgements = new Acknowledgements(channel, sectionCount + 1, statistics)
  }

  /** Acknowledgements that wait for room. */
  get waiting(): number {
    return this.#acknowledgements.waiting
  }

  onPacket(packet: Packet): void {
    const good = this.#take(packet)
    this.#resetPieces()
    const { transactionIdLow: low, transactionIdHigh: high } = packet
    this.#acknowledgements.send(low, high, good ? NvspStatus.SUCCESS : NvspStatus.FAIL)
  }

  onBatchEnd(): void {
    this.#handOn()
    this.#acknowledgements.retry()
  }

  onWritable(): void {
    this.#acknowledgements.retry()
  }

  /** Lets go of private memory; no packet comes after this. */
  close(): void {
    this.#arena.close()
    this.#acknowledgements.close()
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
      } else if (!this.#takeRange(ranges.offset(i), length)) {
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

  #takeRange(at: number, length: number): boolean {
    const { buffer, violation, statistics } = this.#parts
    const whole = this.#pieces === 0
    if (whole && (this.#count === BATCH || this.#used + length + LONGEST_FRAME > ARENA_BYTES)) this.#handOn()
    const type = buffer.view.getUint32(at, true)
    if (type !== RndisMessageType.PACKET) {
      if (this.#control(at, length)) return true
      violation(`RNDIS message 0x${type.toString(16)} of ${length} bytes`)
      return false
    }
    const message = this.#message
    if (message.read(buffer.view, at, length)) {
      if ((message.idFlags & PacketIdFlag.SUB_ALLOCATED) !== 0 ? this.#piece(message) : this.#frame(message))
        return true
    }
    statistics.rxDropped++
    violation(`a frame message of ${length} bytes whose lengths do not fit`)
    return false
  }

  /** Copies a message out behind all frames, and has the copy looked at. */
  #control(at: number, length: number): boolean {
    const { buffer, control } = this.#parts
    const { bytes, view } = this.#arena
    const open = this.#pieces > 0 ? this.#frames[this.#count] : undefined
    const to = open === undefined ? this.#used : align(open.offset + open.length)
    this.#arena.copyIn(to, buffer.bytes, at, length)
    return control(bytes, view, to, length)
  }

  #frame(message: FrameMessage): boolean {
    const slot = this.#frames[this.#count]
    if (message.dataLength < ETHERNET_HEADER_BYTES || this.#pieces > 0 || slot === undefined) return false
    this.#begin(slot, message)
    this.#finish(slot)
    return true
  }

  /** Part of a TCP segment series that the host has joined: put behind the part before it. */
  #piece(message: FrameMessage): boolean {
    const { idFlags, dataAt, dataLength } = message
    const slot = this.#frames[this.#count]
    if (slot === undefined || dataLength === 0) return false
    if ((idFlags & PacketIdFlag.FIRST) !== 0) {
      if (dataLength < ETHERNET_HEADER_BYTES) return false
      this.#pieces = 1
      this.#begin(slot, message)
    } else {
      if (this.#pieces === 0 || this.#pieces >= NVSP_MAX_RECEIVE_RANGES_RSC) return false
      if (slot.length + dataLength > LONGEST_FRAME) return false
      this.#pieces++
      this.#arena.copyIn(slot.offset + slot.length, this.#parts.buffer.bytes, dataAt, dataLength)
      slot.length += dataLength
    }
    if ((idFlags & PacketIdFlag.LAST) === 0) return true
    slot.segments = this.#pieces
    this.#pieces = 0
    this.#parts.statistics.rscPackets++
    this.#finish(slot)
    return true
  }

  #begin(slot: FrameSlot, message: FrameMessage): void {
    const { statistics, buffer } = this.#parts
    const { dataAt, dataLength, checksum, hash } = message
    this.#arena.copyIn(this.#used, buffer.bytes, dataAt, dataLength)
    slot.offset = this.#used
    slot.length = dataLength
    slot.vlan = message.vlan
    slot.hash = hash
    slot.hashType = message.hashType
    slot.segments = 1
    slot.checksum = checksum === -1 ? 0 : checksumBits(checksum, statistics)
    if (hash !== 0) statistics.rssPackets++
  }

  #finish(slot: FrameSlot): void {
    const { statistics } = this.#parts
    this.packets++
    this.#count++
    this.#used = align(slot.offset + slot.length)
    statistics.rxFrames++
    statistics.rxBytes += slot.length
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
}

function align(at: number): number {
  return (at + 7) & ~7
}
