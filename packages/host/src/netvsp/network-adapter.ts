import type {
  HostChannel,
  HostChannelHandlers,
  Logger,
  OfferDescription,
  Packet,
  VspDevice,
  VspPort,
} from '@bis/hyperv-types'
import { FrameHeaders } from '@bis/hyperv-types/ethernet'
import {
  NVSP_MAX_CHANNELS,
  NVSP_MAX_RECEIVE_RANGES,
  NVSP_MAX_RECEIVE_RANGES_RSC,
  NvspDataPath,
  NvspMessageType,
  NvspStatus,
  NvspSubchannelOperation,
  NvspVersion,
  nvspMessage,
  nvspMessageBytes,
  RndisMessageType,
  RndisStatus,
} from '@bis/hyperv-types/network'
import { PacketType } from '@bis/hyperv-types/ring'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import type { HostRelease } from '../host-release.ts'
import type { PortSettings } from '../vswitch/port-settings.ts'
import type { SwitchFrame } from '../vswitch/switch-frame.ts'
import type { PortClient, SwitchPort } from '../vswitch/switch-port.ts'
import type { VirtualSwitch } from '../vswitch/virtual-switch.ts'
import { AdapterCounters } from './counters.ts'
import type { NetChannelOwner } from './net-channel.ts'
import { NetChannel } from './net-channel.ts'
import { indirectionTable, Notifications, wordsNotification } from './nvsp/notifications.ts'
import {
  requestBytes,
  writeAnswer,
  writeInitComplete,
  writeReceiveSections,
  writeRefusal,
} from './nvsp/nvsp-answers.ts'
import { NvspSession } from './nvsp/session.ts'
import { SharedBuffer } from './nvsp/shared-buffer.ts'
import { passesFilter } from './receive/packet-filter.ts'
import { coalescedChecksumWord, finishLengths, verdict } from './receive/receive-checksum.ts'
import { CONTROL_IDS, ReceivePool, sectionBytesFor } from './receive/receive-pool.ts'
import { ReceiveQueue } from './receive/receive-queue.ts'
import { ReceiveScaling } from './receive/rss.ts'
import { ControlOutbox } from './rndis/control-outbox.ts'
import type { ControlledAdapter } from './rndis/controlled-adapter.ts'
import { indication } from './rndis/indication.ts'
import { Offloads } from './rndis/offloads.ts'
import { RndisControl } from './rndis/rndis-control.ts'
import type { FrameParser } from './transmit/frame-parser.ts'

const DEFAULT_MAX_FRAME_BYTES = 9216
const SEND_SECTION_BYTES = 6144
const LEAST_SUBALLOCATIONS = CONTROL_IDS + 8
/** Twice what any guest sends: ranges of single pages for 64 KiB and more. */
const LONGEST_PACKET = 8192
const NDIS_6 = 0x0006_0000
const RANGES_BEFORE_NDIS_6 = 64

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

/** Steers a virtual function's traffic; see `VirtualFunction`. */
export interface VirtualFunctionClient extends PortClient {
  /** The guest, or the host, has moved the data path. */
  switched(active: boolean): void
}

/** A synthetic network adapter: one NIC of one guest, and its port on the switch. */
export class NetworkAdapter implements VspDevice, NetChannelOwner, ControlledAdapter, PortClient {
  readonly offer: OfferDescription
  readonly counters = new AdapterCounters()
  readonly offloads: Offloads
  readonly scaling = new ReceiveScaling()
  readonly permanentAddress: Uint8Array
  readonly friendlyName: string
  /** The adapter's port; its settings may be changed at any time. Another one after {@link connectTo}. */
  switchPort: SwitchPort
  readonly takesChecksums = false
  session = new NvspSession()
  currentAddress: Uint8Array
  filter = 0
  multicast: readonly Uint8Array[] = []
  sendBuffer: SharedBuffer | undefined
  readonly sendSectionBytes = SEND_SECTION_BYTES
  #linkSpeed: number
  readonly #options: NetworkAdapterOptions
  readonly #control: RndisControl
  readonly #headers = new FrameHeaders()
  readonly #info = { vlan: 0, priority: 0, checksum: 0, hash: 0, hashType: 0 }
  #vspPort: VspPort | undefined
  #channels: (NetChannel | undefined)[] = []
  #pool: ReceivePool | undefined
  #outbox: ControlOutbox | undefined
  #subchannels = 0
  readonly #notifications = new Notifications()
  #function: { readonly serial: number; readonly client: VirtualFunctionClient } | undefined
  #functionActive = false
  #announced = false
  #removed = false

