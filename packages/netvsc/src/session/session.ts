import type { Channel, ChannelError, Clock, Gpadl, Logger, Packet, PageRun, ReceiveHandler } from '@bis/hyperv-types'
import { DeviceError, PAGE_SIZE, SendStatus, sleep } from '@bis/hyperv-types'
import {
  NDIS_6_1,
  NDIS_6_30,
  NVSP_MAX_CHANNELS,
  NVSP_MAX_RECEIVE_RANGES_RSC,
  NVSP_RECEIVE_BUFFER_ID,
  NVSP_SEND_BUFFER_ID,
  NVSP_VERSIONS,
  NvspMessageType,
  NvspStatus,
  NvspSubchannelOperation,
  NvspVersion,
  nvspMessage,
  nvspMessageBytes,
  Oid,
} from '@bis/hyperv-types/network'
import { PacketType } from '@bis/hyperv-types/ring'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ReceiveSections } from '../nvs/nvs-messages.ts'
import { nvsAnswer, nvsRequest, readReceiveSections, readSendSectionBytes } from '../nvs/nvs-messages.ts'
import { SendTable } from '../nvs/send-table.ts'
import { ReceivePath } from '../receive/receive-path.ts'
import type { OffloadCapabilities } from '../rndis/offload-config.ts'
import { NO_OFFLOADS, offloadParameters, offloadQuery, readOffloads } from '../rndis/offload-config.ts'
import type { RndisLimits } from '../rndis/rndis-exchange.ts'
import { RNDIS_ID_HIGH, RndisExchange } from '../rndis/rndis-exchange.ts'
import type { RssCapabilities } from '../rndis/rss-config.ts'
import { NO_RSS, readRssCapabilities, rssOff, rssOn, rssQuery } from '../rndis/rss-config.ts'
import type { NetvscSettings } from '../settings.ts'
import type { NetvscStatistics } from '../statistics.ts'
import { MOST_HEADER_BYTES } from '../transmit/frame-encoder.ts'
import { SendSections } from '../transmit/send-sections.ts'
import { TransmitQueue } from '../transmit/transmit-queue.ts'
import { PendingRequests } from './pending.ts'

/** High word of the transaction ids of NVSP requests. */
const NVS_ID_HIGH = 1
/** A transfer-page packet with the most ranges. */
const LONGEST_PACKET = 24 + NVSP_MAX_RECEIVE_RANGES_RSC * 8 + nvspMessage.size
const MIB = 2 ** 20
/** Receive buffers of hosts that know NVSP 2 at most. */
const OLD_RECEIVE_LIMIT = 15 * MIB
/** NETVSC_SEND_BUFFER_SIZE_MAX of Linux and FreeBSD. */
const SEND_LIMIT = 15 * MIB
const DEFAULT_CHANNELS = 8
/** Between tries of a control message that finds the ring full, in milliseconds. */
const RETRY_MS = 5
const DRAIN_MS = 1000
const Capability = { sriov: 0x04, ieee8021q: 0x08, teaming: 0x20, rsc: 0x80 } as const

export interface SessionOwner {
  readonly clock: Clock
  readonly log: Logger
  readonly settings: NetvscSettings
  readonly statistics: NetvscStatistics
  handler(): ReceiveHandler | undefined
  /** A burst is over: there may be room for what was stalled. */
  roomAgain(): void
  indicated(status: number, data: Uint8Array): void
  /** The host gives a virtual function, or takes it away. */
  association(allocated: boolean, serial: number): void
  /** The host has moved the data path on its own. */
  dataPathMoved(toFunction: boolean): void
  failed(error: Error): void
}

/** What stays the same when the device is started again. */
export interface SessionConfig {
  readonly mtu: number
  /** Version to ask for; undefined for the newest that the host speaks. */
  readonly version?: number
  readonly rssKey: ArrayLike<number>
  readonly rssTable?: readonly number[]
  readonly coalesce: boolean
}

