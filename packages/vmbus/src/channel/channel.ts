import type {
  Channel,
  ChannelOffer,
  ChannelOpenOptions,
  ChannelState,
  ChannelStatistics,
  Gpadl,
  GuestMemory,
  MmioSpace,
  PageAllocator,
  PageRun,
} from '@bis/hyperv-types'
import { ChannelError, SendStatus } from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import type { ChannelBus, ChannelOwner, Runnable } from './channel-bus.ts'
import type { Lease, Opened } from './opened.ts'
import type { ChannelRings } from './rings.ts'
import type { SessionChannel } from './session.ts'
import { ChannelSession } from './session.ts'
import { SubchannelList } from './subchannels.ts'
import { publishChannel } from './sysctl.ts'

/** A channel of this bus: the interface that drivers see, and below it what the bus itself calls. */
export class VmbusChannel implements Channel, Runnable {
  readonly statistics: ChannelStatistics
  readonly gone: AbortSignal
  readonly #bus: ChannelBus
  readonly #session: ChannelSession
  readonly #goneController = new AbortController()
  readonly #subchannels = new SubchannelList<VmbusChannel>((error) =>
    this.#bus.log.log('error', `${this.#name}: sub-channel listener threw ${String(error)}`),
  )
  #offer: ChannelOffer
  readonly #primary: VmbusChannel | undefined
  #owner: ChannelOwner = { device: undefined }

  constructor(bus: ChannelBus, offer: ChannelOffer, primary?: VmbusChannel) {
    this.#bus = bus
    this.#offer = offer
    this.#primary = primary
    this.gone = this.#goneController.signal
    const parts: SessionChannel = {
      offer: () => this.#offer,
      publish: (rings) => this.#publish(rings),
      closeSubchannels: async () => {
        for (const sub of this.#subchannels.all) await sub.close()
      },
      rescinded: (error) => {
        primary?.removeSubchannel(this)
        this.#goneController.abort(error)
      },
    }
    this.#session = new ChannelSession(bus, parts, primary === undefined ? 0 : bus.nextCpu())
    this.statistics = this.#session.counters
  }

  get offer(): ChannelOffer {
    return this.#offer
  }

  get state(): ChannelState {
    return this.#session.state
  }

  get protocolVersion(): number {
    return this.#bus.version
  }

  referenceTime(): bigint | undefined {
    return this.#bus.referenceTime?.now()
  }

  get memory(): GuestMemory {
    return this.#bus.memory
  }

  get pages(): PageAllocator {
    return this.#bus.pages
  }

  get ringEngine(): RingEngine {
    return this.#bus.ringEngine(this.#session.opened?.rings.run.gpa ?? 0)
  }

  get mmio(): MmioSpace {
    return this.#bus.mmio
  }

  get processorCount(): number {
    return this.#bus.processorCount
  }

  get cpu(): number {
    return this.#session.cpu
  }

  get subchannels(): readonly VmbusChannel[] {
    return this.#subchannels.all
  }

  get primary(): VmbusChannel | undefined {
    return this.#primary
  }

  /** GPADLs that the host has or may have. */
  get gpadlCount(): number {
    return this.#session.gpadlCount
  }

  send(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array | undefined,
    headerLength: number,
    data: Uint8Array,
    dataOffset: number,
    dataLength: number,
  ): SendStatus {
    const path = this.#session.opened?.path
    return path === undefined
      ? SendStatus.gone
      : path.send(type, flags, transactionIdLow, transactionIdHigh, header, headerLength, data, dataOffset, dataLength)
  }

  beginBatch(): void {
    this.#session.opened?.path?.beginBatch()
  }

  endBatch(): void {
    this.#session.opened?.path?.endBatch()
  }

  open(options: ChannelOpenOptions): Promise<void> {
    return this.#session.open(options)
  }

  close(): Promise<void> {
    return this.#session.close()
  }

  establishGpadl(run: PageRun, signal?: AbortSignal): Promise<Gpadl> {
    return this.#session.establishGpadl(run, signal)
  }

  teardownGpadl(gpadl: Gpadl): Promise<void> {
    return this.#session.teardownGpadl(gpadl)
  }

  setCpu(cpu: number): Promise<void> {
    return this.#session.setCpu(cpu)
  }

  onSubchannel(listener: (channel: Channel) => void): () => void {
    return this.#subchannels.listen(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // What the bus calls.

  /** The host signalled this channel. */
  interrupt(): void {
    this.#session.opened?.path?.interrupt()
  }

  /** Drains in a task: the bus schedules a channel when it was set up or may have missed a signal. */
  run(): void {
    this.#session.opened?.path?.run()
  }

  /** The bus signals the host for a thread that has written into the rings. */
  signalHost(): void {
    this.#session.opened?.signalHost()
  }

  get fullRingPollMs(): number {
    return this.#bus.timing.fullRingPollMs
  }

  /**
   * Another thread serves the rings from now on; `send` answers `gone` here.
   * @throws ChannelError `invalid-state` when the channel is not open, or lent already
   */
  lend(lease: Lease): Opened {
    const { opened } = this.#session
    if (opened === undefined) throw new ChannelError('invalid-state', `${this.#name} is not served here`)
    opened.lend(lease)
    return opened
  }

  /** Serves the rings here again. @throws ChannelError `invalid-state` when the thread does not let go of them */
  async takeBack(): Promise<void> {
    await this.#session.opened?.takeBack()
  }

  adopt(owner: ChannelOwner): void {
    this.#owner = owner
  }

  /** How to open it again as it is open now; undefined when it is not. */
  get openOptions(): ChannelOpenOptions | undefined {
    return this.#session.opened?.options
  }

  addSubchannel(channel: VmbusChannel): void {
    this.#subchannels.add(channel)
  }

  removeSubchannel(channel: VmbusChannel): void {
    this.#subchannels.remove(channel)
  }

  /** The same device, offered again on a new connection. */
  reoffer(offer: ChannelOffer): void {
    this.#offer = offer
  }

  /**
   * The host took the channel away: every wait ends now, no handler runs any more, and what the host has is taken back.
   * Resolves when the host may reuse the id.
   */
  rescind(error?: ChannelError): Promise<void> {
    return this.#session.rescind(error)
  }

  /** The machine crashes: no handler runs from now on; everything else stays where it is. */
  halt(): void {
    this.#session.opened?.path?.stop()
  }

  /** The connection ended and the host dropped everything: nothing is left to take back. */
  dropped(): void {
    this.#session.dropped()
  }

  get #name(): string {
    return `channel ${this.#offer.channelId}`
  }

  /** Under the device of the primary channel. */
  #publish(rings: ChannelRings): () => void {
    const top = this.#primary ?? this
    return publishChannel(this, top.offer.channelId, rings, top.#owner.device)
  }
}
