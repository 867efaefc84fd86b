import type { Packet } from '@bis/hyperv-types'
import {
  NvspDataPath,
  NvspMessageType,
  NvspStatus,
  NvspSubchannelOperation,
  nvspMessage,
  RndisStatus,
} from '@bis/hyperv-types/network'
import { PacketType } from '@bis/hyperv-types/ring'
import type { AdapterCounters } from '../counters.ts'
import type { NetChannel } from '../net-channel.ts'
import type { GuestBuffers } from './guest-buffers.ts'
import { requestBytes, writeAnswer, writeInitComplete, writeRefusal } from './nvsp-answers.ts'
import type { NvspSession } from './session.ts'

/** What NVSP messages act on. */
export interface NvspOwner {
  readonly session: NvspSession
  readonly counters: AdapterCounters
  readonly buffers: GuestBuffers
  /** Versions that the host speaks, newest first. */
  readonly nvspVersions: readonly number[]
  /** Longest frame that a guest may ask for, the Ethernet header included. */
  readonly maxFrameBytes: number
  dropReceiveBuffer(): void
  /** @returns whether they are offered */
  offerSubchannels(count: number): boolean
  moveDataPath(toFunction: boolean): void
}

/** Does what a guest's NVSP messages ask for, packets left out, and writes the answers. */
export class NvspControl {
  readonly #owner: NvspOwner

  constructor(owner: NvspOwner) {
    this.#owner = owner
  }

  /** Fills in the channel's reply. @returns whether there is something to answer with */
  answer(channel: NetChannel, type: number, packet: Packet): boolean {
    const { session, counters, buffers } = this.#owner
    const { replyView } = channel
    const due = channel.channel.subIndex === 0 && packet.type === PacketType.dataInBand && session.allows(type)
    if (!due || packet.dataLength < requestBytes(type)) {
      counters.badNvsp++
      return writeRefusal(replyView, type)
    }
    const { view, dataOffset: at } = packet
    switch (type) {
      case NvspMessageType.INIT:
        this.#initialize(packet, replyView)
        return true
      case NvspMessageType.SEND_NDIS_VER:
        session.setNdisVersion(view.getUint32(at + 4, true), view.getUint32(at + 8, true))
        return false
      case NvspMessageType.SEND_NDIS_CONFIG:
        session.configure(view.getUint32(at + 4, true), this.#owner.maxFrameBytes, view.getUint32(at + 12, true))
        return false
      case NvspMessageType.SEND_RECV_BUF: {
        const [handle, id] = [view.getUint32(at + 4, true), view.getUint16(at + 8, true)]
        buffers.takeReceive(channel.channel, handle, id, session.frameBytes, replyView)
        return true
      }
      case NvspMessageType.SEND_SEND_BUF:
        buffers.takeSend(channel.channel, view.getUint32(at + 4, true), replyView)
        return true
      case NvspMessageType.REVOKE_RECV_BUF:
        this.#owner.dropReceiveBuffer()
        return false
      case NvspMessageType.REVOKE_SEND_BUF:
        buffers.send = undefined
        return false
      case NvspMessageType.SUBCHANNEL:
        this.#subchannels(view.getUint32(at + 4, true), view.getUint32(at + 8, true), replyView)
        return true
      case NvspMessageType.SWITCH_DATA_PATH:
        this.#owner.moveDataPath(view.getUint32(at + 4, true) === NvspDataPath.VF)
        return false
      case NvspMessageType.OID_QUERY_EX:
        writeAnswer(replyView, NvspMessageType.OID_QUERY_EX_COMP, RndisStatus.NOT_SUPPORTED)
        return true
      default:
        counters.badNvsp++
        return writeRefusal(replyView, type)
    }
  }

  /** Guests ask for one version at a time; a range is met by the newest in it. */
  #initialize({ view, dataOffset: at }: Packet, answer: DataView): void {
    const { init } = nvspMessage.msg.as
    const [min, max] = [init.min_protocol_ver.get(view, at), init.max_protocol_ver.get(view, at)]
    const version = this.#owner.nvspVersions.find((candidate) => candidate >= min && candidate <= max)
    if (version !== undefined) this.#owner.session.agree(version)
    writeInitComplete(answer, version)
  }

  #subchannels(operation: number, count: number, answer: DataView): void {
    const offered = operation === NvspSubchannelOperation.ALLOCATE && count > 0 && this.#owner.offerSubchannels(count)
    writeAnswer(answer, NvspMessageType.SUBCHANNEL, offered ? NvspStatus.SUCCESS : NvspStatus.FAIL)
    answer.setUint32(8, offered ? count : 0, true)
  }
}