/**
 * One life of the device, from opening its channel to closing it: negotiation, buffers, RNDIS, queues. Every step of
 * `start` leaves how to undo it; `stop` and a failed start run the same list backwards.
 */
export class NetvscSession {
  readonly channel: Channel
  readonly table = new SendTable()
  version = 0
  ndisVersion = 0
  capabilities = 0
  limits: RndisLimits = { maxPackets: 1, maxTransfer: 0x4000, alignment: 1 }
  offloads: OffloadCapabilities = NO_OFFLOADS
  rss: RssCapabilities = NO_RSS
  rssTable: readonly number[] = []
  sections: ReceiveSections = { sectionBytes: 0, count: 0 }
  sendSections = new SendSections(0, 0)
  rndis: RndisExchange
  queues: TransmitQueue[] = []
  paths: ReceivePath[] = []
  offeredQueues = 1
  readonly #owner: SessionOwner
  #sending: Pick<NetvscSettings, 'aggregate' | 'copyThreshold'>
  readonly #undo: (() => Promise<void> | void)[] = []
  readonly #nvs: PendingRequests<Packet>
  readonly #stopped = new AbortController()
  #controlRun: PageRun
  #receive: PageRun | undefined
  #send: PageRun | undefined
  #inBurst = false

  constructor(channel: Channel, owner: SessionOwner) {
    this.channel = channel
    this.#owner = owner
    this.#sending = owner.settings
    this.#nvs = new PendingRequests(owner.clock, owner.settings.requestTimeoutMs)
    this.#controlRun = channel.pages.allocate(RndisExchange.pages)
    this.#undo.push(() => channel.pages.free(this.#controlRun))
    this.rndis = this.#makeRndis(nvspMessage.size)
  }

  /** @throws DeviceError, ChannelError; everything is undone then */
  async start(config: SessionConfig, signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.channel.gone, this.#stopped.signal])
    const onStop = (): void => this.#fail(stop.reason instanceof Error ? stop.reason : gone())
    stop.addEventListener('abort', onStop, { once: true })
    this.#undo.push(() => stop.removeEventListener('abort', onStop))
    try {
      stop.throwIfAborted()
      await this.#open(this.channel, 0, stop)
      this.#undo.push(() => this.channel.close())
      await this.#negotiate(config)
      await this.#shareBuffers(stop)
      this.#addQueue(this.channel, 0)
      this.limits = await this.rndis.initialize()
      this.#undo.push(() => this.rndis.halt())
      const { maxPackets, maxTransfer, alignment } = this.limits
      const { log } = this.#owner
      log.log('debug', `RNDIS ver 1.0, aggpkt size ${maxTransfer}, aggpkt cnt ${maxPackets}, aggpkt align ${alignment}`)
      this.#rebuildQueues()
      await this.rndis.set(Oid.GEN_CURRENT_PACKET_FILTER, word(0))
      await this.#setOffloads(config.coalesce)
      await this.#openSubchannels(config, stop)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Undoes everything; resolves when nothing of it is left. A second call waits for nothing. */
  async stop(error: Error = gone()): Promise<void> {
    const alive = !this.channel.gone.aborted
    if (alive && this.queues.length > 0) await this.#quiet()
    this.#fail(error)
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      try {
        await undo()
      } catch (failure) {
        this.#owner.log.log(
          'warning',
          `while stopping: ${failure instanceof Error ? failure.message : String(failure)}`,
        )
      }
    }
    // No loops: there are holes when not all sub-channels came.
    this.queues.splice(0).forEach((queue) => {
      queue.free(this.channel.pages)
    })
    this.paths.splice(0).forEach((path) => {
      path.close()
    })
  }

  /** Asks for the frames of `filter`; 0 for none. */
  setFilter(filter: number): Promise<void> {
    return this.rndis.set(Oid.GEN_CURRENT_PACKET_FILTER, word(filter))
  }

