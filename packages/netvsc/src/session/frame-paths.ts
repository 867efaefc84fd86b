import { NVSP_RECEIVE_BUFFER_ID, nvspMessageBytes } from '@bis/hyperv-types/network'
import type { ReceiveBuffer, SendBuffer } from '../nvs/shared-buffers.ts'
import { ReceivePath } from '../receive/receive-path.ts'
import type { RndisExchange, RndisLimits } from '../rndis/rndis-exchange.ts'
import type { NetvscSettings } from '../settings.ts'
import { MOST_HEADER_BYTES } from '../transmit/frame-encoder.ts'
import { TransmitQueue } from '../transmit/transmit-queue.ts'
import type { NetChannel } from './net-channel.ts'
import type { SessionOwner } from './owner.ts'
import { reportViolation } from './owner.ts'

/** How frames are copied and joined. */
export type SendingSettings = Pick<NetvscSettings, 'aggregate' | 'copyThreshold'>

/** What was agreed on with the host. */
export interface FrameTerms {
  readonly version: number
  readonly receive: ReceiveBuffer
  readonly send: SendBuffer
  readonly rndis: RndisExchange
}

/** Makes each channel's way in and way out of what all channels of a session share. */
export class FramePaths {
  readonly #owner: SessionOwner
  readonly #terms: FrameTerms

  constructor(owner: SessionOwner, terms: FrameTerms) {
    this.#owner = owner
    this.#terms = terms
  }

  receivePath({ channel, index }: NetChannel): ReceivePath {
    const { receive, rndis } = this.#terms
    const owner = this.#owner
    return new ReceivePath({
      channel,
      buffer: receive.run,
      setId: NVSP_RECEIVE_BUFFER_ID,
      sectionBytes: receive.sections.sectionBytes,
      sectionCount: receive.sections.count,
      queue: index,
      statistics: owner.statistics,
      handler: () => owner.handler(),
      control: (bytes, view, at, length) => index === 0 && rndis.onMessage(bytes, view, at, length),
      violation: (what) => reportViolation(owner, what),
    })
  }

  /** @param limits what the host told in INITIALIZE_C */
  transmitQueue({ channel }: NetChannel, limits: RndisLimits): TransmitQueue {
    const { settings, statistics } = this.#owner
    const { version, send } = this.#terms
    return new TransmitQueue({
      channel,
      sections: send.sections,
      sendBuffer: send.run,
      limits,
      messageBytes: nvspMessageBytes(version),
      descriptors: settings.txDescriptors,
      largeBuffers: settings.largeBuffers,
      ...this.sending(settings, limits),
      statistics,
    })
  }

  /** The settings with what the host takes where they leave it to that. */
  sending({ aggregate, copyThreshold }: SendingSettings, { maxPackets }: RndisLimits): SendingSettings {
    const { sectionBytes } = this.#terms.send.sections
    const threshold = copyThreshold === 0 ? sectionBytes : copyThreshold + MOST_HEADER_BYTES
    return { aggregate: aggregate === 0 ? maxPackets : aggregate, copyThreshold: Math.min(threshold, sectionBytes) }
  }
}
