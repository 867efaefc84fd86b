import type { Channel, PageRun, SendStatus } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { NVSP_NO_SEND_SECTION, NvspChannelType, NvspMessageType } from '@bis/hyperv-types/network'
import { PacketType, PrivateBuffer, RangeList, scriptEngine } from '@bis/hyperv-types/ring'
import { LARGE_PAGES } from './large-buffers.ts'

const MESSAGE_BYTES = 40
const LIST_BYTES = 8 + LARGE_PAGES * 16

/** Sends the NVSP messages that say where frames lie. */
export class MessageSender {
  readonly #channel: Channel
  readonly #messageBytes: number
  /** The message, and a range list behind it: where the ring takes both from fastest. */
  readonly #memory: PrivateBuffer
  readonly #list: RangeList

  /** @param messageBytes of the negotiated version */
  constructor(channel: Channel, messageBytes: number) {
    this.#channel = channel
    this.#messageBytes = messageBytes
    this.#memory = new PrivateBuffer(channel.ringEngine ?? scriptEngine, MESSAGE_BYTES + LIST_BYTES)
    this.#list = new RangeList(this.#memory.bytes.subarray(MESSAGE_BYTES))
    const { view } = this.#memory
    view.setUint32(0, NvspMessageType.SEND_RNDIS_PKT, true)
    view.setUint32(4, NvspChannelType.DATA, true)
  }

  /** Frames in a section of the send buffer. */
  sendSection(descriptor: number, section: number, byteLength: number): SendStatus {
    const { view } = this.#memory
    view.setUint32(8, section, true)
    view.setUint32(12, byteLength, true)
    return this.#send(PacketType.dataInBand, descriptor, undefined, 0)
  }

  /** A frame in pages of its own: the header in the first, the frame from the second on. */
  sendPages(descriptor: number, { pfn }: PageRun, headerBytes: number, frameBytes: number): SendStatus {
    const list = this.#list
    list.clear()
    list.addRange(headerBytes, 0)
    list.addPfn(pfn)
    for (let done = 0, page = 1; done < frameBytes; done += PAGE_SIZE, page++) {
      list.addRange(Math.min(PAGE_SIZE, frameBytes - done), 0)
      list.addPfn(pfn + page)
    }
    const { view } = this.#memory
    view.setUint32(8, NVSP_NO_SEND_SECTION, true)
    view.setUint32(12, 0, true)
    return this.#send(PacketType.dataUsingGpaDirect, descriptor, list.bytes, list.length)
  }

  /** Lets go of private memory. */
  close(): void {
    this.#memory.close()
  }

  /** Ids count from 1: that of a request is never 0. */
  #send(type: number, descriptor: number, header: Uint8Array | undefined, headerLength: number): SendStatus {
    const { bytes } = this.#memory
    return this.#channel.send(type, 1, descriptor + 1, 0, header, headerLength, bytes, 0, this.#messageBytes)
  }
}
