import type { ChannelOffer } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'
import { encodeControlMessage, VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelBus } from './channel-bus.ts'
import { openMessage } from './open-request.ts'

/** What OPEN_CHANNEL asks for. */
export interface OpenAsk {
  readonly cpu: number
  readonly gpadl: number
  readonly downstreamPages: number
  readonly userData: Uint8Array | undefined
  readonly signal: AbortSignal
}

/** The control messages of one channel, each with its answer where there is one. */
export class ChannelRequests {
  readonly #bus: ChannelBus
  readonly #offer: () => ChannelOffer

  /** @param offer the channel's offer, which changes over a suspend */
  constructor(bus: ChannelBus, offer: () => ChannelOffer) {
    this.#bus = bus
    this.#offer = offer
  }

  /** @returns the status of OPEN_RESULT @throws ChannelError `rescinded`, `timeout`, `aborted`, `closed` */
  open({ cpu, gpadl, downstreamPages, userData, signal }: OpenAsk): Promise<number> {
    const bus = this.#bus
    const { channelId, connectionId } = this.#offer()
    const reply = this.#openResult('OPEN_RESULT', signal)
    const parts = { channelId, connectionId, gpadl, targetVp: bus.vpIndex(cpu), downstreamPages, userData }
    const message = openMessage(parts, bus.version, bus.features)
    bus.post(message).catch((error: Error) => bus.replies.fail('open', channelId, error))
    return reply
  }

  /**
   * An open that was given up, and whose answer is still out. A host takes CLOSE only for an open channel, so this waits
   * a little longer for it, and closes what was opened after all.
   */
  async undoOpen(): Promise<void> {
    try {
      if ((await this.#openResult('late OPEN_RESULT')) === 0) await this.close()
    } catch {
      // Rescinded, disconnected, or never answered: the teardown of the GPADL decides about the pages.
    }
  }

  close(): Promise<void> {
    const body = { child_relid: this.#offer().channelId }
    return this.#bus.post(encodeControlMessage('CLOSE_CHANNEL', body, this.#bus.version))
  }

  /**
   * Moves the interrupts of an open channel; from 5.3 on this resolves when the host has switched.
   * @throws ChannelError `refused`, `rescinded`, `timeout`
   */
  async move(from: number, to: number): Promise<void> {
    const bus = this.#bus
    const { channelId } = this.#offer()
    if (bus.version < VmbusVersion.V4_1) {
      throw new ChannelError('refused', `channel ${channelId} cannot move while it is open: that takes VMBus 4.1`)
    }
    const body = { child_relid: channelId, target_vp: bus.vpIndex(to) }
    const message = encodeControlMessage('MODIFY_CHANNEL', body, bus.version)
    // Interrupts are taken wherever they arrive, so both processors serve the channel until the host has switched.
    if (bus.version < VmbusVersion.V5_3) return bus.post(message)
    const what = `MODIFY_CHANNEL_RESPONSE for channel ${channelId}`
    const wait = { kind: 'modify', id: channelId, channelId, what, timeoutMs: bus.timing.replyMs } as const
    const reply = bus.replies.wait(wait)
    bus.post(message).catch((error: Error) => bus.replies.fail('modify', channelId, error))
    const status = await reply
    if (status === 0) return
    const why = `status 0x${status.toString(16)}`
    throw new ChannelError('refused', `the host keeps channel ${channelId} on cpu ${from} (${why})`)
  }

  #openResult(name: string, signal?: AbortSignal): Promise<number> {
    const { channelId } = this.#offer()
    const what = `${name} for channel ${channelId}`
    const timeoutMs = this.#bus.timing.replyMs
    return this.#bus.replies.wait({ kind: 'open', id: channelId, channelId, what, timeoutMs, signal })
  }
}