  async setOffloads(coalesce: boolean): Promise<void> {
    await this.rndis.set(Oid.TCP_OFFLOAD_PARAMETERS, offloadParameters(this.version, this.offloads, coalesce))
  }

  /** Changes how frames are copied and joined, on the queues there are and on later ones. */
  setSending(settings: Pick<NetvscSettings, 'aggregate' | 'copyThreshold'>): void {
    this.#sending = settings
    for (const queue of this.queues) queue.configure(this.#sendLimits())
  }

  /** Programs the indirection table and key: off first, then all of it. @throws DeviceError */
  async setScaling(hashes: number, table: readonly number[], key: ArrayLike<number>): Promise<void> {
    if (this.rss.entries === 0 || this.queues.length < 2) {
      throw new DeviceError('not-supported', 'there is one queue: no key and no table to set')
    }
    if (table.some((entry) => !(entry >= 0 && entry < this.queues.length))) {
      throw new DeviceError('invalid-argument', `the table names queues beyond the ${this.queues.length} there are`)
    }
    await this.rndis.set(Oid.GEN_RECEIVE_SCALE_PARAMETERS, rssOff())
    await this.rndis.set(Oid.GEN_RECEIVE_SCALE_PARAMETERS, rssOn(hashes, table, key))
    this.rssTable = table
  }

  /** Tells the host where unicast goes; resolves when it has moved. */
  async switchDataPath(toFunction: boolean): Promise<void> {
    await this.#ask('SWITCH_DATA_PATH', nvsRequest(NvspMessageType.SWITCH_DATA_PATH, toFunction ? 1 : 0))
  }

  get outstanding(): number {
    let total = 0
    for (const queue of this.queues) total += queue.outstanding
    return total
  }

  async #negotiate(config: SessionConfig): Promise<void> {
    const candidates = config.version === undefined ? NVSP_VERSIONS : [config.version]
    for (const candidate of candidates) {
      const packet = await this.#ask('INIT', nvsRequest(NvspMessageType.INIT, candidate, candidate))
      const body = nvsAnswer(packet, NvspMessageType.INIT_COMPLETE, 12)
      if (body.getUint32(8, true) !== NvspStatus.SUCCESS) continue
      this.version = candidate
      break
    }
    if (this.version === 0) throw new DeviceError('attach-failed', 'the host speaks no NVSP version of ours')
    this.ndisVersion = this.version >= NvspVersion.V5 ? NDIS_6_30 : NDIS_6_1
    this.rndis = this.#makeRndis(nvspMessageBytes(this.version))
    const { log, settings } = this.#owner
    const major = this.ndisVersion >>> 16
    const minor = this.ndisVersion & 0xffff
    log.log('debug', `NVS version 0x${this.version.toString(16)}, NDIS version ${major}.${minor}`)
    if (this.version >= NvspVersion.V2) {
      let capabilities: number = Capability.ieee8021q
      // NVSP 4 has the messages of a virtual function, and its hosts offer one; the wish for one is told by this bit.
      if (this.version >= NvspVersion.V4) capabilities |= Capability.sriov
      if (this.version >= NvspVersion.V5) capabilities |= Capability.teaming
      if (this.version >= NvspVersion.V6_1 && settings.coalesce) capabilities |= Capability.rsc
      this.capabilities = capabilities
      await this.#tell(nvsRequest(NvspMessageType.SEND_NDIS_CONFIG, config.mtu + 14, 0, capabilities))
      log.log('debug', 'nvs ndis conf done')
    }
    await this.#tell(nvsRequest(NvspMessageType.SEND_NDIS_VER, major, minor))
  }

