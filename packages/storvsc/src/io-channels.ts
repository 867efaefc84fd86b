import type { Channel, ChannelError, Clock, Logger, Packet } from '@bis/hyperv-types'
import { VstorOperation } from '@bis/hyperv-types/storage'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ControlExchange } from './exchange.ts'
import { IoChannel } from './io-channel.ts'
import type { StorvscRequest } from './request.ts'
import type { StorvscSettings } from './settings.ts'

/** Bytes that every channel is opened with: room for channel properties, all zero. */
const OPEN_USER_DATA = new Uint8Array(24)
/** How long to wait for the sub-channels that the host promised, in milliseconds. */
const SUBCHANNEL_WAIT_MS = 5000

export interface IoChannelsParts {
  readonly primary: Channel
  readonly clock: Clock
  readonly log: Logger
  readonly settings: StorvscSettings
  onPacket(packet: Packet, index: number): void
  /** The packets that were there have been handled. */
  onTurnEnd(): void
  onFailure(error: ChannelError): void
  /** The host has taken a sub-channel away. */
  onGone(io: IoChannel): void
}

/** The format of requests that handshake and settings agreed on. */
export interface IoFormat {
  /** VSTOR version, major << 8 | minor. */
  readonly version: number
  readonly maxTransferBytes: number
}

/** The channels of one controller: the primary one, the sub-channels that the host gives, and which request takes which. */
export class IoChannels {
  readonly #parts: IoChannelsParts
  #format: IoFormat = { version: 0, maxTransferBytes: 0 }
  /** By index; in the place of one that was lost stands the primary one. */
  #all: IoChannel[] = []
  #stopListening: (() => void) | undefined

  constructor(parts: IoChannelsParts) {
    this.#parts = parts
  }

  /** The primary one first. */
  get all(): readonly IoChannel[] {
    return this.#all
  }

  /** The channel for a request, by LUN and processor as FreeBSD does; undefined while there is none. */
  choose(request: StorvscRequest): IoChannel | undefined {
    const all = this.#all
    return all[(request.lun + request.cpu) % all.length]
  }

  /** Opens the primary channel, for control packets only until {@link carry}. */
  openPrimary(signal: AbortSignal): Promise<void> {
    return this.#open(this.#parts.primary, 0, signal)
  }

  /** The primary channel carries requests from now on, and so do sub-channels opened later. */
  carry(format: IoFormat): void {
    this.#format = format
    this.#all = [this.#make(this.#parts.primary, 0)]
  }

  /** Asks for sub-channels, at most as many as offered, and takes them in; done when all have come, or none comes any more. */
  async openSubchannels(exchange: ControlExchange, offered: number, signal: AbortSignal): Promise<void> {
    const { primary, settings, log, clock } = this.#parts
    const wanted = settings.channelCount === 0 ? primary.processorCount - 1 : settings.channelCount - 1
    const count = Math.min(offered, wanted, primary.processorCount - 1)
    if (count <= 0 || primary.protocolVersion < VmbusVersion.V2_4) return
    const what = `CREATE_SUB_CHANNELS ${count}`
    const answer = await exchange.ask(what, VstorOperation.CREATE_SUB_CHANNELS, signal, count)
    if (answer.status !== 0) {
      log.log('warning', `the host gives no sub-channels; going on with one channel`)
      return
    }
    await new Promise<void>((resolve) => {
      const timer = clock.after(SUBCHANNEL_WAIT_MS, () => resolve())
      const done = (): void => {
        timer.cancel()
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
      let opened = 0
      this.#stopListening = primary.onSubchannel((subchannel) => {
        if (subchannel.offer.subIndex > count) return
        this.#add(subchannel, signal).then(
          () => ++opened === count && done(),
          (error: unknown) => log.log('warning', `sub-channel ${subchannel.offer.subIndex}: ${String(error)}`),
        )
      })
    })
  }

  /** Nothing goes over this sub-channel any more; what goes to its index takes the primary one. */
  lose(io: IoChannel): void {
    io.lost = true
    io.clear()
    // Indices of the others stay: they are in requests and handlers.
    const primary = this.#all[0]
    if (primary !== undefined) this.#all[io.index] = primary
  }

  /** Closes all of them; no sub-channel is taken in any more. */
  async close(): Promise<void> {
    this.#stopListening?.()
    this.#stopListening = undefined
    try {
      await this.#parts.primary.close()
    } finally {
      this.#all = []
    }
  }

  async #add(channel: Channel, signal: AbortSignal): Promise<void> {
    const io = this.#make(channel, this.#all.length)
    this.#all.push(io)
    try {
      await this.#open(channel, io.index, signal)
    } catch (error) {
      this.lose(io)
      throw error
    }
    channel.gone.addEventListener('abort', () => this.#parts.onGone(io), { once: true })
  }

  async #open(channel: Channel, index: number, signal: AbortSignal): Promise<void> {
    const parts = this.#parts
    const { settings } = parts
    const bytes = settings.ringPages * 4096
    await channel.open({
      txRingBytes: bytes,
      rxRingBytes: bytes,
      userData: OPEN_USER_DATA,
      signal,
      onPacket: (packet) => parts.onPacket(packet, index),
      onBatchEnd: () => parts.onTurnEnd(),
      onWritable: () => this.#all[index]?.flush(settings.timeout),
      onFailure: (error) => parts.onFailure(error),
    })
  }

  #make(channel: Channel, index: number): IoChannel {
    const { version, maxTransferBytes } = this.#format
    return new IoChannel(channel, index, version, maxTransferBytes, this.#parts.settings.useExtension)
  }
}
