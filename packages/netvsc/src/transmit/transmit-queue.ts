import type { Channel, FrameOffload, PageRun } from '@bis/hyperv-types'
import { SendStatus, TransmitStatus } from '@bis/hyperv-types'
import { NvspStatus } from '@bis/hyperv-types/network'
import type { RndisLimits } from '../rndis/rndis-exchange.ts'
import type { NetvscStatistics } from '../statistics.ts'
import { frameHeaderBytes } from './frame-encoder.ts'
import { LargeBuffers } from './large-buffers.ts'
import { MessageBook, NONE } from './message-book.ts'
import { MessageSender } from './message-sender.ts'
import { SectionWriter } from './section-writer.ts'
import type { SendSections } from './send-sections.ts'

export interface TransmitParts {
  readonly channel: Channel
  /** Of the send buffer; none when the host takes nothing from there. */
  readonly sections: SendSections
  readonly sendBuffer: PageRun
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
  /** `full` was answered, and nobody was told since that there is room. */
  stalled = false
  /** Frames whose message the host has completed. */
  packets = 0
  readonly #statistics: NetvscStatistics
  readonly #maxPackets: number
  readonly #sections: SendSections
  readonly #writer: SectionWriter
  readonly #large: LargeBuffers
  readonly #book: MessageBook
  readonly #sender: MessageSender
  #aggregate = 1
  #copyThreshold = 0
  #batching = false
  #ringFull = false

  constructor(parts: TransmitParts) {
    const { channel, sections, limits } = parts
    this.channel = channel
    this.#statistics = parts.statistics
    this.#maxPackets = limits.maxPackets
    this.#sections = sections
    this.#writer = new SectionWriter(parts.sendBuffer, sections, limits)
    this.#large = new LargeBuffers(parts.largeBuffers, channel.pages)
    this.#book = new MessageBook(parts.descriptors)
    this.#sender = new MessageSender(channel, parts.messageBytes)
    this.configure(parts)
  }

  /** Messages that the host has not completed. */
  get outstanding(): number {
    return this.#book.outstanding
  }

  /** Messages sent so far. */
  get sends(): number {
    return this.#book.sends
  }

  /** Whether any frame would be taken now, small or large. */
  get hasRoom(): boolean {
    if (this.#ringFull || !this.#book.hasFree || this.#writer.section !== NONE) return false
    if (this.#sections.count > 0 && this.#sections.free === 0) return false
    return this.#large.hasFree
  }

  /** Changes what counts for the next frames. */
  configure({ aggregate, copyThreshold }: Pick<TransmitParts, 'aggregate' | 'copyThreshold'>): void {
    this.#aggregate = Math.min(this.#maxPackets, aggregate)
    this.#copyThreshold = Math.min(copyThreshold, this.#writer.mostBytes)
  }

  transmit(
    bytes: Uint8Array,
    offset: number,
    length: number,
    offload: FrameOffload | undefined,
    hash: number,
  ): TransmitStatus {
    const total = frameHeaderBytes(offload, hash) + length
    if (total > this.#copyThreshold) return this.#sendLarge(bytes, offset, length, offload, hash)
    const writer = this.#writer
    const statistics = this.#statistics
    if (writer.section !== NONE && writer.frames < this.#aggregate) {
      if (writer.append(bytes, offset, length, offload, hash, total)) {
        statistics.aggregated++
        return this.#appended(length)
      }
    }
    if (!this.#flushed()) return this.#full()
    statistics.txChimneyTried++
    const section = this.#sections.take()
    // Pages of their own would be slower for small frames than to wait until the host has done some.
    if (section === NONE) return this.#full()
    writer.begin(section)
    writer.append(bytes, offset, length, offload, hash, total)
    if (!(this.#batching && this.#aggregate > 1) && !this.flush()) {
      // The frame was never taken.
      this.#sections.give(section)
      writer.end()
      return this.#full()
    }
    return this.#appended(length)
  }

  /** Whether the host has completed nothing since the last time this was asked, although it had messages then. */
  isStuck(): boolean {
    return this.#book.isStuck()
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
    const writer = this.#writer
    const { section } = writer
    if (section === NONE) return true
    const book = this.#book
    const descriptor = book.next()
    if (descriptor === NONE) return false
    book.write(descriptor, section, NONE, writer.frames)
    const status = this.#sender.sendSection(descriptor, section, writer.bytes)
    if (!this.#settle(descriptor, status)) {
      if (status === SendStatus.full) return false
      this.#sections.give(section)
    }
    writer.end()
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
    const book = this.#book
    const descriptor = id - 1
    const frames = book.framesOf(descriptor)
    if (frames === 0) return false
    const section = book.sectionOf(descriptor)
    const large = book.largeOf(descriptor)
    if (section !== NONE) this.#sections.give(section)
    if (large !== NONE) this.#large.give(large)
    book.completed(descriptor)
    this.packets += frames
    if (status !== NvspStatus.SUCCESS) {
      this.#statistics.sendFailed++
      this.#statistics.txErrors += frames
    }
    return true
  }

  /** Gives all memory back; only when the host has nothing any more. */
  close(): void {
    this.#sender.close()
    this.#large.close()
  }

  #sendLarge(
    bytes: Uint8Array,
    offset: number,
    length: number,
    offload: FrameOffload | undefined,
    hash: number,
  ): TransmitStatus {
    if (!this.#flushed()) return this.#full()
    const buffer = this.#large.take()
    const run = this.#large.run(buffer)
    if (run === undefined) return this.#full()
    const headerBytes = this.#large.write(run, bytes, offset, length, offload, hash)
    const descriptor = this.#book.next()
    this.#book.write(descriptor, NONE, buffer, 1)
    const status = this.#sender.sendPages(descriptor, run, headerBytes, length)
    if (!this.#settle(descriptor, status)) {
      this.#large.give(buffer)
      return status === SendStatus.full ? this.#full() : TransmitStatus.down
    }
    this.#statistics.txFrames++
    this.#statistics.txBytes += length
    return TransmitStatus.sent
  }

  /** Whether what was collected before has gone, and one more message may go. */
  #flushed(): boolean {
    return this.flush() && !this.#ringFull && this.#book.hasFree
  }

  /** What became of a message that was written down. @returns whether the host has it */
  #settle(descriptor: number, status: SendStatus): boolean {
    if (status !== SendStatus.sent) {
      if (status === SendStatus.full) this.#ringFull = true
      this.#book.erase(descriptor)
      return false
    }
    this.#book.sent()
    this.#statistics.sends++
    return true
  }

  #appended(length: number): TransmitStatus {
    const statistics = this.#statistics
    statistics.txChimney++
    statistics.txFrames++
    statistics.txBytes += length
    return TransmitStatus.sent
  }

  #full(): TransmitStatus {
    const statistics = this.#statistics
    statistics.oactive++
    if (!this.#book.hasFree) statistics.noTxdescs++
    this.stalled = true
    return TransmitStatus.full
  }
}
