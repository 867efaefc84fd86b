import type { Channel, Clock, Logger } from '@bis/hyperv-types'
import { DeviceError, SendStatus } from '@bis/hyperv-types'
import { VstorOperation } from '@bis/hyperv-types/storage'
import { BouncePool } from './bounce-pool.ts'
import { ControlExchange } from './exchange.ts'
import type { Negotiated } from './handshake.ts'
import { handshake } from './handshake.ts'
import { HostPackets } from './host-packets.ts'
import type { IoChannel } from './io-channel.ts'
import { IoChannels } from './io-channels.ts'
import type { StorvscRequest } from './request.ts'
import { RequestPool } from './request-pool.ts'
import { RequestTimeouts } from './request-timeouts.ts'
import type { ScsiAddress } from './scsi-address.ts'
import type { StorvscSettings } from './settings.ts'
import { queueDepth } from './settings.ts'
import { StorvscStatistics } from './statistics.ts'

const RESETS = {
  lun: VstorOperation.RESET_LUN,
  bus: VstorOperation.RESET_BUS,
  adapter: VstorOperation.RESET_ADAPTER,
} as const
export type ResetKind = keyof typeof RESETS

export interface AdapterOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly log: Logger
  readonly settings: StorvscSettings
  readonly fibreChannel?: boolean
  /** The channel broke: nothing works until the controller is attached again. */
  readonly onBroken?: (error: Error) => void
}

/**
 * A storage controller of the host, as its driver works with it: the handshake, the channels, and a fixed number of
 * requests that go out and come back. Knows nothing of disks.
 */
export class StorvscAdapter {
  readonly statistics = new StorvscStatistics()
  readonly channel: Channel
  readonly settings: StorvscSettings
  readonly clock: Clock
  readonly log: Logger
  /** What is free of them to take, fill in and {@link submit}. */
  readonly requests: RequestPool
  /** Longest transfer of one request, in bytes. */
  maxTransferBytes = 0
  negotiated: Negotiated | undefined
  readonly #fibreChannel: boolean
  readonly #onBroken: ((error: Error) => void) | undefined
  readonly #exchange: ControlExchange
  readonly #channels: IoChannels
  readonly #timeouts: RequestTimeouts
  readonly #busListeners = new Set<() => void>()
  #closed = false