  constructor(options: NetworkAdapterOptions) {
    this.#options = options
    this.offer = { interfaceId: InterfaceId.NETWORK, instanceId: options.instanceId }
    this.offloads = new Offloads(Math.max(...options.release.nvspVersions))
    this.permanentAddress = options.address.slice()
    this.currentAddress = this.permanentAddress
    this.friendlyName = options.friendlyName ?? 'Network Adapter'
    this.#linkSpeed = options.linkSpeed ?? 10e9
    this.#control = new RndisControl(this)
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
    return nvspMessageBytes(this.session.version)
  }

  get running(): boolean {
    return this.session.phase === 'running'
  }

  /** Where the guest's unicast goes now. */
  get dataPath(): 'synthetic' | 'virtual-function' {
    return this.#functionActive ? 'virtual-function' : 'synthetic'
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
    if (subIndex > 0 && this.#channels.filter(Boolean).length === this.queueCount) this.#sendIndirectionTable()
    return {
      onPacket: (packet) => worker.onPacket(packet),
      onBatchEnd: () => worker.onBatchEnd(),
      onWritable: () => worker.onWritable(),
      onClose: () => this.#closed(subIndex),
      maxPacketBytes: LONGEST_PACKET,
    }
  }

  gpadlTeardown(handle: number): void {
    if (this.sendBuffer?.handle === handle) this.sendBuffer = undefined
    if (this.#pool?.buffer.handle === handle) this.#dropReceiveBuffer()
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
    this.#function = { serial, client }
    if (this.running) this.#announceFunction()
  }

  withdrawVirtualFunction(): void {
    const gone = this.#function
    if (gone === undefined) return
    if (this.#functionActive) {
      this.#setDataPath(false)
      this.#notify(NvspMessageType.SWITCH_DATA_PATH, NvspDataPath.SYNTHETIC, 0)
    }
    if (this.#announced) this.#notify(NvspMessageType.SEND_VF_ASSOCIATION, 0, gone.serial)
    this.#announced = false
    this.#function = undefined
  }

  // The switch.

  connected(connected: boolean): void {
    this.#indicate(connected ? RndisStatus.MEDIA_CONNECT : RndisStatus.MEDIA_DISCONNECT, NO_DATA)
  }

  deliver(frame: SwitchFrame): void {
    if (!this.running || !passesFilter(frame, this.filter, this.currentAddress, this.multicast)) {
      this.counters.rxFiltered++
      return
    }
    const info = this.#info
    info.vlan = frame.vlan
    info.priority = frame.priority
    info.checksum = 0
    info.hash = 0
    const { bytes, offset, length } = frame
    const { scaling, offloads } = this
    const large = frame.segmentSize !== 0
    let queue = this.#channels[0]?.queue
    if (scaling.enabled || offloads.receives) {
      const headers = this.#headers
      headers.read(bytes, offset, offset + length)
      if (scaling.enabled) {
        info.hash = scaling.hash(bytes, headers)
        info.hashType = scaling.hashType
        if (info.hash !== 0) queue = this.#channels[scaling.queueOf(info.hash)]?.queue ?? queue
      }
      if (offloads.receives && !large) info.checksum = verdict(bytes, headers, frame.finished)
    }
    if (large) {
      finishLengths(frame)
      info.checksum = coalescedChecksumWord(frame.checksum)
      queue?.deliverCoalesced(bytes, offset, length, info)
    } else {
      queue?.deliver(bytes, offset, length, info)
    }
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
    const first = this.session.phase === 'configuring' && type === RndisMessageType.INIT && this.#pool !== undefined
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
    const { session, counters } = this
    const due = channel.channel.subIndex === 0 && packet.type === PacketType.dataInBand && session.allows(type)
    if (!due || packet.dataLength < requestBytes(type)) {
      counters.badNvsp++
      return writeRefusal(channel.replyView, type)
    }
    const at = packet.dataOffset
    const body = nvspMessage.msg.as
    const { view } = packet
    switch (type) {
      case NvspMessageType.INIT:
        this.#initialize(channel, body.init.min_protocol_ver.get(view, at), body.init.max_protocol_ver.get(view, at))
        return true
      case NvspMessageType.SEND_NDIS_VER:
        session.setNdisVersion(
          body.send_ndis_ver.ndis_major_ver.get(view, at),
          body.send_ndis_ver.ndis_minor_ver.get(view, at),
        )
        return false
      case NvspMessageType.SEND_NDIS_CONFIG:
        this.#configure(packet)
        return false
      case NvspMessageType.SEND_RECV_BUF:
        this.#takeReceiveBuffer(channel, view.getUint32(at + 4, true), view.getUint16(at + 8, true))
        return true
      case NvspMessageType.SEND_SEND_BUF:
        this.#takeSendBuffer(channel, view.getUint32(at + 4, true))
        return true
      case NvspMessageType.REVOKE_RECV_BUF:
        this.#dropReceiveBuffer()
        return false
      case NvspMessageType.REVOKE_SEND_BUF:
        this.sendBuffer = undefined
        return false
      case NvspMessageType.SUBCHANNEL:
        this.#allocateSubchannels(channel, view.getUint32(at + 4, true), view.getUint32(at + 8, true))
        return true
      case NvspMessageType.SWITCH_DATA_PATH:
        this.#setDataPath(view.getUint32(at + 4, true) === NvspDataPath.VF)
        return false
      case NvspMessageType.OID_QUERY_EX:
        writeAnswer(channel.replyView, NvspMessageType.OID_QUERY_EX_COMP, RndisStatus.NOT_SUPPORTED)
        return true
      default:
        counters.badNvsp++
        return writeRefusal(channel.replyView, type)
    }
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

  #initialize(channel: NetChannel, min: number, max: number): void {
    // Guests ask for one version at a time; a range is met by the newest in it.
    const version = this.#options.release.nvspVersions.find((candidate) => candidate >= min && candidate <= max)
    if (version !== undefined) this.session.agree(version)
    writeInitComplete(channel.replyView, version)
  }

  #configure({ view, dataOffset: at }: Packet): void {
    const { session } = this
    session.configure(view.getUint32(at + 4, true), this.#options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES)
    const capability = view.getUint32(at + 12, true)
    session.sriov = session.version >= NvspVersion.V4 && (capability & 0x04) !== 0
    session.teaming = session.version >= NvspVersion.V5 && (capability & 0x20) !== 0
    session.rsc = session.version >= NvspVersion.V6_1 && (capability & 0x80) !== 0
  }

  #takeReceiveBuffer(channel: NetChannel, handle: number, id: number): void {
    const gpadl = this.#pool === undefined ? channel.channel.gpadl(handle) : undefined
    const { replyView } = channel
    writeAnswer(replyView, NvspMessageType.SEND_RECV_BUF_COMPLETE, NvspStatus.FAIL)
    if (gpadl === undefined || gpadl.rangeCount !== 1 || gpadl.byteOffset !== 0) return
    const sectionBytes = sectionBytesFor(this.session.frameBytes)
    const pool = new ReceivePool(new SharedBuffer(gpadl, channel.channel.memory), id, sectionBytes)
    if (pool.count < LEAST_SUBALLOCATIONS) return
    this.#pool = pool
    writeReceiveSections(replyView, sectionBytes, pool.count)
  }

  #takeSendBuffer(channel: NetChannel, handle: number): void {
    const gpadl = this.sendBuffer === undefined ? channel.channel.gpadl(handle) : undefined
    const good = gpadl !== undefined && gpadl.rangeCount === 1 && gpadl.byteOffset === 0
    if (good) this.sendBuffer = new SharedBuffer(gpadl, channel.channel.memory)
    const status = good ? NvspStatus.SUCCESS : NvspStatus.FAIL
    writeAnswer(channel.replyView, NvspMessageType.SEND_SEND_BUF_COMPLETE, status)
    channel.replyView.setUint32(8, good ? SEND_SECTION_BYTES : 0, true)
  }

  #allocateSubchannels(channel: NetChannel, operation: number, count: number): void {
    const enough = this.#pool !== undefined && this.#pool.count >= CONTROL_IDS + count + 1
    const good =
      operation === NvspSubchannelOperation.ALLOCATE &&
      count > 0 &&
      count < this.maxQueues &&
      this.#subchannels === 0 &&
      this.running &&
      enough
    if (good) this.#subchannels = count
    const offered = good && this.#vspPort?.offerSubchannels(count) === true
    if (!offered) this.#subchannels = 0
    writeAnswer(channel.replyView, NvspMessageType.SUBCHANNEL, offered ? NvspStatus.SUCCESS : NvspStatus.FAIL)
    channel.replyView.setUint32(8, offered ? count : 0, true)
  }

