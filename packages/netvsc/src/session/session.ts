import type { Channel } from '@bis/hyperv-types'
import { NVSP_MAX_CHANNELS, NvspMessageType, NvspVersion, Oid } from '@bis/hyperv-types/network'
import { deviceGone, messageOf } from '../errors.ts'
import { receiveBufferBytes, sendBufferBytes } from '../nvs/buffer-sizes.ts'
import { negotiate } from '../nvs/negotiation.ts'
import { nvsRequest } from '../nvs/nvs-messages.ts'
import type { SendTable } from '../nvs/send-table.ts'
import { SharedBuffers } from '../nvs/shared-buffers.ts'
import { requestSubchannels } from '../nvs/subchannel-request.ts'
import type { ReceivePath } from '../receive/receive-path.ts'
import type { OffloadCapabilities } from '../rndis/offload-config.ts'
import { ReceiveScaling } from '../rndis/receive-scaling.ts'
import type { RndisLimits } from '../rndis/rndis-exchange.ts'
import { RndisExchange } from '../rndis/rndis-exchange.ts'
import { TaskOffloads } from '../rndis/task-offloads.ts'
import { encodeWord } from '../rndis/word.ts'
import { wantedChannels } from '../settings.ts'
import { SendSections } from '../transmit/send-sections.ts'
import type { TransmitQueue } from '../transmit/transmit-queue.ts'
import { UndoList } from '../undo-list.ts'
import { ChannelSet } from './channel-set.ts'
import { ControlPath } from './control-path.ts'
import type { SendingSettings } from './frame-paths.ts'
import { FramePaths } from './frame-paths.ts'
import type { NetChannel } from './net-channel.ts'
import type { SessionConfig, SessionOwner } from './owner.ts'

const NO_SECTIONS = new SendSections(0, 0)

/**
 * One life of the device, from opening its channel to closing it: negotiation, buffers, RNDIS, queues. Every step of
 * `start` leaves how to undo it; `stop` and a failed start run the same list backwards.
 */
export class NetvscSession {
  version = 0
  ndisVersion = 0
  limits: RndisLimits = { maxPackets: 1, maxTransfer: 0x4000, alignment: 1 }
  sendSections = NO_SECTIONS
  readonly table: SendTable
  readonly rndis: RndisExchange
  readonly scaling: ReceiveScaling
  readonly #channel: Channel
  readonly #owner: SessionOwner
  readonly #control: ControlPath
  readonly #channels: ChannelSet
  readonly #offloads: TaskOffloads
  readonly #buffers: SharedBuffers
  readonly #undo: UndoList
  readonly #stopped = new AbortController()
  #frames: FramePaths | undefined

  constructor(channel: Channel, owner: SessionOwner) {
    const run = channel.pages.allocate(RndisExchange.pages)
    this.#channel = channel
    this.#owner = owner
    this.#undo = new UndoList(owner.log)
    this.#undo.push(() => channel.pages.free(run))
    this.#control = new ControlPath(channel, run, owner)
    this.table = this.#control.table
    this.rndis = this.#control.rndis
    this.scaling = new ReceiveScaling(this.rndis)
    this.#channels = new ChannelSet(channel, owner)
    this.#offloads = new TaskOffloads(this.rndis)
    this.#buffers = new SharedBuffers(channel, this.#control.nvs, owner.log)
  }

  /** By channel; none before the session has started. */
  get queues(): readonly TransmitQueue[] {
    return this.#channels.queues
  }

  get paths(): readonly ReceivePath[] {
    return this.#channels.paths
  }

  get offloads(): OffloadCapabilities {
    return this.#offloads.capabilities
  }

  /** Messages that the host has not completed. */
  get outstanding(): number {
    return this.#channels.outstanding
  }

