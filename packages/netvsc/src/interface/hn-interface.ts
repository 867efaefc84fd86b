import type {
  Channel,
  Clock,
  EthernetCapabilities,
  EthernetEvent,
  EthernetInterface,
  EthernetSettings,
  EthernetStatistics,
  FrameOffload,
  LinkState,
  Logger,
  ReceiveHandler,
  Timer,
} from '@bis/hyperv-types'
import { DeviceError, TransmitStatus } from '@bis/hyperv-types'
import {
  DEFAULT_RSS_KEY,
  ETHERNET_HEADER_BYTES,
  FrameHeaders,
  formatMac,
  isGroup,
  Toeplitz,
} from '@bis/hyperv-types/ethernet'
import { NvspVersion, Oid, PacketFilter, RndisStatus } from '@bis/hyperv-types/network'
import { macParameter } from '../rndis/mac-parameter.ts'
import type { SessionConfig } from '../session/owner.ts'
import { NetvscSession } from '../session/session.ts'
import type { NetvscSettings } from '../settings.ts'
import { NetvscStatistics } from '../statistics.ts'
import { MOST_FRAME_BYTES } from '../transmit/transmit-queue.ts'
import { DataPathSwitch } from '../vf/data-path.ts'

const MTU_MIN = 68
const MTU_DEFAULT = 1500
/** HN_MTU_MAX of FreeBSD. The host may take less. */
const MTU_MAX = 65_529
/** A network change looks like a cable that was out for so long. */
const NETWORK_CHANGE_MS = 5000
const WRITABLE: EthernetEvent = { type: 'writable' }

export interface HnOptions {
  readonly name: string
  readonly channel: Channel
  readonly clock: Clock
  readonly log: Logger
  readonly settings: NetvscSettings
}

/** A synthetic NIC as the guest uses it (`hn0`). */
export class HnInterface implements EthernetInterface {
  readonly name: string
  readonly description = 'Hyper-V Network Interface'
  readonly counters = new NetvscStatistics()
  readonly path: DataPathSwitch
  readonly clock: Clock
  readonly log: Logger
  driverSettings: NetvscSettings
  readonly #channel: Channel
  readonly #listeners = new Set<(event: EthernetEvent) => void>()
  readonly #headers = new FrameHeaders()
  #toeplitz = new Toeplitz()
  #session: NetvscSession | undefined
  #settings: EthernetSettings
  #capabilities: EthernetCapabilities = NO_CAPABILITIES
  #link: LinkState = { up: false, speed: 0 }
  #handler: ReceiveHandler | undefined
  #config: SessionConfig
  #frameBytes = 0
  #turn: Promise<unknown> = Promise.resolve()
  /** Channels end because the machine is suspended: nothing of that is a failure. */
  #suspended = false
  #removed = false
  #batching = false
  #newLink: boolean | undefined
  #bounced = false
  #networkChange: Timer | undefined
  #watchdog: Timer | undefined

