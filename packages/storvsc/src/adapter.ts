import type { Channel, ChannelError, Clock, Logger, Packet, Timer } from '@bis/hyperv-types'
import { DeviceError, SendStatus } from '@bis/hyperv-types'
import { PacketType } from '@bis/hyperv-types/ring'
import { VSTOR_PACKET_BYTES_SHORT, VSTOR_SRB_OFFSET, VstorOperation, vstorPacket } from '@bis/hyperv-types/storage'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import { BouncePool } from './bounce-pool.ts'
import { CONTROL_ID_HIGH, ControlExchange } from './exchange.ts'
import type { Negotiated, WorldWideNames } from './handshake.ts'
import { decodeNames, handshake } from './handshake.ts'
import { IoChannel } from './io-channel.ts'
import type { RequestFailure } from './request.ts'
import { StorvscRequest } from './request.ts'
import type { StorvscSettings } from './settings.ts'
import { queueDepth } from './settings.ts'
import { decodeOutcome } from './srb-codec.ts'
import { StorvscStatistics } from './statistics.ts'

/** Bytes that every channel is opened with: room for channel properties, all zero. */
const OPEN_USER_DATA = new Uint8Array(24)
const TICK_MS = 1000
/** How long to wait for the sub-channels that the host promised, in milliseconds. */
const SUBCHANNEL_WAIT_MS = 5000
const { operation } = vstorPacket

const RESETS = {
  lun: VstorOperation.RESET_LUN,
  bus: VstorOperation.RESET_BUS,
  adapter: VstorOperation.RESET_ADAPTER,
} as const
export type ResetKind = keyof typeof RESETS

/** Where a unit is on its controller. */
export interface ScsiAddress {
  readonly path: number
  readonly target: number
  readonly lun: number
}