  #start(channel: NetChannel): void {
    this.session.phase = 'running'
    if (this.#pool === undefined) return
    this.#outbox = new ControlOutbox(channel.channel, this.#pool, this.messageBytes)
    this.#startQueue(channel)
  }

  #startQueue(channel: NetChannel): void {
    if (this.#pool === undefined) return
    const { rsc, ndisVersion } = this.session
    const modern = rsc ? NVSP_MAX_RECEIVE_RANGES_RSC : NVSP_MAX_RECEIVE_RANGES
    const maxRanges = ndisVersion >= NDIS_6 ? modern : RANGES_BEFORE_NDIS_6
    const limits = { maxRanges, messageBytes: this.messageBytes }
    channel.queue = new ReceiveQueue(channel.channel, this.#pool, limits, this.counters)
  }

  #dropReceiveBuffer(): void {
    this.#pool = undefined
    this.#outbox = undefined
    for (const channel of this.#channels) channel?.dropQueue()
    if (this.session.phase === 'running') this.session.phase = 'revoked'
  }

  #closed(subIndex: number): void {
    this.#channels[subIndex]?.close()
    this.#channels[subIndex] = undefined
    if (subIndex === 0) this.#forgetGuest()
  }

  #forgetGuest(): void {
    this.#dropReceiveBuffer()
    this.sendBuffer = undefined
    this.session = new NvspSession()
    this.filter = 0
    this.multicast = []
    this.#subchannels = 0
    this.#notifications.clear()
    this.#announced = false
    this.offloads.reset()
    this.scaling.reset()
    this.#setDataPath(false)
  }

  #announceFunction(): void {
    const { sriov } = this.session
    if (this.#function === undefined || !sriov || this.#announced) return
    this.#announced = true
    this.#notify(NvspMessageType.SEND_VF_ASSOCIATION, 1, this.#function.serial)
  }

  #setDataPath(active: boolean): void {
    const assigned = this.#function
    const next = active && assigned !== undefined
    if (next === this.#functionActive) return
    this.#functionActive = next
    this.switchPort.client = next && assigned !== undefined ? assigned.client : this
    assigned?.client.switched(next)
  }

  #sendIndirectionTable(): void {
    if (this.session.version < NvspVersion.V5) return
    this.#notifications.push(indirectionTable(this.queueCount))
    this.#sendNotifications()
  }

  #notify(type: number, first: number, second: number): void {
    this.#notifications.push(wordsNotification(type, first, second, this.messageBytes))
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
/** A coalesced frame: 64 KiB and the Ethernet header. */
const MAX_COALESCED = 0xffff + 14