  constructor(options: HnOptions) {
    this.name = options.name
    this.#channel = options.channel
    this.clock = options.clock
    this.log = options.log
    this.driverSettings = options.settings
    const { mtu, coalesce } = options.settings
    this.#config = { mtu, coalesce, rssKey: DEFAULT_RSS_KEY }
    this.#settings = {
      mtu,
      mtuMax: MTU_MAX,
      address: new Uint8Array(6),
      up: false,
      promiscuous: false,
      allMulticast: true,
      multicast: [],
    }
    const { log } = options
    this.path = new DataPathSwitch({
      log,
      switchDataPath: (toFunction) => this.#need().switchDataPath(toFunction),
      moved: (path) => this.#moved(path),
    })
  }

  get settings(): EthernetSettings {
    return this.#settings
  }

  get capabilities(): EthernetCapabilities {
    return this.path.active?.capabilities ?? this.#capabilities
  }

  get link(): LinkState {
    return this.#link
  }

  get statistics(): EthernetStatistics {
    return this.counters
  }

  /** The negotiation and queues of now; undefined while there are none. */
  get session(): NetvscSession | undefined {
    return this.#session
  }

  get rssKey(): ArrayLike<number> {
    return this.#config.rssKey
  }

  get coalesce(): boolean {
    return this.#config.coalesce
  }

  /** Starts the device and brings it up. @throws DeviceError, ChannelError, with nothing left */
  async attach(signal: AbortSignal): Promise<void> {
    await this.#start(signal, undefined)
    this.#removed = false
    const { address } = this.#settings
    this.log.log('info', `Ethernet address: ${formatMac(address)}`)
    try {
      await this.#bringUp()
    } catch (error) {
      await this.detach()
      throw error
    }
    this.#armWatchdog()
  }

  /** Ends it; no callback after this resolves. */
  async detach(): Promise<void> {
    this.#removed = true
    this.#watchdog?.cancel()
    this.#networkChange?.cancel()
    await this.path.enable(false)
    const session = this.#session
    this.#session = undefined
    await session?.stop()
    this.#emit({ type: 'removed' })
    this.#handler = undefined
    this.#listeners.clear()
  }

  /** Lets go of the channel; what was configured is kept. */
  suspend(): Promise<void> {
    return this.#inTurn(async () => {
      this.#suspended = true
      await this.path.enable(false)
      const session = this.#session
      this.#session = undefined
      await session?.stop()
    })
  }

  resume(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      this.#suspended = false
      await this.#start(signal, undefined)
      if (this.#settings.up) await this.#need().setFilter(this.#filter())
      this.#emit(WRITABLE)
    })
  }

  transmit(bytes: Uint8Array, offset: number, length: number, offload?: FrameOffload): TransmitStatus {
    const session = this.#session
    if (session === undefined || !this.#settings.up || !this.#link.up) return TransmitStatus.down
    const active = this.path.active
    if (active !== undefined) return active.transmit(bytes, offset, length, offload)
    if (length < ETHERNET_HEADER_BYTES || offset < 0 || offset + length > bytes.length) return TransmitStatus.refused
    const most =
      offload === undefined || offload.segmentSize === 0 ? this.#frameBytes : this.#largest(offload, bytes, offset)
    if (length > most || (offload !== undefined && !this.#canOffload(offload, bytes, offset)))
      return TransmitStatus.refused
    const { queues } = session
    const count = queues.length
    let hash = 0
    if (count > 1)
      hash = offload !== undefined && offload.hash !== 0 ? offload.hash | 0 : this.#hash(bytes, offset, length)
    const queue = queues[count === 1 ? 0 : session.table.channelOf(hash, count)]
    return queue === undefined ? TransmitStatus.down : queue.transmit(bytes, offset, length, offload, hash)
  }

  beginBatch(): void {
    this.path.active?.beginBatch()
    const queues = this.#session?.queues
    if (queues === undefined || this.#batching) return
    this.#batching = true
    for (let i = 0; i < queues.length; i++) queues[i]?.beginBatch()
  }

  endBatch(): void {
    this.path.active?.endBatch()
    if (!this.#batching) return
    this.#batching = false
    const queues = this.#session?.queues
    if (queues === undefined) return
    for (let i = 0; i < queues.length; i++) queues[i]?.endBatch()
  }

  transmitBatch(frames: readonly Uint8Array[], offload?: FrameOffload): number {
    this.beginBatch()
    let taken = 0
    for (; taken < frames.length; taken++) {
      const frame = frames[taken]
      if (frame === undefined || this.transmit(frame, 0, frame.length, offload) !== TransmitStatus.sent) break
    }
    this.endBatch()
    return taken
  }

  receive(handler: ReceiveHandler | undefined): void {
    this.#handler = handler
    this.path.active?.receive(handler)
  }

  configure(change: Partial<Omit<EthernetSettings, 'mtuMax'>>): Promise<void> {
    return this.#inTurn(async () => {
      const { mtu, address } = change
      if (mtu !== undefined && mtu !== this.#settings.mtu) await this.#setMtu(mtu)
      if (address !== undefined) await this.#setAddress(address)
      await this.#setRest(change)
      this.#emit({ type: 'settings', settings: this.#settings })
    })
  }

  onEvent(listener: (event: EthernetEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Sets key and table of receive-side scaling. @throws DeviceError */
  setScaling(key: ArrayLike<number>, table?: readonly number[]): Promise<void> {
    return this.#inTurn(async () => {
      const session = this.#need()
      const next = table ?? session.scaling.table
      await session.setScaling(next, key)
      this.#config = { ...this.#config, rssKey: key, rssTable: next }
      this.#toeplitz = new Toeplitz(key)
    })
  }

  /** Lets the host join TCP segments, or not. */
  setCoalescing(coalesce: boolean): Promise<void> {
    return this.#inTurn(async () => {
      await this.#need().setOffloads(coalesce)
      this.#config = { ...this.#config, coalesce }
    })
  }

  /** Changes how frames are copied and joined. @throws RangeError */
  setSending(change: Partial<Pick<NetvscSettings, 'aggregate' | 'copyThreshold'>>): void {
    for (const [name, value] of Object.entries(change)) {
      if (!(Number.isInteger(value) && value >= 0 && value <= 0xffff))
        throw new RangeError(`${name} ${value}: 0 to 65535`)
    }
    this.driverSettings = { ...this.driverSettings, ...change }
    this.#session?.setSending(this.driverSettings)
  }

  /** `PacketFilter` bits that the host was last given. */
  get receiveFilter(): number {
    return this.#filter()
  }

  // What the session calls.

  get #owner() {
    return {
      clock: this.clock,
      log: this.log,
      settings: this.driverSettings,
      statistics: this.counters,
      handler: () => (this.#settings.up ? this.#handler : undefined),
      roomAgain: () => this.#roomAgain(),
      indicated: (status: number, data: Uint8Array) => this.#indicated(status, data),
      association: (allocated: boolean, serial: number) => {
        if (this.driverSettings.virtualFunctions) this.path.associated(allocated, serial)
      },
      dataPathMoved: (toFunction: boolean) => this.path.hostMoved(toFunction),
      failed: (error: Error) => this.#restart(`the channel failed: ${error.message}`),
    }
  }

  async #start(signal: AbortSignal, version: number | undefined): Promise<void> {
    const session = new NetvscSession(this.#channel, this.#owner)
    await session.start({ ...this.#config, ...(version === undefined ? {} : { version }) }, signal)
    try {
      await this.#learn(session)
    } catch (error) {
      await session.stop()
      throw error
    }
    this.#session = session
    await this.path.enable(true)
  }

  /** What the host tells of the interface. */
  async #learn(session: NetvscSession): Promise<void> {
    const { rndis, offloads, queues } = session
    const address = await rndis.query(Oid.ETHERNET_PERMANENT_ADDRESS)
    if (address.length < 6) throw new DeviceError('protocol', `an Ethernet address of ${address.length} bytes`)
    const current = await rndis.query(Oid.ETHERNET_CURRENT_ADDRESS)
    const most = readWord(await rndis.query(Oid.GEN_MAXIMUM_FRAME_SIZE), this.#config.mtu)
    if (most < this.#config.mtu) {
      throw new DeviceError('not-supported', `the host takes an MTU of ${most}, not ${this.#config.mtu}`)
    }
    const disconnected = readWord(await rndis.query(Oid.GEN_MEDIA_CONNECT_STATUS), 0) !== 0
    const speed = readWord(await rndis.query(Oid.GEN_LINK_SPEED), 0) * 100
    const own = (current.length >= 6 ? current : address).slice(0, 6)
    this.#settings = {
      ...this.#settings,
      address: own,
      mtu: this.#config.mtu,
      mtuMax: session.version >= NvspVersion.V2 ? MTU_MAX : MTU_DEFAULT,
    }
    this.path.address = own
    this.#frameBytes = this.#config.mtu + ETHERNET_HEADER_BYTES
    const limit = Math.min(this.driverSettings.tsoMaxBytes, MOST_FRAME_BYTES - ETHERNET_HEADER_BYTES)
    this.#capabilities = {
      checksum4: offloads.checksum4,
      checksum6: offloads.checksum6,
      segment4: Math.min(offloads.lso4, limit),
      segment6: Math.min(offloads.lso6, limit),
      vlan: session.version >= NvspVersion.V2,
      queues: queues.length,
    }
    this.#setLink(!disconnected, speed)
  }

  async #bringUp(): Promise<void> {
    this.#settings = { ...this.#settings, up: true }
    await this.#need().setFilter(this.#filter())
  }

  #filter(): number {
    const { up, promiscuous, allMulticast, multicast } = this.#settings
    if (!up) return 0
    if (promiscuous) return PacketFilter.PROMISCUOUS
    const group = allMulticast ? PacketFilter.ALL_MULTICAST : multicast.length > 0 ? PacketFilter.MULTICAST : 0
    return PacketFilter.DIRECTED | PacketFilter.BROADCAST | group
  }

  /** The device is started again with the new size; when that fails, with the old one. */
  async #setMtu(mtu: number): Promise<void> {
    const session = this.#need()
    if (!(Number.isInteger(mtu) && mtu >= MTU_MIN && mtu <= this.#settings.mtuMax)) {
      throw new DeviceError('invalid-argument', `an MTU of ${mtu}: ${MTU_MIN} to ${this.#settings.mtuMax}`)
    }
    const before = this.#config
    const { version } = session
    await this.path.enable(false)
    this.#session = undefined
    await session.stop()
    this.#config = { ...before, mtu }
    try {
      await this.#start(NEVER, version)
    } catch (error) {
      this.#config = before
      await this.#start(NEVER, version)
      await this.#need().setFilter(this.#filter())
      this.#emit(WRITABLE)
      throw error
    }
    await this.#need().setFilter(this.#filter())
    this.#emit(WRITABLE)
  }

  async #setAddress(address: Uint8Array): Promise<void> {
    if (address.length !== 6 || isGroup(address, 0)) {
      throw new DeviceError('invalid-argument', `${formatMac(address)} is no address of an interface`)
    }
    await this.#need().rndis.set(Oid.GEN_RNDIS_CONFIG_PARAMETER, macParameter(address))
    this.#settings = { ...this.#settings, address: address.slice() }
    this.path.address = this.#settings.address
  }

  async #setRest(change: Partial<Omit<EthernetSettings, 'mtuMax'>>): Promise<void> {
    const before = this.#settings
    const { up = before.up, promiscuous = before.promiscuous, allMulticast = before.allMulticast } = change
    const multicast = change.multicast ?? before.multicast
    this.#settings = { ...before, up, promiscuous, allMulticast, multicast }
    try {
      const session = this.#need()
      if (change.multicast !== undefined) await session.rndis.set(Oid.ETHERNET_MULTICAST_LIST, joined(multicast))
      await session.setFilter(this.#filter())
    } catch (error) {
      this.#settings = before
      throw error
    }
  }

  #canOffload(offload: FrameOffload, bytes: Uint8Array, offset: number): boolean {
    const { checksum4, checksum6, vlan } = this.#capabilities
    const able = isIpv6(bytes, offset) ? checksum6 : checksum4
    if ((offload.checksum & ~able) !== 0) return false
    return offload.vlan < 0 || (vlan && offload.vlan <= 0xffff)
  }

  #largest(offload: FrameOffload, bytes: Uint8Array, offset: number): number {
    const { segment4, segment6 } = this.#capabilities
    const most = isIpv6(bytes, offset) ? segment6 : segment4
    return most === 0 || offload.segmentSize > this.#frameBytes ? 0 : most + ETHERNET_HEADER_BYTES
  }

  #hash(bytes: Uint8Array, offset: number, length: number): number {
    this.#headers.read(bytes, offset, offset + length)
    return this.#toeplitz.ofFrame(bytes, this.#headers, true)
  }

  #roomAgain(): void {
    const queues = this.#session?.queues
    if (queues === undefined) return
    let room = false
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[i]
      if (queue === undefined || !queue.stalled) continue
      queue.flush()
      if (!queue.hasRoom) continue
      queue.stalled = false
      room = true
    }
    if (room) this.#emit(WRITABLE)
  }

  /** In a task of the bus: only takes note. Of a burst of link changes the last counts. */
  #indicated(status: number, data: Uint8Array): void {
    switch (status) {
      case RndisStatus.MEDIA_CONNECT:
      case RndisStatus.MEDIA_DISCONNECT: {
        const up = status === RndisStatus.MEDIA_CONNECT
        if (this.#newLink === undefined) this.clock.soon(() => this.#applyLink())
        else if (this.#newLink !== up) this.#bounced = true
        this.#newLink = up
        return
      }
      case RndisStatus.LINK_SPEED_CHANGE:
        if (data.length >= 4) this.#setLink(this.#link.up, readWord(data, 0) * 100)
        return
      case RndisStatus.NETWORK_CHANGE:
        this.log.log('debug', `network changed, change ${readWord(data, 0)}`)
        this.#changeNetwork()
        return
      default:
        return
    }
  }

  #applyLink(): void {
    const up = this.#newLink
    if (up === undefined || this.#removed) return
    this.#newLink = undefined
    // Whoever must renew a lease has to see that the link was down in between.
    if (this.#bounced && up === this.#link.up) this.#setLink(!up, this.#link.speed)
    this.#bounced = false
    this.#setLink(up, this.#link.speed)
  }

  #changeNetwork(): void {
    this.#networkChange?.cancel()
    this.#setLink(false, this.#link.speed)
    this.#networkChange = this.clock.after(NETWORK_CHANGE_MS, () => {
      this.#networkChange = undefined
      this.#setLink(true, this.#link.speed)
      this.#emit({ type: 'network-changed' })
    })
  }

  #setLink(up: boolean, speed: number): void {
    const { up: was, speed: before } = this.#link
    if (up === was && speed === before) return
    this.#link = { up, speed }
    if (up !== was) this.log.log('info', `link state changed to ${up ? 'UP' : 'DOWN'}`)
    this.#emit({ type: 'link', link: this.#link })
    if (up && !was) this.#emit(WRITABLE)
  }

  #moved(path: 'synthetic' | 'virtual-function'): void {
    this.path.active?.receive((frames, count) => this.#handler?.(frames, count))
    this.#emit({ type: 'data-path', path })
    this.#emit(WRITABLE)
  }

  /** Looks whether the host still completes what it has; when not, starts the device again. */
  #armWatchdog(): void {
    const { watchdogMs } = this.driverSettings
    if (watchdogMs === 0 || this.#removed) return
    this.#watchdog = this.clock.after(watchdogMs, () => {
      const [stuck] = (this.#session?.queues ?? []).filter((queue) => queue.isStuck())
      if (stuck !== undefined) {
        this.counters.watchdog++
        this.#restart(`watchdog timeout: ${stuck.outstanding} messages without completion`)
      }
      this.#armWatchdog()
    })
  }

  #restart(reason: string): void {
    if (this.#removed || this.#suspended || this.#channel.gone.aborted) return
    this.log.log('warning', `${reason}; starting again`)
    const session = this.#session
    this.#session = undefined
    void this.#inTurn(async () => {
      await this.path.enable(false)
      await session?.stop()
      if (this.#removed || this.#suspended || this.#channel.gone.aborted) return
      await this.#start(NEVER, undefined)
      await this.#need().setFilter(this.#filter())
      this.#emit(WRITABLE)
    }).catch((error: unknown) => {
      this.log.log('error', `not started again: ${error instanceof Error ? error.message : String(error)}`)
    })
  }

  #emit(event: EthernetEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  #need(): NetvscSession {
    if (this.#session === undefined) throw new DeviceError('removed', `${this.name} is not running`)
    return this.#session
  }
}

const NEVER = new AbortController().signal
const NO_CAPABILITIES: EthernetCapabilities = {
  checksum4: 0,
  checksum6: 0,
  segment4: 0,
  segment6: 0,
  vlan: false,
  queues: 1,
}

function readWord(data: Uint8Array, otherwise: number): number {
  if (data.length < 4) return otherwise
  return new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true)
}

function joined(addresses: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(addresses.length * 6)
  addresses.forEach((address, i) => {
    bytes.set(address.subarray(0, 6), i * 6)
  })
  return bytes
}

function isIpv6(bytes: Uint8Array, offset: number): boolean {
  return bytes[offset + 12] === 0x86 && bytes[offset + 13] === 0xdd
}