  /** @throws DeviceError, ChannelError; everything is undone then */
  async start(config: SessionConfig, signal: AbortSignal): Promise<void> {
    const channel = this.#channel
    const stop = AbortSignal.any([signal, channel.gone, this.#stopped.signal])
    const onStop = (): void => this.abort(stop.reason instanceof Error ? stop.reason : deviceGone())
    stop.addEventListener('abort', onStop, { once: true })
    this.#undo.push(() => stop.removeEventListener('abort', onStop))
    try {
      stop.throwIfAborted()
      this.#undo.push(() => this.#buffers.free())
      const primary = await this.#channels.openPrimary(this.#control, stop)
      this.#undo.push(() => channel.close())
      await this.#negotiate(config)
      this.#undo.push(() => this.#buffers.revoke())
      const frames = await this.#shareBuffers(stop)
      primary.path = frames.receivePath(primary)
      await this.#beginRndis()
      primary.queue = frames.transmitQueue(primary, this.limits)
      await this.setFilter(0)
      await this.#offloads.begin(this.version, config.coalesce, this.#owner.log)
      await this.#addChannels(frames, config, stop)
      this.#channels.complete()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Undoes everything; resolves when nothing of it is left. A second call waits for nothing. */
  async stop(error: Error = deviceGone()): Promise<void> {
    if (!this.#channel.gone.aborted) await this.#quiet()
    this.abort(error)
    await this.#undo.run()
    this.#channels.release()
  }

  /** Ends what waits, a start included; nobody waits after this. */
  abort(error: Error): void {
    this.#control.close(error)
    if (!this.#stopped.signal.aborted) this.#stopped.abort(error)
  }

  /** Asks for the frames of `filter`; 0 for none. */
  setFilter(filter: number): Promise<void> {
    return this.rndis.set(Oid.GEN_CURRENT_PACKET_FILTER, encodeWord(filter))
  }

  /** @param coalesce whether the host may join TCP segments */
  setOffloads(coalesce: boolean): Promise<void> {
    return this.#offloads.switch(coalesce)
  }

  /** Changes how frames are copied and joined. */
  setSending(settings: SendingSettings): void {
    const sending = this.#frames?.sending(settings, this.limits)
    if (sending !== undefined) for (const queue of this.queues) queue.configure(sending)
  }

  /** Programs the indirection table and key. @throws DeviceError */
  setScaling(table: readonly number[], key: ArrayLike<number>): Promise<void> {
    return this.scaling.program(table, key, this.#channels.count)
  }

  /** Tells the host where unicast goes; resolves when it has moved. */
  async switchDataPath(toFunction: boolean): Promise<void> {
    const message = nvsRequest(NvspMessageType.SWITCH_DATA_PATH, toFunction ? 1 : 0)
    await this.#control.nvs.ask('SWITCH_DATA_PATH', message)
  }

  async #negotiate({ version, mtu }: SessionConfig): Promise<void> {
    const { settings, log } = this.#owner
    const agreed = await negotiate(this.#control.nvs, { version, mtu, coalesce: settings.coalesce }, log)
    this.version = agreed.version
    this.ndisVersion = agreed.ndisVersion
    this.#control.agreed(agreed.version)
  }

  async #shareBuffers(signal: AbortSignal): Promise<FramePaths> {
    const { settings, log } = this.#owner
    const { version, rndis } = this
    const { memory, processorCount } = this.#channel
    const receive = await this.#buffers.shareReceive(receiveBufferBytes(settings, memory.byteLength, version), signal)
    const sendBytes = sendBufferBytes(settings, memory.byteLength, wantedChannels(settings, processorCount))
    const send = await this.#buffers.shareSend(sendBytes, signal)
    this.sendSections = send.sections
    log.log('debug', `chimney sending buffer ${send.sections.sectionBytes}/${send.sections.count}`)
    this.#frames = new FramePaths(this.#owner, { version, receive, send, rndis })
    return this.#frames
  }

  async #beginRndis(): Promise<void> {
    this.limits = await this.rndis.initialize()
    this.#undo.push(() => this.rndis.halt())
    const { maxPackets, maxTransfer, alignment } = this.limits
    const text = `RNDIS ver 1.0, aggpkt size ${maxTransfer}, aggpkt cnt ${maxPackets}, aggpkt align ${alignment}`
    this.#owner.log.log('debug', text)
  }

  /** Takes more channels when there are more, and spreads frames over them. */
  async #addChannels(frames: FramePaths, config: SessionConfig, signal: AbortSignal): Promise<void> {
    const { log, settings } = this.#owner
    const { scaling, table } = this
    table.spread(1)
    if (this.version < NvspVersion.V5) return
    await scaling.learn()
    const { queues, entries } = scaling.capabilities
    const count = Math.min(wantedChannels(settings, this.#channel.processorCount), queues, NVSP_MAX_CHANNELS)
    log.log('debug', `RSS indirect table size ${entries}`)
    if (count < 2 || entries === 0) return
    log.log('debug', `${queues} RX rings offered, ${count} requested`)
    const granted = await requestSubchannels(this.#control.nvs, count - 1, log)
    const equip = (net: NetChannel): void => {
      net.path = frames.receivePath(net)
      net.queue = frames.transmitQueue(net, this.limits)
    }
    if (granted === 0 || !(await this.#channels.adopt(granted, equip, signal))) return
    table.spread(granted + 1)
    await this.setScaling(scaling.tableFor(granted + 1, config.rssTable), config.rssKey)
    log.log('debug', `${granted} sub-channels attached`)
  }

  /** Stops frames both ways before the buffers go: filter 0, then waits for what the host has. */
  async #quiet(): Promise<void> {
    if (this.#frames === undefined) return
    try {
      await this.setFilter(0)
    } catch (error) {
      this.#owner.log.log('debug', `filter not cleared: ${messageOf(error)}`)
    }
    await this.#channels.drain()
  }
}
