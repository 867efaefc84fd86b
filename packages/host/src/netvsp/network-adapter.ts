import type {
  HostChannel,
  HostChannelHandlers,
  Logger,
  OfferDescription,
  Packet,
  VspDevice,
  VspPort,
} from '@bis/hyperv-types'
import { NVSP_MAX_CHANNELS, NvspVersion, RndisMessageType, RndisStatus } from '@bis/hyperv-types/network'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import type { HostRelease } from '../host-release.ts'
import type { PortSettings } from '../vswitch/port-settings.ts'
import type { SwitchFrame } from '../vswitch/switch-frame.ts'
import type { PortClient, SwitchPort } from '../vswitch/switch-port.ts'
import type { VirtualSwitch } from '../vswitch/virtual-switch.ts'
import { AdapterCounters } from './counters.ts'
import type { NetChannelOwner } from './net-channel.ts'
import { NetChannel } from './net-channel.ts'
import type { VirtualFunctionClient } from './nvsp/function-path.ts'
import { FunctionPath } from './nvsp/function-path.ts'
import { GuestBuffers, SEND_SECTION_BYTES } from './nvsp/guest-buffers.ts'
import { indirectionTable, Notifications, wordsNotification } from './nvsp/notifications.ts'
import type { NvspOwner } from './nvsp/nvsp-control.ts'
import { NvspControl } from './nvsp/nvsp-control.ts'
import { NvspSession } from './nvsp/session.ts'
import type { SharedBuffer } from './nvsp/shared-buffer.ts'
import { FrameDelivery } from './receive/frame-delivery.ts'
import { passesFilter } from './receive/packet-filter.ts'
import { CONTROL_IDS } from './receive/receive-pool.ts'
import { ReceiveQueue } from './receive/receive-queue.ts'
import { ReceiveScaling } from './receive/rss.ts'
import { ControlOutbox } from './rndis/control-outbox.ts'
import type { ControlledAdapter } from './rndis/controlled-adapter.ts'
import { indication } from './rndis/indication.ts'
import { Offloads } from './rndis/offloads.ts'
import { RndisControl } from './rndis/rndis-control.ts'
import type { FrameParser } from './transmit/frame-parser.ts'

const DEFAULT_MAX_FRAME_BYTES = 9216
/** Twice what any guest sends: ranges of single pages for 64 KiB and more. */
const LONGEST_PACKET = 8192
/** A coalesced frame: 64 KiB and the Ethernet header. */
const MAX_COALESCED = 0xffff + 14

export interface NetworkAdapterOptions {
  readonly release: HostRelease
  /** Stays the same over the life of the machine, as lower-case GUID text. */
  readonly instanceId: string
  readonly switch: VirtualSwitch
  /** Six bytes. */
  readonly address: Uint8Array
  /** Of the port. Default: the address. */
  readonly name?: string
  readonly port?: PortSettings
  /** Longest frame, Ethernet header included, 1514 to 65549. Default 9216. */
  readonly maxFrameBytes?: number
  /** Bit/s told to the guest. Default 10 Gbit/s. */
  readonly linkSpeed?: number
  /** Queues at most. Default: one for each processor of the guest, at most 64. */
  readonly maxQueues?: number
  readonly friendlyName?: string
  readonly log?: Logger
}

/** A synthetic network adapter: one NIC of one guest, and its port on the switch. */
export class NetworkAdapter implements VspDevice, NetChannelOwner, NvspOwner, ControlledAdapter, PortClient {
  readonly offer: OfferDescription
  readonly counters = new AdapterCounters()
  readonly buffers = new GuestBuffers()
  readonly offloads: Offloads
  readonly scaling = new ReceiveScaling()
  readonly permanentAddress: Uint8Array
  readonly friendlyName: string
  readonly nvspVersions: readonly number[]
  readonly maxFrameBytes: number
  /** The adapter's port; its settings may be changed at any time. Another one after {@link connectTo}. */
  switchPort: SwitchPort
  readonly takesChecksums = false
  session = new NvspSession()
  currentAddress: Uint8Array
  filter = 0
  multicast: readonly Uint8Array[] = []
  readonly sendSectionBytes = SEND_SECTION_BYTES
  readonly #options: NetworkAdapterOptions
  readonly #nvsp = new NvspControl(this)
  readonly #control = new RndisControl(this)
  readonly #delivery: FrameDelivery
  readonly #notifications = new Notifications()
  readonly #function: FunctionPath
  #linkSpeed: number
  #vspPort: VspPort | undefined
  #channels: (NetChannel | undefined)[] = []
  #outbox: ControlOutbox | undefined
  #subchannels = 0
  #removed = false