  get #wantedChannels(): number {
    return this.#owner.settings.channelCount || Math.min(DEFAULT_CHANNELS, this.channel.processorCount)
  }

  async #shareBuffers(signal: AbortSignal): Promise<void> {
    const { settings, log } = this.#owner
    const memory = this.channel.memory.byteLength
    const wanted = settings.receiveBufferBytes || Math.min(16 * MIB, Math.floor(memory / 8))
    const limit = this.version <= NvspVersion.V2 ? OLD_RECEIVE_LIMIT : 31 * MIB
    const receive = await this.#share(
      Math.min(wanted, limit),
      NvspMessageType.REVOKE_RECV_BUF,
      NVSP_RECEIVE_BUFFER_ID,
      signal,
    )
    this.#receive = receive.run
    const message = nvsRequest(NvspMessageType.SEND_RECV_BUF, receive.handle, NVSP_RECEIVE_BUFFER_ID)
    const answer = await this.#ask('SEND_RECV_BUF', message)
    const body = nvsAnswer(answer, NvspMessageType.SEND_RECV_BUF_COMPLETE, 8)
    if (body.getUint32(0, true) === NvspStatus.SUCCESS && body.byteLength < 24) {
      throw new DeviceError('protocol', `SEND_RECV_BUF_COMPLETE of ${body.byteLength + 4} bytes`)
    }
    this.sections = readReceiveSections(padded(body), receive.run.byteLength)
    const sendBytes =
      settings.sendBufferBytes || Math.min(MIB * this.#wantedChannels, SEND_LIMIT, Math.floor(memory / 32))
    const send = await this.#share(sendBytes, NvspMessageType.REVOKE_SEND_BUF, NVSP_SEND_BUFFER_ID, signal)
    const reply = await this.#ask(
      'SEND_SEND_BUF',
      nvsRequest(NvspMessageType.SEND_SEND_BUF, send.handle, NVSP_SEND_BUFFER_ID),
    )
    const sectionBytes = readSendSectionBytes(
      nvsAnswer(reply, NvspMessageType.SEND_SEND_BUF_COMPLETE, 8),
      send.run.byteLength,
    )
    this.#send = send.run
    this.sendSections = new SendSections(send.run.byteLength, sectionBytes)
    log.log('debug', `chimney sending buffer ${sectionBytes}/${this.sendSections.count}`)
  }

  async #share(byteLength: number, revoke: number, id: number, signal: AbortSignal): Promise<Gpadl> {
    const { channel } = this
    const run = channel.pages.allocate(Math.max(1, Math.floor(byteLength / PAGE_SIZE)))
    // Below what closes the channel in the list, so done after it.
    this.#undo.splice(1, 0, () => channel.pages.free(run))
    const gpadl = await channel.establishGpadl(run, signal)
    // Hosts before Windows 10 want the buffer back while the channel is open, later ones when it is closed.
    const early = channel.protocolVersion < VmbusVersion.V4_0
    const teardown = async (): Promise<void> => {
      if (!channel.gone.aborted) await channel.teardownGpadl(gpadl)
    }
    if (!early) this.#undo.splice(2, 0, teardown)
    this.#undo.push(async () => {
      if (channel.gone.aborted || channel.state !== 'open') return
      this.#sendNvs(nvsRequest(revoke, id), 0, 0)
      if (early) await teardown()
    })
    return gpadl
  }

  async #setOffloads(coalesce: boolean): Promise<void> {
    const { log } = this.#owner
    try {
      this.offloads = readOffloads(
        await this.rndis.query(Oid.TCP_OFFLOAD_HARDWARE_CAPABILITIES, offloadQuery(this.version)),
      )
      await this.setOffloads(coalesce)
      log.log('debug', 'offload config done')
    } catch (error) {
      if (!(error instanceof DeviceError) || error.code !== 'not-supported') throw error
      this.offloads = NO_OFFLOADS
      log.log('debug', `no offloads: ${error.message}`)
    }
  }

  async #openSubchannels(config: SessionConfig, signal: AbortSignal): Promise<void> {
    const { log } = this.#owner
    this.table.spread(1)
    if (this.version < NvspVersion.V5) return
    try {
      this.rss = readRssCapabilities(await this.rndis.query(Oid.GEN_RECEIVE_SCALE_CAPABILITIES, rssQuery()))
    } catch (error) {
      if (!(error instanceof DeviceError) || error.code !== 'not-supported') throw error
    }
    this.offeredQueues = this.rss.queues
    const count = Math.min(this.#wantedChannels, this.rss.queues, NVSP_MAX_CHANNELS)
    log.log('debug', `RSS indirect table size ${this.rss.entries}`)
    if (count < 2 || this.rss.entries === 0) return
    log.log('debug', `${this.rss.queues} RX rings offered, ${count} requested`)
    const message = nvsRequest(NvspMessageType.SUBCHANNEL, NvspSubchannelOperation.ALLOCATE, count - 1)
    const body = nvsAnswer(await this.#ask('SUBCHANNEL', message), NvspMessageType.SUBCHANNEL, 8)
    const granted = body.getUint32(4, true)
    if (body.getUint32(0, true) !== NvspStatus.SUCCESS || granted === 0) {
      log.log('debug', 'the host gives no sub-channels')
      return
    }
    if (granted > count - 1) {
      log.log('warning', `the host gives ${granted} sub-channels, ${count - 1} were asked for: going on with one queue`)
      return
    }
    if (!(await this.#adopt(granted, signal))) return
    this.#rebuildQueues()
    this.table.spread(this.queues.length)
    const own = Array.from({ length: this.rss.entries }, (_, i) => i % this.queues.length)
    const kept = config.rssTable
    const usable = kept?.length === this.rss.entries && kept.every((entry) => entry < this.queues.length)
    await this.setScaling(this.rss.hashes, usable ? kept : own, config.rssKey)
    log.log('debug', `${granted} sub-channels attached`)
  }

  /** Opens the sub-channels as they are offered. @returns false when not all came, or one failed: then none is used */
  async #adopt(count: number, signal: AbortSignal): Promise<boolean> {
    const { clock, settings, log } = this.#owner
    const opened: Channel[] = []
    let stopListening: () => void = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = clock.after(settings.requestTimeoutMs, () =>
          reject(new DeviceError('timeout', `${opened.length} of ${count} sub-channels came`)),
        )
        const done = (): void => {
          timer.cancel()
          resolve()
        }
        const failed = (error: unknown): void => {
          timer.cancel()
          reject(error)
        }
        signal.addEventListener('abort', () => failed(gone()), { once: true })
        stopListening = this.channel.onSubchannel((channel) => {
          const index = channel.offer.subIndex
          if (index < 1 || index > count || channel.state !== 'offered') return
          this.#addQueue(channel, index)
          this.#open(channel, index, signal).then(() => {
            opened.push(channel)
            if (opened.length === count) done()
          }, failed)
        })
      })
      for (const channel of opened) {
        channel.gone.addEventListener('abort', () => this.#owner.failed(gone()), { once: true })
      }
      return true
    } catch (error) {
      if (signal.aborted) throw error
      for (const channel of opened) await channel.close()
      this.queues.splice(1).forEach((queue) => {
        queue.free(this.channel.pages)
      })
      this.paths.splice(1).forEach((path) => {
        path.close()
      })
      log.log('warning', `going on with one queue: ${error instanceof Error ? error.message : String(error)}`)
      return false
    } finally {
      stopListening()
    }
  }

  async #open(channel: Channel, index: number, signal: AbortSignal): Promise<void> {
    const bytes = this.#owner.settings.ringPages * PAGE_SIZE
    const cpu = (this.channel.cpu + index) % channel.processorCount
    await channel.open({
      txRingBytes: bytes,
      rxRingBytes: bytes,
      maxPacketBytes: LONGEST_PACKET,
      cpu,
      signal,
      onPacket: (packet) => this.#onPacket(packet, index),
      onBatchEnd: () => this.#onBatchEnd(index),
      onWritable: () => this.#onWritable(index),
      onFailure: (error: ChannelError) => this.#owner.failed(error),
    })
  }

  #addQueue(channel: Channel, index: number): void {
    this.queues[index] = this.#makeQueue(channel)
    this.paths[index] = new ReceivePath({
      channel,
      buffer: this.#need(this.#receive),
      setId: NVSP_RECEIVE_BUFFER_ID,
      sectionBytes: this.sections.sectionBytes,
      sectionCount: this.sections.count,
      queue: index,
      statistics: this.#owner.statistics,
      handler: () => this.#owner.handler(),
      control: (bytes, view, at, length) => index === 0 && this.rndis.onMessage(bytes, view, at, length),
      violation: (what) => this.#violation(what),
    })
  }

  /** The limits of INITIALIZE_C are in force from now on; nothing was sent before. */
  #rebuildQueues(): void {
    this.queues = this.queues.map((queue) => {
      queue.free(this.channel.pages)
      return this.#makeQueue(queue.channel)
    })
  }

  #makeQueue(channel: Channel): TransmitQueue {
    const { settings, statistics } = this.#owner
    return new TransmitQueue({
      channel,
      sections: this.sendSections,
      sendBuffer: this.#send,
      limits: this.limits,
      messageBytes: nvspMessageBytes(this.version),
      descriptors: settings.txDescriptors,
      largeBuffers: settings.largeBuffers,
      ...this.#sendLimits(),
      statistics,
    })
  }

  #sendLimits() {
    const { aggregate, copyThreshold } = this.#sending
    const { sectionBytes } = this.sendSections
    const threshold = copyThreshold === 0 ? sectionBytes : copyThreshold + MOST_HEADER_BYTES
    return {
      aggregate: aggregate === 0 ? this.limits.maxPackets : aggregate,
      copyThreshold: Math.min(threshold, sectionBytes),
    }
  }

  #onPacket(packet: Packet, index: number): void {
    this.#inBurst = true
    if (packet.type === PacketType.dataUsingXferPages) {
      const path = this.paths[index]
      if (path === undefined) this.#violation('frames before there is a receive buffer')
      else path.onPacket(packet)
    } else if (packet.type === PacketType.completion) this.#onCompletion(packet, index)
    else if (packet.type === PacketType.dataInBand && index === 0) this.#onNotification(packet)
    else this.#violation(`packet of type ${packet.type} on channel ${index}`)
  }

  #onBatchEnd(index: number): void {
    this.paths[index]?.onBatchEnd()
    this.#inBurst = false
    this.#owner.roomAgain()
  }

  #onWritable(index: number): void {
    this.paths[index]?.onWritable()
    this.queues[index]?.onWritable()
    if (index === 0) this.rndis.onWritable()
    if (!this.#inBurst) this.#owner.roomAgain()
  }

  #onCompletion(packet: Packet, index: number): void {
    const { transactionIdLow: low, transactionIdHigh: high, view, dataOffset, dataLength } = packet
    if (high === 0) {
      const status = dataLength >= 8 ? view.getUint32(dataOffset + 4, true) : NvspStatus.FAIL
      if (this.queues[index]?.completed(low, status) === true) return
    } else if (high === NVS_ID_HIGH && index === 0) {
      if (this.#nvs.resolve(low, copyOf(packet))) return
    } else if (high === RNDIS_ID_HIGH && index === 0) {
      if (this.rndis.completed(low - 1)) return
    }
    this.#violation(`completion of id ${high.toString(16)}:${low.toString(16)}, which is not outstanding`)
  }

  #onNotification(packet: Packet): void {
    const { view, dataOffset: at, dataLength } = packet
    const type = dataLength >= 12 ? view.getUint32(at, true) : -1
    switch (type) {
      case NvspMessageType.SEND_VF_ASSOCIATION:
        this.#owner.association(view.getUint32(at + 4, true) !== 0, view.getUint32(at + 8, true))
        return
      case NvspMessageType.SWITCH_DATA_PATH:
        this.#owner.dataPathMoved(view.getUint32(at + 4, true) === 1)
        return
      case NvspMessageType.SEND_INDIRECTION_TABLE:
        if (!this.table.read(packet, this.version))
          this.#violation(`a send table of ${dataLength} bytes that does not fit`)
        return
      default:
        this.#violation(`NVSP message ${type} of ${dataLength} bytes`)
    }
  }

  /** Stops frames both ways before the buffers go: filter 0, then waits for what the host has. */
  async #quiet(): Promise<void> {
    const { clock, log } = this.#owner
    try {
      await this.setFilter(0)
    } catch (error) {
      log.log('debug', `filter not cleared: ${error instanceof Error ? error.message : String(error)}`)
    }
    const end = clock.now() + DRAIN_MS
    for (const queue of this.queues) queue.flush()
    while (this.outstanding > 0 && clock.now() < end && !this.channel.gone.aborted) await sleep(clock, 1)
    if (this.outstanding > 0) log.log('warning', `${this.outstanding} messages were never completed`)
  }

  /** Ends what waits; nobody waits after this. */
  #fail(error: Error): void {
    this.#nvs.close(error)
    this.rndis.close(error)
    if (!this.#stopped.signal.aborted) this.#stopped.abort(error)
  }

  async #ask(what: string, message: Uint8Array): Promise<Packet> {
    const { id, answer } = this.#nvs.wait(`NVSP ${what}`)
    for (;;) {
      const status = this.#sendNvs(message, 1, id)
      if (status === SendStatus.sent) break
      if (status !== SendStatus.full) {
        this.#nvs.reject(id, gone())
        break
      }
      await sleep(this.#owner.clock, RETRY_MS)
      if (!this.#nvs.has(id)) break
    }
    return answer
  }

  async #tell(message: Uint8Array): Promise<void> {
    while (this.#sendNvs(message, 0, 0) === SendStatus.full) await sleep(this.#owner.clock, RETRY_MS)
  }

  #sendNvs(message: Uint8Array, flags: number, id: number): SendStatus {
    const { length } = message
    return this.channel.send(PacketType.dataInBand, flags, id, NVS_ID_HIGH, undefined, 0, message, 0, length)
  }

  #makeRndis(messageBytes: number): RndisExchange {
    const { clock, settings } = this.#owner
    const exchange = new RndisExchange(this.channel, clock, settings.requestTimeoutMs, this.#controlRun, messageBytes)
    exchange.onIndicate = (status, data) => this.#owner.indicated(status, data)
    return exchange
  }

  #violation(what: string): void {
    this.#owner.statistics.protocolErrors++
    this.#owner.log.log('warning', `the host sent ${what}`, 'protocol')
  }

  #need(run: PageRun | undefined): PageRun {
    if (run === undefined) throw new DeviceError('attach-failed', 'there is no receive buffer')
    return run
  }
}

/** A packet of its own, for an answer that is looked at later. */
function copyOf(packet: Packet): Packet {
  const { type, flags, transactionIdLow, transactionIdHigh, length, dataOffset, dataLength } = packet
  const bytes = packet.bytes.slice(0, length)
  const view = new DataView(bytes.buffer)
  return { type, flags, transactionIdLow, transactionIdHigh, bytes, view, length, dataOffset, dataLength }
}

function padded(body: DataView): DataView {
  if (body.byteLength >= 24) return body
  const bytes = new Uint8Array(24)
  bytes.set(new Uint8Array(body.buffer, body.byteOffset, body.byteLength))
  return new DataView(bytes.buffer)
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff)
}

function gone(): DeviceError {
  return new DeviceError('removed', 'the network device is gone')
}
