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
} from '@bis/hyperv-types'
import { DeviceError, TransmitStatus } from '@bis/hyperv-types'
import { DEFAULT_RSS_KEY, formatMac, isGroup } from '@bis/hyperv-types/ethernet'
import { Oid } from '@bis/hyperv-types/network'
import { macParameter } from '../rndis/mac-parameter.ts'
import { NetvscSession } from '../session/session.ts'
import type { NetvscSettings } from '../settings.ts'
import { NetvscStatistics } from '../statistics.ts'
import { FrameRules } from '../transmit/frame-rules.ts'
import { Transmitter } from '../transmit/transmitter.ts'
import { DataPathSwitch } from '../vf/data-path.ts'
import { capabilitiesOf, MTU_MAX, queryFacts } from './device-facts.ts'
import { DeviceLife } from './device-life.ts'
import { Link } from './link.ts'
import { receiveFilter } from './receive-filter.ts'
import { Watchdog } from './watchdog.ts'

const MTU_MIN = 68
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
  readonly #life: DeviceLife
  readonly #link: Link
  readonly #transmitter = new Transmitter()
  readonly #watchdog: Watchdog
  readonly #listeners = new Set<(event: EthernetEvent) => void>()
  #settings: EthernetSettings
  #handler: ReceiveHandler | undefined

  constructor(options: HnOptions) {
    const { name, channel, clock, log, settings } = options
    const { mtu, coalesce, watchdogMs } = settings
    this.name = name
    this.#channel = channel
    this.clock = clock
    this.log = log
    this.driverSettings = settings
    this.#settings = {
      mtu,
      mtuMax: MTU_MAX,
      address: new Uint8Array(6),
      up: false,
      promiscuous: false,
      allMulticast: true,
      multicast: [],
    }
    this.#life = new DeviceLife(
      {
        name,
        log,
        gone: channel.gone,
        makeSession: (failed) => this.#makeSession(failed),
        learn: (session) => this.#learn(session),
        began: (session) => this.#began(session),
        ended: () => this.#ended(),
      },
      { mtu, coalesce, rssKey: DEFAULT_RSS_KEY },
    )
    this.#link = new Link({
      clock,
      log,
      linkChanged: (link, cameUp) => this.#linkChanged(link, cameUp),
      networkChanged: () => this.#emit({ type: 'network-changed' }),
    })
    this.path = new DataPathSwitch({
      log,
      switchDataPath: (toFunction) => this.#life.need().switchDataPath(toFunction),
      moved: (path) => this.#moved(path),
    })
    this.#watchdog = new Watchdog(clock, watchdogMs, () => this.#lookForStuckQueue())
  }

  get settings(): EthernetSettings {
    return this.#settings
  }

  get capabilities(): EthernetCapabilities {
    return this.path.active?.capabilities ?? this.#transmitter.rules.capabilities
  }

  get link(): LinkState {
    return this.#link.state
  }

  get statistics(): EthernetStatistics {
    return this.counters
  }

  /** The negotiation and queues of now; undefined while there are none. */
  get session(): NetvscSession | undefined {
    return this.#life.session
  }

  get rssKey(): ArrayLike<number> {
    return this.#life.config.rssKey
  }

  get coalesce(): boolean {
    return this.#life.config.coalesce
  }

  /** `PacketFilter` bits that the host was last given. */
  get receiveFilter(): number {
    return receiveFilter(this.#settings)
  }

  /** Starts the device and brings it up. @throws DeviceError, ChannelError, with nothing left */
  async attach(signal: AbortSignal): Promise<void> {
    await this.#life.attach(signal)
    this.log.log('info', `Ethernet address: ${formatMac(this.#settings.address)}`)
    try {
      this.#settings = { ...this.#settings, up: true }
      await this.#life.need().setFilter(this.receiveFilter)
    } catch (error) {
      await this.detach()
      throw error
    }
    this.#watchdog.start()
  }

  /** Ends it; no callback after this resolves. */
  async detach(): Promise<void> {
    this.#watchdog.stop()
    this.#link.stop()
    await this.#life.detach()
    this.#emit({ type: 'removed' })
    this.#handler = undefined
    this.#listeners.clear()
  }

  /** Lets go of the channel; what was configured is kept. */
  suspend(): Promise<void> {
    return this.#life.suspend()
  }

  resume(signal: AbortSignal): Promise<void> {
    return this.#life.resume(signal)
  }

  transmit(bytes: Uint8Array, offset: number, length: number, offload?: FrameOffload): TransmitStatus {
    if (!this.#settings.up || !this.#link.up || this.#life.session === undefined) return TransmitStatus.down
    const active = this.path.active
    if (active !== undefined) return active.transmit(bytes, offset, length, offload)
    return this.#transmitter.transmit(bytes, offset, length, offload)
  }

  beginBatch(): void {
    this.path.active?.beginBatch()
    this.#transmitter.beginBatch()
  }

  endBatch(): void {
    this.path.active?.endBatch()
    this.#transmitter.endBatch()
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
    return this.#life.inTurn(async () => {
      const { mtu, address } = change
      if (mtu !== undefined && mtu !== this.#settings.mtu) await this.#setMtu(mtu)
      if (address !== undefined) await this.#setAddress(address)
      await this.#setReception(change)
      this.#emit({ type: 'settings', settings: this.#settings })
    })
  }

  onEvent(listener: (event: EthernetEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Sets key and table of receive-side scaling. @throws DeviceError */
  setScaling(key: ArrayLike<number>, table?: readonly number[]): Promise<void> {
    return this.#life.inTurn(async () => {
      const session = this.#life.need()
      const next = table ?? session.scaling.table
      await session.setScaling(next, key)
      this.#life.config = { ...this.#life.config, rssKey: key, rssTable: next }
      this.#transmitter.setKey(key)
    })
  }

  /** Lets the host join TCP segments, or not. */
  setCoalescing(coalesce: boolean): Promise<void> {
    return this.#life.inTurn(async () => {
      await this.#life.need().setOffloads(coalesce)
      this.#life.config = { ...this.#life.config, coalesce }
    })
  }

  /** Changes how frames are copied and joined. @throws RangeError */
  setSending(change: Partial<Pick<NetvscSettings, 'aggregate' | 'copyThreshold'>>): void {
    for (const [name, value] of Object.entries(change)) {
      if (!(Number.isInteger(value) && value >= 0 && value <= 0xffff))
        throw new RangeError(`${name} ${value}: 0 to 65535`)
    }
    this.driverSettings = { ...this.driverSettings, ...change }
    this.session?.setSending(this.driverSettings)
  }

  // Its sessions.

  #makeSession(failed: (error: Error) => void): NetvscSession {
    return new NetvscSession(this.#channel, {
      clock: this.clock,
      log: this.log,
      settings: this.driverSettings,
      statistics: this.counters,
      handler: () => (this.#settings.up ? this.#handler : undefined),
      roomAgain: () => this.#roomAgain(),
      indicated: (status, data) => this.#link.indicated(status, data),
      association: (allocated, serial) => {
        if (this.driverSettings.virtualFunctions) this.path.associated(allocated, serial)
      },
      dataPathMoved: (toFunction) => this.path.hostMoved(toFunction),
      failed,
    })
  }

  async #learn(session: NetvscSession): Promise<void> {
    const { mtu } = this.#life.config
    const { address, mtuMax, linkUp, speed } = await queryFacts(session, mtu)
    this.#settings = { ...this.#settings, address, mtu, mtuMax }
    this.path.address = address
    this.#transmitter.rules = new FrameRules(capabilitiesOf(session, this.driverSettings.tsoMaxBytes), mtu)
    this.#link.set(linkUp, speed)
  }

  async #began(session: NetvscSession): Promise<void> {
    this.#transmitter.use(session.queues, session.table)
    await this.path.enable(true)
    if (this.#settings.up) await session.setFilter(this.receiveFilter)
    this.#emit(WRITABLE)
  }

  #ended(): Promise<void> {
    this.#transmitter.use([])
    return this.path.enable(false)
  }

  #lookForStuckQueue(): void {
    const stuck = this.#transmitter.stuck()
    if (stuck === undefined) return
    this.counters.watchdog++
    this.#life.restart(`watchdog timeout: ${stuck.outstanding} messages without completion`)
  }

  // Its settings.

  /** The device is started again with the new size; when that fails, with the old one. */
  async #setMtu(mtu: number): Promise<void> {
    this.#life.need()
    if (!(Number.isInteger(mtu) && mtu >= MTU_MIN && mtu <= this.#settings.mtuMax)) {
      throw new DeviceError('invalid-argument', `an MTU of ${mtu}: ${MTU_MIN} to ${this.#settings.mtuMax}`)
    }
    await this.#life.change({ ...this.#life.config, mtu })
  }

  async #setAddress(address: Uint8Array): Promise<void> {
    if (address.length !== 6 || isGroup(address, 0)) {
      throw new DeviceError('invalid-argument', `${formatMac(address)} is no address of an interface`)
    }
    await this.#life.need().rndis.set(Oid.GEN_RNDIS_CONFIG_PARAMETER, macParameter(address))
    this.#settings = { ...this.#settings, address: address.slice() }
    this.path.address = this.#settings.address
  }

  /** Which frames are let in. */
  async #setReception(change: Partial<Omit<EthernetSettings, 'mtuMax'>>): Promise<void> {
    const before = this.#settings
    const { up = before.up, promiscuous = before.promiscuous, allMulticast = before.allMulticast } = change
    const multicast = change.multicast ?? before.multicast
    this.#settings = { ...before, up, promiscuous, allMulticast, multicast }
    try {
      const session = this.#life.need()
      if (change.multicast !== undefined) await session.rndis.set(Oid.ETHERNET_MULTICAST_LIST, joined(multicast))
      await session.setFilter(this.receiveFilter)
    } catch (error) {
      this.#settings = before
      throw error
    }
  }

  // Its events.

  #roomAgain(): void {
    if (this.#transmitter.roomAgain()) this.#emit(WRITABLE)
  }

  #linkChanged(link: LinkState, cameUp: boolean): void {
    this.#emit({ type: 'link', link })
    if (cameUp) this.#emit(WRITABLE)
  }

  #moved(path: 'synthetic' | 'virtual-function'): void {
    this.path.active?.receive((frames, count) => this.#handler?.(frames, count))
    this.#emit({ type: 'data-path', path })
    this.#emit(WRITABLE)
  }

  #emit(event: EthernetEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

function joined(addresses: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(addresses.length * 6)
  addresses.forEach((address, i) => {
    bytes.set(address.subarray(0, 6), i * 6)
  })
  return bytes
}