/** Waits for a free request or bounce buffer. */
export interface Waiter {
  /** Goes on with what it has. @returns whether it still waits. */
  pump(): boolean
}

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
  readonly bounce: BouncePool
  readonly settings: StorvscSettings
  readonly clock: Clock
  readonly log: Logger
  /** Longest transfer of one request, in bytes. */
  maxTransferBytes = 0
  negotiated: Negotiated | undefined
  readonly #fibreChannel: boolean
  readonly #onBroken: ((error: Error) => void) | undefined
  readonly #waiters = new Set<Waiter>()
  readonly #busListeners = new Set<() => void>()
  #requests: StorvscRequest[] = []
  #free: StorvscRequest[] = []
  #channels: IoChannel[] = []
  #exchange: ControlExchange | undefined
  #inHand = 0
  #frozen = true
  #failure: Error | undefined
  #tick = 0
  #ticker: Timer | undefined
  #inBatch = false
  #pumpDue = false
  #drained: (() => void) | undefined
  #stopSubchannels: (() => void) | undefined

  constructor(options: AdapterOptions) {
    this.channel = options.channel
    this.clock = options.clock
    this.log = options.log
    this.settings = options.settings
    this.#fibreChannel = options.fibreChannel ?? false
    this.#onBroken = options.onBroken
    this.bounce = new BouncePool(options.channel.pages, options.settings.bouncePages)
    const { gone } = options.channel
    gone.addEventListener('abort', () => this.gone(goneReason(gone)), { once: true })
  }

  /** Channels in use, the primary one first. */
  get channels(): readonly IoChannel[] {
    return this.#channels
  }

  /** Requests that may be in the host's hands at once. */
  get queueDepth(): number {
    return this.#requests.length
  }

  /** Gone or closed: nothing will be sent any more. */
  get closed(): boolean {
    return this.#failure !== undefined
  }

  /** Requests taken and not given back. */
  get inHand(): number {
    return this.#inHand
  }

  get names(): WorldWideNames | undefined {
    return this.negotiated?.names
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
    const { channel, settings } = this
    const stop = AbortSignal.any([signal, channel.gone])
    this.#failure = undefined
    this.#exchange = new ControlExchange(channel, this.clock, settings.handshakeTimeoutMs)
    await this.#open(channel, 0, stop)
    try {
      const negotiated = await handshake(this.#exchange, this.#fibreChannel, stop)
      this.negotiated = negotiated
      this.maxTransferBytes = Math.min(negotiated.maxTransferBytes, settings.maxTransferBytes)
      this.#makeRequests(queueDepth(settings, this.maxTransferBytes))
      this.#channels = [this.#ioChannel(channel, 0)]
      await this.#openSubchannels(negotiated.maxSubchannels, stop)
      this.thaw()
      return negotiated
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** A request of one's own, or undefined: then {@link wait}. */
  take(): StorvscRequest | undefined {
    if (this.#frozen) return undefined
    const request = this.#free.pop()
    if (request === undefined) return undefined
    this.#inHand++
    request.state = 'building'
    request.uses++
    request.reset()
    return request
  }

  /** Calls `waiter.pump` when a request or bounce buffer may be free. */
  wait(waiter: Waiter): void {
    this.#waiters.add(waiter)
  }

  /** Stops waiting. */
  forget(waiter: Waiter): void {
    this.#waiters.delete(waiter)
  }

  /** Sends a request that was filled in; its owner is told when it has ended, never inside this call. */
  submit(request: StorvscRequest): void {
    const { timeout, channels } = { timeout: request.timeout || this.settings.timeout, channels: this.#channels }
    const io = channels[(request.lun + request.cpu) % channels.length]
    request.clearOutcome()
    request.expiries = 0
    request.deadline = this.#tick + timeout + 1
    if (this.#failure !== undefined || io === undefined) {
      this.#failSoon(request, 'removed')
      return
    }
    request.channelIndex = io.index
    if (this.#ticker === undefined) this.#startTicker()
    const result = io.send(request, timeout)
    if (result === SendStatus.full) this.statistics.ringFull++
    else if (result !== SendStatus.sent) this.#failSoon(request, 'removed')
  }

  /** Publishes requests together that are submitted until {@link endBatch}, on the primary channel. */
  beginBatch(): void {
    if (!this.#inBatch) for (const { channel } of this.#channels) channel.beginBatch()
  }

  endBatch(): void {
    if (!this.#inBatch) for (const { channel } of this.#channels) channel.endBatch()
  }

  /** Gives a request back that has ended, or was never submitted. One that timed out comes back with its late answer. */
  release(request: StorvscRequest): void {
    if (request.state === 'abandoned' || request.state === 'free') return
    if (request.bounce !== undefined) this.bounce.give(request.bounce)
    request.bounce = undefined
    request.owner = undefined
    request.state = 'free'
    this.#free.push(request)
    this.#inHand--
    if (this.#waiters.size > 0 && !this.#pumpDue) {
      this.#pumpDue = true
      if (!this.#inBatch) this.clock.soon(() => this.#pump())
    }
    if (this.#inHand === 0) this.#drained?.()
  }

  /** No request can be taken until {@link thaw}. Resolves when none is in hand. */
  freeze(): Promise<void> {
    this.#frozen = true
    if (this.#inHand === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drained = () => {
        this.#drained = undefined
        resolve()
      }
    })
  }

  thaw(): void {
    this.#frozen = false
    this.#pump()
  }

  /** Asks the host to reset a unit; resolves when it says that it has. What is in hand ends with its own answers. */
  async reset(kind: ResetKind, unit: ScsiAddress, signal: AbortSignal): Promise<void> {
    if (this.#exchange === undefined || this.closed) throw new DeviceError('removed', 'the controller is gone')
    await this.#exchange.step(`RESET_${kind.toUpperCase()}`, RESETS[kind], signal, unit)
  }

  /** Closes the channels for a while: what is in hand is waited for, what comes after waits for {@link start}. */
  async suspend(): Promise<void> {
    const limit = new Promise<void>((resolve) => this.clock.after(this.settings.timeout * 1000, resolve))
    await Promise.race([this.freeze(), limit])
    this.#stopSubchannels?.()
    this.#stopSubchannels = undefined
    await this.channel.close()
    for (const request of this.#requests) {
      if (request.state === 'sent' || request.state === 'waiting') this.#fail(request, 'timeout')
      this.#endStranded(request)
    }
    this.#ticker?.cancel()
    this.#ticker = undefined
    this.#channels = []
  }

  /** Ends everything that is in hand as removed and closes the channels. Buffers go back once the host let go of them. */
  async close(): Promise<void> {
    this.#frozen = true
    this.#stopSubchannels?.()
    this.#stopSubchannels = undefined
    this.#failure ??= new DeviceError('removed', 'the controller is closed')
    const stranded = this.#strand()
    try {
      await this.channel.close()
      for (const request of stranded) this.#endStranded(request)
      this.bounce.drain()
    } catch (error) {
      // Nobody knows whether the host still writes to these pages.
      for (const { bounce } of stranded) if (bounce !== undefined) this.bounce.leak(bounce)
      this.log.log('error', `closing failed, buffers in use are given up: ${String(error)}`)
    }
    this.#ticker?.cancel()
    this.#ticker = undefined
    this.#channels = []
    this.#pump()
  }

  async #open(channel: Channel, index: number, signal: AbortSignal): Promise<void> {
    const bytes = this.settings.ringPages * 4096
    await channel.open({
      txRingBytes: bytes,
      rxRingBytes: bytes,
      userData: OPEN_USER_DATA,
      signal,
      onPacket: (packet) => this.#onPacket(packet, index),
      onBatchEnd: () => this.#onBatchEnd(),
      onWritable: () => this.#channels[index]?.flush(this.settings.timeout),
      onFailure: (error) => this.#onFailure(error),
    })
  }

  #ioChannel(channel: Channel, index: number): IoChannel {
    const { useExtension } = this.settings
    return new IoChannel(channel, index, this.negotiated?.version ?? 0, this.maxTransferBytes, useExtension)
  }

  async #openSubchannels(offered: number, signal: AbortSignal): Promise<void> {
    const { channel, settings } = this
    const wanted = settings.channelCount === 0 ? channel.processorCount - 1 : settings.channelCount - 1
    const count = Math.min(offered, wanted, channel.processorCount - 1)
    if (count <= 0 || channel.protocolVersion < VmbusVersion.V2_4) return
    const answer = await this.#exchange?.ask(
      `CREATE_SUB_CHANNELS ${count}`,
      VstorOperation.CREATE_SUB_CHANNELS,
      signal,
      count,
    )
    if (answer?.status !== 0) {
      this.log.log('warning', `the host gives no sub-channels; going on with one channel`)
      return
    }
    await new Promise<void>((resolve) => {
      const timer = this.clock.after(SUBCHANNEL_WAIT_MS, () => resolve())
      const done = (): void => {
        timer.cancel()
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
      let opened = 0
      this.#stopSubchannels = channel.onSubchannel((subchannel) => {
        if (subchannel.offer.subIndex > count) return
        this.#addSubchannel(subchannel, signal).then(
          () => ++opened === count && done(),
          (error: unknown) => this.log.log('warning', `sub-channel ${subchannel.offer.subIndex}: ${String(error)}`),
        )
      })
    })
  }

  async #addSubchannel(channel: Channel, signal: AbortSignal): Promise<void> {
    const index = this.#channels.length
    const io = this.#ioChannel(channel, index)
    this.#channels.push(io)
    try {
      await this.#open(channel, index, signal)
    } catch (error) {
      this.#lose(io)
      throw error
    }
    channel.gone.addEventListener('abort', () => void this.#moveAway(io), { once: true })
  }

  #makeRequests(depth: number): void {
    this.#requests = Array.from({ length: depth }, (_, i) => new StorvscRequest(i + 1))
    this.#free = this.#requests.toReversed()
    this.#inHand = 0
  }

  #onPacket(packet: Packet, index: number): void {
    this.#inBatch = true
    if (packet.type === PacketType.completion) this.#onCompletion(packet, index)
    else if (packet.type === PacketType.dataInBand) this.#onEvent(packet)
    else this.#violation(`packet of type ${packet.type}`)
  }

  #onBatchEnd(): void {
    if (this.#pumpDue) this.#pump()
    this.#inBatch = false
  }

  #onCompletion(packet: Packet, index: number): void {
    const { transactionIdLow: id, transactionIdHigh: high, view, dataOffset, dataLength } = packet
    if (high === CONTROL_ID_HIGH && index === 0) {
      if (this.#exchange?.answer(packet) !== true) this.#violation('answer to no control packet')
      return
    }
    const request = this.#requests[(id & 0xffff) - 1]
    const expected = request !== undefined && high === 0 && request.transactionId === id
    if (!expected || request.channelIndex !== index || (request.state !== 'sent' && request.state !== 'abandoned')) {
      this.#violation(`completion with id ${high.toString(16)}:${id.toString(16)}`)
      return
    }
    if (dataLength < VSTOR_PACKET_BYTES_SHORT || operation.get(view, dataOffset) !== VstorOperation.COMPLETE_IO) {
      this.#violation(`completion of ${dataLength} bytes`)
      request.failure = 'protocol'
    } else {
      decodeOutcome(view, dataOffset, request)
    }
    this.statistics.requests++
    const late = request.state === 'abandoned'
    request.state = 'building'
    if (late) this.release(request)
    else request.owner?.requestDone(request)
  }

  /** What the host sends unasked. Each kind has its own length. */
  #onEvent(packet: Packet): void {
    const { view, dataOffset, dataLength } = packet
    const code = dataLength >= VSTOR_SRB_OFFSET ? operation.get(view, dataOffset) : -1
    switch (code) {
      case VstorOperation.ENUMERATE_BUS:
      case VstorOperation.REMOVE_DEVICE:
        this.statistics.busEvents++
        for (const listener of this.#busListeners) listener()
        break
      case VstorOperation.FCHBA_DATA:
        if (dataLength < VSTOR_PACKET_BYTES_SHORT || this.negotiated === undefined) this.#violation('short FCHBA_DATA')
        else this.negotiated = { ...this.negotiated, names: decodeNames(view, dataOffset + VSTOR_SRB_OFFSET) }
        break
      default:
        this.#violation(`unsolicited packet of operation ${code}`)
    }
  }

  #violation(what: string): void {
    this.statistics.protocolErrors++
    this.log.log('warning', `the host sent nonsense, ignored: ${what}`, 'protocol')
  }

  #onFailure(error: ChannelError): void {
    this.gone(error)
    if (this.#onBroken !== undefined) this.#onBroken(error)
    else this.log.log('error', `channel broke: ${error.message}`)
  }

  /** The host took the controller away, or its channel broke: everything in hand ends. */
  gone(reason: Error): void {
    this.#failure ??= reason
    for (const request of this.#requests) {
      if (request.state === 'waiting' || request.state === 'sent') this.#fail(request, 'removed')
    }
    for (const io of this.#channels) io.clear()
    this.#pump()
  }

  /** Takes requests out of the host's hands as far as their owners are concerned; their buffers stay as they are. */
  #strand(): StorvscRequest[] {
    const stranded = this.#requests.filter(({ state }) => state === 'sent' || state === 'abandoned')
    this.gone(this.#failure ?? new DeviceError('removed', 'the controller is closed'))
    return stranded
  }

  #endStranded(request: StorvscRequest): void {
    if (request.state !== 'abandoned') return
    request.state = 'building'
    this.release(request)
  }

  /** Tells the owner. What the host has stays in its hands until it answers or the channel is closed. */
  #fail(request: StorvscRequest, failure: RequestFailure): void {
    request.failure = failure
    request.state = request.state === 'sent' ? 'abandoned' : 'building'
    request.owner?.requestDone(request)
  }

  #failSoon(request: StorvscRequest, failure: RequestFailure): void {
    this.clock.soon(() => this.#fail(request, failure))
  }

  /** A sub-channel is gone: once the host has let go of what it carried, that goes over the other channels. */
  async #moveAway(io: IoChannel): Promise<void> {
    if (io.lost || this.#failure !== undefined) return
    const moved = this.#requests.filter(
      ({ channelIndex, state }) => channelIndex === io.index && (state === 'sent' || state === 'waiting'),
    )
    this.#lose(io)
    this.log.log('info', `sub-channel ${io.index} is gone; ${moved.length} requests move`)
    await io.channel.close()
    for (const request of moved) {
      if (request.channelIndex !== io.index || (request.state !== 'sent' && request.state !== 'waiting')) continue
      request.uses++
      this.submit(request)
    }
  }

  #lose(io: IoChannel): void {
    io.lost = true
    io.clear()
    // Indices of the others stay: they are in requests and handlers.
    const primary = this.#channels[0]
    if (primary !== undefined) this.#channels[io.index] = primary
  }

  #pump(): void {
    this.#pumpDue = false
    for (const waiter of [...this.#waiters]) if (!waiter.pump()) this.#waiters.delete(waiter)
  }

  #startTicker(): void {
    this.#ticker = this.clock.after(TICK_MS, () => {
      this.#ticker = undefined
      this.#tick++
      for (const request of this.#requests) {
        if (request.deadline <= this.#tick && (request.state === 'sent' || request.state === 'waiting')) {
          this.#expire(request)
        }
      }
      if (this.#inHand > 0) this.#startTicker()
    })
  }

  /** The first time the host is asked to reset the LUN and gets as long again; the second time the request has failed. */
  #expire(request: StorvscRequest): void {
    const timeout = request.timeout || this.settings.timeout
    if (request.expiries++ === 0) {
      this.log.log('warning', `request to LUN ${request.lun} takes longer than ${timeout} s`, 'timeout')
      this.#exchange?.post(VstorOperation.RESET_LUN, request)
      request.deadline = this.#tick + timeout
      return
    }
    this.statistics.timeouts++
    if (request.state === 'waiting') this.#channels[request.channelIndex]?.drop(request)
    this.#fail(request, 'timeout')
  }
}

function goneReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error
    ? signal.reason
    : new DeviceError('removed', 'the host took the controller away')
}
