import type { HostChannel, Packet } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { NvspMessageType, NvspStatus, nvspMessage } from '@bis/hyperv-types/network'
import { PacketType, PrivateBuffer, scriptEngine } from '@bis/hyperv-types/ring'
import type { AdapterCounters } from './counters.ts'
import type { SharedBuffer } from './nvsp/shared-buffer.ts'
import type { ReceiveQueue } from './receive/receive-queue.ts'
import { FrameParser } from './transmit/frame-parser.ts'
import { Gatherer } from './transmit/gather.ts'

const LEAST_NVSP_BYTES = 8
const COMPLETION_REQUESTED = 1

/** What a channel's worker asks of its adapter. */
export interface NetChannelOwner {
  readonly counters: AdapterCounters
  readonly sendBuffer: SharedBuffer | undefined
  readonly sendSectionBytes: number
  /** Bytes of every NVSP message of the negotiated version. */
  readonly messageBytes: number
  /** Frames may be sent: RNDIS has begun. */
  readonly running: boolean
  /** Any NVSP message but packets. Fills in `reply`. @returns whether there is something to answer with */
  control(channel: NetChannel, type: number, packet: Packet): boolean
  /** An RNDIS control message. @returns whether it is one */
  rndis(channel: NetChannel, bytes: Uint8Array, length: number): boolean
  transmit(parser: FrameParser): void
  batchEnd(): void
  /** The guest took a control message, or there is room in the ring again. */
  controlTaken(id: number, idHigh: number): boolean
  roomAgain(): void
}

/** Serves one channel of an adapter: what the guest sends, completions for it, and the queue of frames to it. */
export class NetChannel {
  readonly channel: HostChannel
  queue: ReceiveQueue | undefined
  /** The answer to the control message in hand. */
  readonly reply = new Uint8Array(nvspMessage.size)
  readonly replyView = new DataView(this.reply.buffer)
  readonly #owner: NetChannelOwner
  /** Completion of a packet; where the ring takes it from fastest. */
  readonly #completion: PrivateBuffer
  readonly #gather: Gatherer
  readonly #parser: FrameParser
  /** Answers that found no room: id words, and the message. */
  #unsent: { readonly low: number; readonly high: number; readonly length: number; readonly bytes: Uint8Array }[] = []

  constructor(channel: HostChannel, owner: NetChannelOwner) {
    this.channel = channel
    this.#owner = owner
    const engine = channel.ringEngine ?? scriptEngine
    this.#completion = new PrivateBuffer(engine, nvspMessage.size)
    this.#completion.view.setUint32(0, NvspMessageType.SEND_RNDIS_PKT_COMPLETE, true)
    this.#gather = new Gatherer(channel.memory, engine)
    this.#parser = new FrameParser(owner.counters)
  }

  onPacket(packet: Packet): void {
    if (packet.type === PacketType.completion) {
      this.#onCompletion(packet)
      return
    }
    const owner = this.#owner
    const known = packet.type === PacketType.dataInBand || packet.type === PacketType.dataUsingGpaDirect
    if (!known || packet.dataLength < LEAST_NVSP_BYTES) {
      owner.counters.badNvsp++
      this.#answerStatus(packet, NvspStatus.FAIL)
      return
    }
    const type = packet.view.getUint32(packet.dataOffset, true)
    if (type === NvspMessageType.SEND_RNDIS_PKT) {
      this.#answerStatus(packet, this.#onRndis(packet) ? NvspStatus.SUCCESS : NvspStatus.FAIL)
      return
    }
    this.reply.fill(0)
    const answered = owner.control(this, type, packet)
    // A message without an answer of its own is still completed when the guest asks for it.
    this.#answer(packet, this.reply, answered ? owner.messageBytes : 0)
  }

  /** Lets go of private memory; no packet comes after this. */
  close(): void {
    this.dropQueue()
    this.#completion.close()
    this.#gather.close()
  }

  /** The receive buffer has gone. */
  dropQueue(): void {
    this.queue?.close()
    this.queue = undefined
  }

  onBatchEnd(): void {
    this.#owner.batchEnd()
  }

  onWritable(): void {
    let sent = 0
    for (const { low, high, bytes, length } of this.#unsent) {
      if (this.#send(low, high, bytes, length) === SendStatus.full) break
      sent++
    }
    this.#unsent.splice(0, sent)
    if (this.#unsent.length > 0) return
    this.channel.resume()
    this.queue?.onWritable()
    this.#owner.roomAgain()
  }

  #onRndis(packet: Packet): boolean {
    const owner = this.#owner
    const { view, dataOffset: at, dataLength } = packet
    const { counters } = owner
    if (dataLength < 16) {
      counters.badNvsp++
      return false
    }
    const section = view.getUint32(at + 8, true)
    const sectionBytes = view.getUint32(at + 12, true)
    const gather = this.#gather
    const start = section === NO_SECTION ? 0 : section * owner.sendSectionBytes
    const length = section === NO_SECTION ? 0 : sectionBytes
    if (length > 0) {
      const buffer = owner.sendBuffer
      const room = buffer === undefined ? 0 : buffer.byteLength - start
      if (room <= 0 || length > Math.min(room, owner.sendSectionBytes)) {
        counters.badRange++
        return false
      }
    }
    gather.begin(owner.sendBuffer, start, length)
    if (packet.type === PacketType.dataUsingGpaDirect && !gather.addPages(packet)) {
      counters.badRange++
      return false
    }
    if (gather.length < 8) {
      counters.badRndisLength++
      return false
    }
    if (gather.view.getUint32(0, true) !== RNDIS_PACKET) {
      if (owner.rndis(this, gather.bytes, gather.length)) return true
      counters.badRndisLength++
      return false
    }
    if (!owner.running) {
      counters.badNvsp++
      return false
    }
    if (!this.#parser.parse(gather.bytes, gather.view, gather.length, gather.firstRange)) return false
    owner.transmit(this.#parser)
    return true
  }

  #onCompletion(packet: Packet): void {
    const { transactionIdLow: low, transactionIdHigh: high } = packet
    if (this.queue?.acknowledge(low, high) === true) return
    if (this.#owner.controlTaken(low, high)) return
    this.#owner.counters.badCompletion++
  }

  #answerStatus(packet: Packet, status: NvspStatus): void {
    this.#completion.view.setUint32(4, status, true)
    this.#answer(packet, this.#completion.bytes, this.#owner.messageBytes)
  }

  #answer(packet: Packet, bytes: Uint8Array, length: number): void {
    if ((packet.flags & COMPLETION_REQUESTED) === 0) return
    const { transactionIdLow: low, transactionIdHigh: high } = packet
    if (this.#send(low, high, bytes, length) !== SendStatus.full) return
    this.#unsent.push({ low, high, length, bytes: bytes.slice(0, length) })
    // Nothing more is taken until the guest reads, so what waits is bounded.
    this.channel.pause()
  }

  #send(low: number, high: number, bytes: Uint8Array, length: number): SendStatus {
    return this.channel.send(PacketType.completion, 0, low, high, undefined, 0, bytes, 0, length)
  }
}

const NO_SECTION = 0xffff_ffff
const RNDIS_PACKET = 1
