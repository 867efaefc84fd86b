import type { Channel, FrameOffload, PageAllocator, PageRun } from '@bis/hyperv-types'
import { PAGE_SIZE, SendStatus, TransmitStatus } from '@bis/hyperv-types'
import { RepeatedCopies } from '@bis/hyperv-types/ethernet'
import { NVSP_NO_SEND_SECTION, NvspChannelType, NvspMessageType, NvspStatus } from '@bis/hyperv-types/network'
import { PacketType, PrivateBuffer, RangeList, scriptEngine } from '@bis/hyperv-types/ring'
import type { RndisLimits } from '../rndis/rndis-exchange.ts'
import type { NetvscStatistics } from '../statistics.ts'
import { frameHeaderBytes, writeFrameHeader } from './frame-encoder.ts'
import { isIpv6 } from './frame-rules.ts'
import type { SendSections } from './send-sections.ts'

/** A large frame's pages: one for the header, which must lie in one range, and 64 KiB and a little for the frame. */
const LARGE_PAGES = 18
export const MOST_FRAME_BYTES = (LARGE_PAGES - 1) * PAGE_SIZE
const MESSAGE_BYTES = 40
const LIST_BYTES = 8 + LARGE_PAGES * 16
const NONE = -1

export interface TransmitParts {
  readonly channel: Channel
  readonly sections: SendSections
  /** Bytes and view of the send buffer. */
  readonly sendBuffer: PageRun | undefined
  readonly limits: RndisLimits
  readonly messageBytes: number
  readonly descriptors: number
  readonly largeBuffers: number
  /** Frames in one message at most. */
  readonly aggregate: number
  /** Frames up to so many bytes, header included, go by way of the send buffer. */
  readonly copyThreshold: number
  readonly statistics: NetvscStatistics
}

/**
 * Frames on their way out of one channel. A small frame is copied into a section of the send buffer, several into one while
 * a batch runs; a large one into pages of its own. What cannot go now is not taken: `transmit` answers `full`, and
 * {@link TransmitQueue.stalled} stays set until there is room.
 */
export class TransmitQueue {
  readonly channel: Channel
  /** Messages that the host has not completed. */
  outstanding = 0
  /** `full` was answered, and nobody was told since that there is room. */
  stalled = false
  /** Completions so far, and what the watchdog saw when it last looked. */
  #completions = 0
  #seenCompletions = 0
  #seenOutstanding = 0
  /** Frames whose message the host has completed. */
  packets = 0
  #aggregate: number
  #copyThreshold: number
  readonly #parts: TransmitParts
  readonly #free: Int32Array
  #freeCount: number
  /** By descriptor: section of the send buffer, or NONE. */
  readonly #section: Int32Array
  /** By descriptor: large buffer, or NONE. */
  readonly #large: Int32Array
  /** By descriptor: frames in the message, 0 when the host does not have it. */
  readonly #frames: Int32Array
  readonly #buffers: PageRun[] = []
  readonly #freeBuffers: number[] = []
  /** The message, and a range list behind it: where the ring takes both from fastest. */
  readonly #private: PrivateBuffer
  readonly #list: RangeList
  readonly #copies = new RepeatedCopies()
  #batching = false
  /** Section that is being filled, and what is in it. */
  #open = NONE
  #openBytes = 0
  #openFrames = 0
  #last = 0
  #ringFull = false

  constructor(parts: TransmitParts) {
    this.#parts = parts
    this.#aggregate = parts.aggregate
    this.#copyThreshold = parts.copyThreshold
    this.channel = parts.channel
    const count = parts.descriptors
    this.#free = Int32Array.from({ length: count }, (_, i) => count - 1 - i)
    this.#freeCount = count
    this.#section = new Int32Array(count).fill(NONE)
    this.#large = new Int32Array(count).fill(NONE)
    this.#frames = new Int32Array(count)
    const memory = new PrivateBuffer(parts.channel.ringEngine ?? scriptEngine, MESSAGE_BYTES + LIST_BYTES)
    memory.view.setUint32(0, NvspMessageType.SEND_RNDIS_PKT, true)
    memory.view.setUint32(4, NvspChannelType.DATA, true)
    this.#list = new RangeList(memory.bytes.subarray(MESSAGE_BYTES))
    this.#private = memory
  }

  /** Messages sent so far. */
  get sends(): number {
    return this.#completions + this.outstanding
  }

  /** Changes what counts for the next frames. */
  configure({ aggregate, copyThreshold }: Pick<TransmitParts, 'aggregate' | 'copyThreshold'>): void {
    this.#aggregate = aggregate
    this.#copyThreshold = copyThreshold
  }