  constructor(options: NetworkAdapterOptions) {
    this.#options = options
    this.offer = { interfaceId: InterfaceId.NETWORK, instanceId: options.instanceId }
    this.nvspVersions = options.release.nvspVersions
    this.maxFrameBytes = options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES
    this.offloads = new Offloads(Math.max(...options.release.nvspVersions))
    this.permanentAddress = options.address.slice()
    this.currentAddress = this.permanentAddress
    this.friendlyName = options.friendlyName ?? 'Network Adapter'
    this.#linkSpeed = options.linkSpeed ?? 10e9
    this.#delivery = new FrameDelivery(this.scaling, this.offloads)
    this.#function = new FunctionPath({
      notify: (type, first, second) => this.#notify(wordsNotification(type, first, second, this.messageBytes)),
      deliverTo: (client) => {
        this.switchPort.client = client ?? this
      },
    })
    const address = options.address.slice()
    const name = options.name ?? Array.from(address, (byte) => byte.toString(16).padStart(2, '0')).join(':')
    this.switchPort = options.switch.addPort({ name, kind: 'vm', address, ...options.port }, this)
  }

  /** The guest's own message for frames of this size is cut by its receive buffers. */
  get takesSegments(): number {
    return this.running && this.offloads.rsc4 && this.offloads.rsc6 && this.session.rsc ? MAX_COALESCED : 0
  }

  get linkSpeed(): number {
    return this.#linkSpeed
  }

  get linkUp(): boolean {
    return this.switchPort.connected
  }

  get maxQueues(): number {
    const limit = this.#options.maxQueues ?? this.#vspPort?.processorCount ?? 1
    return Math.max(1, Math.min(limit, NVSP_MAX_CHANNELS))
  }

  get queueCount(): number {
    return this.#subchannels + 1
  }

  get messageBytes(): number {
    return this.session.messageBytes
  }

  get running(): boolean {
    return this.session.phase === 'running'
  }

  /** Where the guest's unicast goes now. */
  get dataPath(): 'synthetic' | 'virtual-function' {
    return this.#function.active ? 'virtual-function' : 'synthetic'
  }

  get sendBuffer(): SharedBuffer | undefined {
    return this.buffers.send
  }

  // The bus.

  onOffered(port: VspPort): void {
    this.#vspPort = port
  }

  openChannel(channel: HostChannel): HostChannelHandlers | undefined {
    const { subIndex } = channel
    if (this.#channels[subIndex] !== undefined || subIndex > this.#subchannels) return undefined
    const worker = new NetChannel(channel, this)
    this.#channels[subIndex] = worker
    if (subIndex > 0) this.#startQueue(worker)
    if (subIndex > 0 && this.#channels.filter(Boolean).length === this.queueCount) this.#spreadSends()
    return {
      onPacket: (packet) => worker.onPacket(packet),
      onBatchEnd: () => worker.onBatchEnd(),
      onWritable: () => worker.onWritable(),
      onClose: () => this.#closed(subIndex),
      maxPacketBytes: LONGEST_PACKET,
    }
  }

  gpadlTeardown(handle: number): void {
    const { buffers } = this
    if (buffers.send?.handle === handle) buffers.send = undefined
    if (buffers.receive?.buffer.handle === handle) this.dropReceiveBuffer()
  }

  reset(): void {
    this.#forgetGuest()
    this.#channels = []
  }

  /** Takes the adapter off its switch; call it when the guest has released the device. */
  remove(): void {
    this.#removed = true
    this.switchPort.remove()
  }

  // The administrator.

  /**
   * Plugs the cable into another switch, the port's settings being kept. The guest sees the link go and come.
   * @throws HostError `bad-offer` when the address is taken there, with nothing changed
   */
  connectTo(lan: VirtualSwitch): void {
    const { switchPort: before } = this
    const { settings, client, name } = before
    const port = { ...settings, name, kind: 'vm', address: this.currentAddress, connected: false } as const
    const after = lan.addPort(port, client)
    before.configure({ connected: false })
    before.remove()
    this.switchPort = after
    after.configure({ connected: true })
  }

  /** Takes the adapter away from its guest and off its switch; resolves when the guest has let go of it. */
  async unplug(): Promise<void> {
    await this.#vspPort?.revoke()
    this.remove()
  }

  setLinkSpeed(bitsPerSecond: number): void {
    this.#linkSpeed = bitsPerSecond
    if (!this.session.teaming) return
    const data = new DataView(new ArrayBuffer(4))
    data.setUint32(0, Math.min(Math.floor(bitsPerSecond / 100), 0xffff_ffff), true)
    this.#indicate(RndisStatus.LINK_SPEED_CHANGE, new Uint8Array(data.buffer))
  }

  /** Tells the guest that the network behind the link may be another one. @param change `NetworkChange` */
  indicateNetworkChange(change: number): void {
    this.#indicate(RndisStatus.NETWORK_CHANGE, Uint8Array.of(change, 0, 0, 0))
  }

  /** Gives the guest a virtual function of its NIC, or takes it away. */
  assignVirtualFunction(serial: number, client: VirtualFunctionClient): void {
    this.#function.assign(serial, client)
    this.#announceFunction()
  }

  withdrawVirtualFunction(): void {
    this.#function.withdraw()
  }

  // The switch.

  connected(connected: boolean): void {
    this.#indicate(connected ? RndisStatus.MEDIA_CONNECT : RndisStatus.MEDIA_DISCONNECT, NO_DATA)
  }

  deliver(frame: SwitchFrame): void {
    if (this.running && passesFilter(frame, this.filter, this.currentAddress, this.multicast)) {
      this.#delivery.deliver(frame, this.#channels)
    } else this.counters.rxFiltered++
  }

  flush(): void {
    for (let i = 0; i < this.#channels.length; i++) this.#channels[i]?.queue?.flush()
  }

  // The channels.

  transmit(parser: FrameParser): void {
    const { frames, count } = parser
    const { counters, offloads, switchPort } = this
    for (let i = 0; i < count; i++) {
      const frame = frames[i]
      if (frame === undefined) continue
      counters.txFrames++
      counters.txBytes += frame.length
      // A large send that was not switched on is dropped, as the Windows switch does.
      if (frame.segmentSize !== 0 && !(offloads.lso4 || offloads.lso6)) continue
      if (!this.#removed) switchPort.send(frame)
    }
  }

  batchEnd(): void {
    this.switchPort.flush()
  }

  controlTaken(id: number, idHigh: number): boolean {
    return this.#outbox?.acknowledge(id, idHigh) ?? false
  }

  roomAgain(): void {
    this.#outbox?.pump()
    this.#sendNotifications()
  }

  rndis(channel: NetChannel, bytes: Uint8Array, length: number): boolean {
    const type = bytes[0] ?? 0
    const first =
      this.session.phase === 'configuring' && type === RndisMessageType.INIT && this.buffers.receive !== undefined
    if (channel.channel.subIndex !== 0 || !(first || this.running)) return false
    const answer = this.#control.answer(bytes, length)
    if (answer === 'malformed') return false
    if (first) this.#start(channel)
    if (answer !== undefined && this.#outbox?.send(answer) === false) {
      channel.channel.fail('the guest sends requests and does not read the answers')
    }
    if (first) this.#announceFunction()
    return true
  }

  control(channel: NetChannel, type: number, packet: Packet): boolean {
    return this.#nvsp.answer(channel, type, packet)
  }

  // What the guest's requests do.

  offerSubchannels(count: number): boolean {
    const pool = this.buffers.receive
    const enough = pool !== undefined && pool.count >= CONTROL_IDS + count + 1
    if (!this.running || !enough || count >= this.maxQueues || this.#subchannels > 0) return false
    this.#subchannels = count
    if (this.#vspPort?.offerSubchannels(count) === true) return true
    this.#subchannels = 0
    return false
  }

  moveDataPath(toFunction: boolean): void {
    this.#function.move(toFunction)
  }

  dropReceiveBuffer(): void {
    this.buffers.receive = undefined
    this.#outbox = undefined
    for (const channel of this.#channels) channel?.dropQueue()
    this.session.revoke()
  }

  filterChanged(): void {
    if (this.filter !== 0) return
    // Once the answer is on its way nothing more is written, and what waits is dropped.
    for (const channel of this.#channels) channel?.queue?.discard()
  }

  offloadsChanged(): void {
    this.#indicate(RndisStatus.TASK_OFFLOAD_CURRENT_CONFIG, this.offloads.current())
  }

  setAddress(address: Uint8Array): boolean {
    if (!this.switchPort.setAddress(address)) return false
    this.currentAddress = address.slice()
    return true
  }

  #start(channel: NetChannel): void {
    this.session.begin()
    const pool = this.buffers.receive
    if (pool === undefined) return
    this.#outbox = new ControlOutbox(channel.channel, pool, this.messageBytes)
    this.#startQueue(channel)
  }

  #startQueue(channel: NetChannel): void {
    const pool = this.buffers.receive
    if (pool === undefined) return
    const limits = { maxRanges: this.session.receiveRanges, messageBytes: this.messageBytes }
    channel.queue = new ReceiveQueue(channel.channel, pool, limits, this.counters)
  }

  #closed(subIndex: number): void {
    this.#channels[subIndex]?.close()
    this.#channels[subIndex] = undefined
    if (subIndex === 0) this.#forgetGuest()
  }

  #forgetGuest(): void {
    this.dropReceiveBuffer()
    this.buffers.send = undefined
    this.session = new NvspSession()
    this.filter = 0
    this.multicast = []
    this.#subchannels = 0
    this.#notifications.clear()
    this.offloads.reset()
    this.scaling.reset()
    this.#function.forget()
  }

  #announceFunction(): void {
    if (this.running && this.session.sriov) this.#function.announce()
  }

  /** Tells the guest how to spread what it sends over its channels. */
  #spreadSends(): void {
    if (this.session.version >= NvspVersion.V5) this.#notify(indirectionTable(this.queueCount))
  }

  #notify(message: Uint8Array): void {
    this.#notifications.push(message)
    this.#sendNotifications()
  }

  #sendNotifications(): void {
    this.#notifications.send(this.#channels[0]?.channel)
  }

  #indicate(status: number, data: Uint8Array): void {
    // A guest that does not read misses the news; the state it asks for is right.
    if (this.running) this.#outbox?.send(indication(status, data))
  }
}

const NO_DATA = new Uint8Array(0)
