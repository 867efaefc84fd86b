import type { Channel, Gpadl, Logger, PageRun } from '@bis/hyperv-types'
import { DeviceError, PAGE_SIZE } from '@bis/hyperv-types'
import { NVSP_RECEIVE_BUFFER_ID, NVSP_SEND_BUFFER_ID, NvspMessageType, NvspStatus } from '@bis/hyperv-types/network'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import { SendSections } from '../transmit/send-sections.ts'
import { UndoList } from '../undo-list.ts'
import type { NvsExchange } from './nvs-exchange.ts'
import type { ReceiveSections } from './nvs-messages.ts'
import { nvsAnswer, nvsRequest, readReceiveSections, readSendSectionBytes } from './nvs-messages.ts'

/** Memory where frames arrive, as the host has cut it. */
export interface ReceiveBuffer {
  readonly run: PageRun
  readonly sections: ReceiveSections
}

/** Memory from which small frames go; no sections when the host does not take them from there. */
export interface SendBuffer {
  readonly run: PageRun
  readonly sections: SendSections
}

/** The two buffers that the host knows by GPADL: shared after the negotiation, taken back at the end. */
export class SharedBuffers {
  readonly #channel: Channel
  readonly #nvs: NvsExchange
  readonly #whileOpen: UndoList
  readonly #afterClose: UndoList

  constructor(channel: Channel, nvs: NvsExchange, log: Logger) {
    this.#channel = channel
    this.#nvs = nvs
    this.#whileOpen = new UndoList(log)
    this.#afterClose = new UndoList(log)
  }

  /** @throws DeviceError `attach-failed` when the host refuses it, `protocol`, `timeout`; ChannelError */
  async shareReceive(byteLength: number, signal: AbortSignal): Promise<ReceiveBuffer> {
    const { REVOKE_RECV_BUF, SEND_RECV_BUF, SEND_RECV_BUF_COMPLETE } = NvspMessageType
    const { handle, run } = await this.#share(byteLength, nvsRequest(REVOKE_RECV_BUF, NVSP_RECEIVE_BUFFER_ID), signal)
    const answer = await this.#nvs.ask('SEND_RECV_BUF', nvsRequest(SEND_RECV_BUF, handle, NVSP_RECEIVE_BUFFER_ID))
    const body = nvsAnswer(answer, SEND_RECV_BUF_COMPLETE, 8)
    if (body.getUint32(0, true) === NvspStatus.SUCCESS && body.byteLength < 24) {
      throw new DeviceError('protocol', `SEND_RECV_BUF_COMPLETE of ${body.byteLength + 4} bytes`)
    }
    return { run, sections: readReceiveSections(padded(body), run.byteLength) }
  }

  /** @throws DeviceError `protocol`, `timeout`; ChannelError. A refusal leaves no sections */
  async shareSend(byteLength: number, signal: AbortSignal): Promise<SendBuffer> {
    const { REVOKE_SEND_BUF, SEND_SEND_BUF, SEND_SEND_BUF_COMPLETE } = NvspMessageType
    const { handle, run } = await this.#share(byteLength, nvsRequest(REVOKE_SEND_BUF, NVSP_SEND_BUFFER_ID), signal)
    const answer = await this.#nvs.ask('SEND_SEND_BUF', nvsRequest(SEND_SEND_BUF, handle, NVSP_SEND_BUFFER_ID))
    const sectionBytes = readSendSectionBytes(nvsAnswer(answer, SEND_SEND_BUF_COMPLETE, 8), run.byteLength)
    return { run, sections: new SendSections(run.byteLength, sectionBytes) }
  }

  /** Tells the host that the buffers go, while the channel is open. */
  revoke(): Promise<void> {
    return this.#whileOpen.run()
  }

  /** Takes the memory back when the channel is closed, or was never opened. */
  free(): Promise<void> {
    return this.#afterClose.run()
  }

  async #share(byteLength: number, revocation: Uint8Array, signal: AbortSignal): Promise<Gpadl> {
    const channel = this.#channel
    const run = channel.pages.allocate(Math.max(1, Math.floor(byteLength / PAGE_SIZE)))
    this.#afterClose.push(() => channel.pages.free(run))
    const gpadl = await channel.establishGpadl(run, signal)
    let mapped = true
    const teardown = async (): Promise<void> => {
      if (!mapped || channel.gone.aborted) return
      mapped = false
      await channel.teardownGpadl(gpadl)
    }
    this.#afterClose.push(teardown)
    this.#whileOpen.push(async () => {
      if (channel.gone.aborted || channel.state !== 'open') return
      this.#nvs.post(revocation)
      // Hosts before Windows 10 want the buffer back while the channel is open, later ones when it is closed.
      if (channel.protocolVersion < VmbusVersion.V4_0) await teardown()
    })
    return gpadl
  }
}

/** A refusal may be short: what it leaves out counts as 0. */
function padded(body: DataView): DataView {
  if (body.byteLength >= 24) return body
  const bytes = new Uint8Array(24)
  bytes.set(new Uint8Array(body.buffer, body.byteOffset, body.byteLength))
  return new DataView(bytes.buffer)
}