  constructor(options: AdapterOptions) {
    const { channel, clock, log, settings } = options
    const { statistics } = this
    this.channel = channel
    this.clock = clock
    this.log = log
    this.settings = settings
    this.#fibreChannel = options.fibreChannel ?? false
    this.#onBroken = options.onBroken
    const requests = new RequestPool(clock, new BouncePool(channel.pages, settings.bouncePages))
    const exchange = new ControlExchange(channel, clock, settings.handshakeTimeoutMs)
    const packets = new HostPackets({
      requests,
      statistics,
      log,
      answer: (packet) => exchange.answer(packet),
      busChanged: () => {
        for (const listener of this.#busListeners) listener()
      },
      renamed: (names) => {
        if (this.negotiated === undefined) return false
        this.negotiated = { ...this.negotiated, names }
        return true
      },
    })
    this.requests = requests
    this.#exchange = exchange
    this.#channels = new IoChannels({
      primary: channel,
      clock,
      log,
      settings,
      onPacket: (packet, index) => {
        requests.beginTurn()
        packets.take(packet, index)
      },
      onTurnEnd: () => requests.endTurn(),
      onFailure: (error) => this.#broken(error),
      onGone: (io) => void this.#moveAway(io),
    })
    this.#timeouts = new RequestTimeouts({
      clock,
      log,
      requests,
      seconds: settings.timeout,
      resetLun: (request) => void exchange.post(VstorOperation.RESET_LUN, request),
      giveUp: (request) => this.#giveUp(request),
    })
    channel.gone.addEventListener('abort', () => this.gone(), { once: true })
  }

  /** Channels in use, the primary one first. */
  get channels(): readonly IoChannel[] {
    return this.#channels.all
  }

  /** Gone or closed: nothing will be sent any more. */
  get closed(): boolean {
    return this.#closed
  }

  /** Calls the listener when the host says that LUNs have come or gone. */
  onBusChange(listener: () => void): () => void {
    this.#busListeners.add(listener)
    return () => this.#busListeners.delete(listener)
  }

  /**
   * Opens the channel, initialises the controller and opens its sub-channels.
   * @throws DeviceError, with the channel closed again.
   */
  async start(signal: AbortSignal): Promise<Negotiated> {
    const { settings, requests } = this
    const channels = this.#channels
    const exchange = this.#exchange
    const stop = AbortSignal.any([signal, this.channel.gone])
    this.#closed = false
    await channels.openPrimary(stop)
    try {
      const negotiated = await handshake(exchange, this.#fibreChannel, stop)
      const maxTransferBytes = Math.min(negotiated.maxTransferBytes, settings.maxTransferBytes)
      this.negotiated = negotiated
      this.maxTransferBytes = maxTransferBytes
      requests.fill(queueDepth(settings, maxTransferBytes))
      channels.carry({ version: negotiated.version, maxTransferBytes })
      await channels.openSubchannels(exchange, negotiated.maxSubchannels, stop)
      requests.thaw()
      return negotiated
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Sends a request that was filled in; its owner is told when it has ended, never inside this call. */
  submit(request: StorvscRequest): void {
    const io = this.#channels.choose(request)
    request.clearOutcome()
    if (this.#closed || io === undefined) {
      this.#failSoon(request)
      return
    }
    request.channelIndex = io.index
    this.#timeouts.watch(request)
    const result = io.send(request, this.#timeouts.of(request))
    if (result === SendStatus.full) this.statistics.ringFull++
    else if (result !== SendStatus.sent) this.#failSoon(request)
  }

  /** Publishes requests together that are submitted until {@link endBatch}; while answers are handled that is so anyway. */
  beginBatch(): void {
    if (!this.requests.inTurn) for (const { channel } of this.channels) channel.beginBatch()
  }

  endBatch(): void {
    if (!this.requests.inTurn) for (const { channel } of this.channels) channel.endBatch()
  }

  /** Asks the host to reset a unit; resolves when it says that it has. What is in hand ends with its own answers. */
  async reset(kind: ResetKind, unit: ScsiAddress, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw new DeviceError('removed', 'the controller is gone')
    await this.#exchange.step(`RESET_${kind.toUpperCase()}`, RESETS[kind], signal, unit)
  }

  /** Closes the channels for a while: what is in hand is waited for, what comes after waits for {@link start}. */
  async suspend(): Promise<void> {
    const limit = new Promise<void>((resolve) => this.clock.after(this.settings.timeout * 1000, resolve))
    this.requests.freeze()
    await Promise.race([this.requests.drained(), limit])
    await this.#channels.close()
    for (const request of this.requests.all) {
      if (request.isUnderWay) request.fail('timeout')
      this.#endStranded(request)
    }
    this.#timeouts.stop()
  }

  /** Ends everything that is in hand as removed and closes the channels. Buffers go back once the host let go of them. */
  async close(): Promise<void> {
    const { requests } = this
    const { bounce } = requests
    requests.freeze()
    const stranded = requests.all.filter(({ isWithHost }) => isWithHost)
    this.gone()
    try {
      await this.#channels.close()
      for (const request of stranded) this.#endStranded(request)
      bounce.drain()
    } catch (error) {
      // Nobody knows whether the host still writes to these pages.
      for (const request of stranded) if (request.bounce !== undefined) bounce.leak(request.bounce)
      this.log.log('error', `closing failed, buffers in use are given up: ${String(error)}`)
    }
    this.#timeouts.stop()
    requests.pump()
  }

  /** The host took the controller away, or its channel broke: everything in hand ends. */
  gone(): void {
    this.#closed = true
    for (const request of this.requests.all) if (request.isUnderWay) request.fail('removed')
    for (const io of this.channels) io.clear()
    this.requests.pump()
  }

  #broken(error: Error): void {
    this.gone()
    if (this.#onBroken !== undefined) this.#onBroken(error)
    else this.log.log('error', `channel broke: ${error.message}`)
  }

  #failSoon(request: StorvscRequest): void {
    this.clock.soon(() => request.fail('removed'))
  }

  #giveUp(request: StorvscRequest): void {
    this.statistics.timeouts++
    if (request.state === 'waiting') this.channels[request.channelIndex]?.drop(request)
    request.fail('timeout')
  }

  /** The host has let go of a request whose owner was told that it failed. */
  #endStranded(request: StorvscRequest): void {
    if (request.state !== 'abandoned') return
    request.answered()
    this.requests.release(request)
  }

  /** A sub-channel is gone: once the host has let go of what it carried, that goes over the other channels. */
  async #moveAway(io: IoChannel): Promise<void> {
    if (io.lost || this.#closed) return
    const onIt = (request: StorvscRequest): boolean => request.channelIndex === io.index && request.isUnderWay
    const moved = this.requests.all.filter(onIt)
    this.#channels.lose(io)
    this.log.log('info', `sub-channel ${io.index} is gone; ${moved.length} requests move`)
    await io.channel.close()
    for (const request of moved) {
      if (!onIt(request)) continue
      request.renew()
      this.submit(request)
    }
  }
}