  get descriptors(): number {
    return this.#free.length
  }

  transmit(
    bytes: Uint8Array,
    offset: number,
    length: number,
    offload: FrameOffload | undefined,
    hash: number,
  ): TransmitStatus {
    const { statistics, limits, sections } = this.#parts
    const headerBytes = frameHeaderBytes(offload, hash)
    const total = headerBytes + length
    const small = total <= this.#copyThreshold
    if (small && this.#open !== NONE && this.#append(bytes, offset, length, offload, hash, total)) {
      return TransmitStatus.sent
    }
    if (!this.flush() || this.#ringFull || this.#freeCount === 0) return this.#full()
    if (!small || sections.count === 0) return this.#sendLarge(bytes, offset, length, offload, hash)
    statistics.txChimneyTried++
    const section = sections.take()
    // Pages of their own would be slower for small frames than to wait until the host has done some.
    if (section === NONE) return this.#full()
    this.#open = section
    this.#openBytes = 0
    this.#openFrames = 0
    this.#last = 0
    this.#append(bytes, offset, length, offload, hash, total)
    if (this.#batching && this.#aggregate > 1 && total < limits.maxTransfer) return TransmitStatus.sent
    return this.#flushNew()
  }

  /** Whether the host has completed nothing since the last time this was asked, although it had messages then. */
  isStuck(): boolean {
    const stuck = this.outstanding > 0 && this.#seenOutstanding > 0 && this.#completions === this.#seenCompletions
    this.#seenOutstanding = this.outstanding
    this.#seenCompletions = this.#completions
    return stuck
  }

  beginBatch(): void {
    this.#batching = true
    this.channel.beginBatch()
  }

  endBatch(): void {
    this.#batching = false
    this.flush()
    this.channel.endBatch()
  }

  /** Sends what was collected. @returns false when the ring is full; it is kept, and sent when there is room */
  flush(): boolean {
    if (this.#open === NONE) return true
    const descriptor = this.#freeCount === 0 ? NONE : (this.#free[this.#freeCount - 1] ?? NONE)
    if (descriptor === NONE) return false
    this.#private.view.setUint32(8, this.#open, true)
    this.#private.view.setUint32(12, this.#openBytes, true)
    this.#section[descriptor] = this.#open
    this.#frames[descriptor] = this.#openFrames
    const status = this.#send(PacketType.dataInBand, descriptor, undefined, 0)
    if (status === SendStatus.full) {
      this.#section[descriptor] = NONE
      this.#frames[descriptor] = 0
      return false
    }
    if (status !== SendStatus.sent) this.#parts.sections.give(this.#open)
    if (status !== SendStatus.sent) this.#section[descriptor] = NONE
    this.#taken(descriptor, status)
    this.#open = NONE
    return true
  }

  onWritable(): void {
    this.#ringFull = false
    this.flush()
  }

  /**
   * The host has taken a message.
   * @returns false when it does not have one with this id
   */
  completed(id: number, status: number): boolean {
    const descriptor = id - 1
    const frames = this.#frames[descriptor] ?? 0
    if (frames === 0) return false
    const section = this.#section[descriptor] ?? NONE
    const large = this.#large[descriptor] ?? NONE
    if (section !== NONE) this.#parts.sections.give(section)
    if (large !== NONE) this.#freeBuffers.push(large)
    this.#section[descriptor] = NONE
    this.#large[descriptor] = NONE
    this.#frames[descriptor] = 0
    this.#free[this.#freeCount++] = descriptor
    this.outstanding--
    this.#completions++
    this.packets += frames
    if (status !== NvspStatus.SUCCESS) {
      this.#parts.statistics.sendFailed++
      this.#parts.statistics.txErrors += frames
    }
    return true
  }

  /** Whether any frame would be taken now, small or large. */
  get hasRoom(): boolean {
    if (this.#ringFull || this.#freeCount === 0 || this.#open !== NONE) return false
    const { largeBuffers, sections } = this.#parts
    if (sections.count > 0 && sections.free === 0) return false
    return largeBuffers === 0 || this.#freeBuffers.length > 0 || this.#buffers.length < largeBuffers
  }

  /** Gives all memory back; only when the host has nothing any more. */
  free(pages: PageAllocator): void {
    this.#private.close()
    for (const run of this.#buffers.splice(0)) pages.free(run)
    this.#freeBuffers.length = 0
  }

  #append(
    bytes: Uint8Array,
    offset: number,
    length: number,
    offload: FrameOffload | undefined,
    hash: number,
    total: number,
  ): boolean {
    const { sendBuffer, sections, limits, statistics } = this.#parts
    const { alignment, maxPackets, maxTransfer } = limits
    const start = Math.ceil(this.#openBytes / alignment) * alignment
    const padding = start - this.#openBytes
    const most = Math.min(sections.sectionBytes, maxTransfer)
    if (sendBuffer === undefined || start + total > most) return false
    if (this.#openFrames > 0 && this.#openFrames >= Math.min(maxPackets, this.#aggregate)) return false
    const { view } = sendBuffer
    const base = this.#open * sections.sectionBytes
    if (padding > 0) {
      // The gap belongs to the message before it.
      view.setUint32(base + this.#last + 4, start - this.#last, true)
      for (let i = this.#openBytes; i < start; i++) view.setUint8(base + i, 0)
    }
    const ipv6 = offload !== undefined && isIpv6(bytes, offset)
    const headerBytes = writeFrameHeader(view, base + start, length, 0, offload, hash, ipv6)
    this.#copies.copy(sendBuffer.bytes, view, base + start + headerBytes, bytes, offset, length)
    if (this.#openFrames > 0) statistics.aggregated++
    this.#last = start
    this.#openBytes = start + total
    this.#openFrames++
    statistics.txChimney++
    statistics.txFrames++
    statistics.txBytes += length
    return true
  }

  /** Sends a section with one frame; when that cannot go the frame was never taken. */
  #flushNew(): TransmitStatus {
    if (this.flush()) return TransmitStatus.sent
    const { statistics, sections } = this.#parts
    statistics.txChimney--
    statistics.txFrames--
    sections.give(this.#open)
    this.#open = NONE
    return this.#full()
  }

  #sendLarge(
    bytes: Uint8Array,
    offset: number,
    length: number,
    offload: FrameOffload | undefined,
    hash: number,
  ): TransmitStatus {
    const buffer = this.#takeBuffer()
    const run = this.#buffers[buffer]
    if (run === undefined) return this.#full()
    const ipv6 = offload !== undefined && isIpv6(bytes, offset)
    const headerBytes = writeFrameHeader(run.view, 0, length, 0, offload, hash, ipv6)
    this.#copies.copy(run.bytes, run.view, PAGE_SIZE, bytes, offset, length)
    const list = this.#list
    list.clear()
    list.addRange(headerBytes, 0)
    list.addPfn(run.pfn)
    for (let done = 0, page = 1; done < length; done += PAGE_SIZE, page++) {
      list.addRange(Math.min(PAGE_SIZE, length - done), 0)
      list.addPfn(run.pfn + page)
    }
    this.#private.view.setUint32(8, NVSP_NO_SEND_SECTION, true)
    this.#private.view.setUint32(12, 0, true)
    const descriptor = this.#free[this.#freeCount - 1] ?? NONE
    this.#large[descriptor] = buffer
    this.#frames[descriptor] = 1
    const status = this.#send(PacketType.dataUsingGpaDirect, descriptor, list.bytes, list.length)
    if (status !== SendStatus.sent) {
      this.#large[descriptor] = NONE
      this.#freeBuffers.push(buffer)
    }
    if (status === SendStatus.full) {
      this.#frames[descriptor] = 0
      return this.#full()
    }
    this.#taken(descriptor, status)
    if (status !== SendStatus.sent) return TransmitStatus.down
    this.#parts.statistics.txFrames++
    this.#parts.statistics.txBytes += length
    return TransmitStatus.sent
  }

  /** The book is written before the host can see the packet. */
  #send(type: number, descriptor: number, header: Uint8Array | undefined, headerLength: number): SendStatus {
    const { messageBytes } = this.#parts
    const { bytes } = this.#private
    const status = this.channel.send(type, 1, descriptor + 1, 0, header, headerLength, bytes, 0, messageBytes)
    if (status === SendStatus.full) this.#ringFull = true
    return status
  }

  #taken(descriptor: number, status: SendStatus): void {
    if (status !== SendStatus.sent) {
      this.#frames[descriptor] = 0
      return
    }
    this.#freeCount--
    this.outstanding++
    this.#parts.statistics.sends++
  }

  #takeBuffer(): number {
    const free = this.#freeBuffers.pop()
    if (free !== undefined) return free
    if (this.#buffers.length >= this.#parts.largeBuffers) return NONE
    this.#buffers.push(this.channel.pages.allocate(LARGE_PAGES))
    return this.#buffers.length - 1
  }

  #full(): TransmitStatus {
    const { statistics } = this.#parts
    statistics.oactive++
    if (this.#freeCount === 0) statistics.noTxdescs++
    this.stalled = true
    return TransmitStatus.full
  }
}
