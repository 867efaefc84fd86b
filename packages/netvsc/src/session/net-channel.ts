import type { Channel, ChannelError, Packet } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { NVSP_MAX_RECEIVE_RANGES_RSC, NvspStatus, nvspMessage } from '@bis/hyperv-types/network'
import { PacketType } from '@bis/hyperv-types/ring'
import type { ReceivePath } from '../receive/receive-path.ts'
import type { TransmitQueue } from '../transmit/transmit-queue.ts'
import type { ControlPath } from './control-path.ts'
import type { SessionOwner } from './owner.ts'
import { reportViolation } from './owner.ts'

/** A transfer-page packet with the most ranges. */
const LONGEST_PACKET = 24 + NVSP_MAX_RECEIVE_RANGES_RSC * 8 + nvspMessage.size

/** One channel of the device, with its way in and its way out: where each packet of it goes. */
export class NetChannel {
  readonly channel: Channel
  /** 0 for the primary channel. */
  readonly index: number
  /** Absent before there is a receive buffer. */
  path: ReceivePath | undefined
  /** Absent before RNDIS has begun. */
  queue: TransmitQueue | undefined
  readonly #owner: SessionOwner
  readonly #control: ControlPath | undefined
  #inBurst = false

  /** @param control what takes everything but frames: given to the primary channel only */
  constructor(channel: Channel, index: number, owner: SessionOwner, control?: ControlPath) {
    this.channel = channel
    this.index = index
    this.#owner = owner
    this.#control = control
  }

  /** @param ringPages of each ring. @throws ChannelError */
  async open(ringPages: number, cpu: number, signal: AbortSignal): Promise<void> {
    const bytes = ringPages * PAGE_SIZE
    await this.channel.open({
      txRingBytes: bytes,
      rxRingBytes: bytes,
      maxPacketBytes: LONGEST_PACKET,
      cpu,
      signal,
      onPacket: (packet) => this.#onPacket(packet),
      onBatchEnd: () => this.#onBatchEnd(),
      onWritable: () => this.#onWritable(),
      onFailure: (error: ChannelError) => this.#owner.failed(error),
    })
  }

  /** Lets go of all memory; only when the host has nothing of it any more. */
  release(): void {
    this.queue?.close()
    this.path?.close()
    this.queue = undefined
    this.path = undefined
  }

  #onPacket(packet: Packet): void {
    this.#inBurst = true
    if (packet.type === PacketType.dataUsingXferPages) {
      if (this.path === undefined) reportViolation(this.#owner, 'frames before there is a receive buffer')
      else this.path.onPacket(packet)
    } else if (packet.type === PacketType.completion) this.#onCompletion(packet)
    else if (packet.type === PacketType.dataInBand && this.#control !== undefined) this.#control.notified(packet)
    else reportViolation(this.#owner, `packet of type ${packet.type} on channel ${this.index}`)
  }

  #onCompletion(packet: Packet): void {
    const { transactionIdLow: low, transactionIdHigh: high, view, dataOffset, dataLength } = packet
    if (high === 0) {
      const status = dataLength >= 8 ? view.getUint32(dataOffset + 4, true) : NvspStatus.FAIL
      if (this.queue?.completed(low, status) === true) return
    } else if (this.#control?.completed(packet) === true) return
    reportViolation(this.#owner, `completion of id ${high.toString(16)}:${low.toString(16)}, which is not outstanding`)
  }

  #onBatchEnd(): void {
    this.path?.onBatchEnd()
    this.#inBurst = false
    this.#owner.roomAgain()
  }

  #onWritable(): void {
    this.path?.onWritable()
    this.queue?.onWritable()
    this.#control?.rndis.onWritable()
    if (!this.#inBurst) this.#owner.roomAgain()
  }
}
