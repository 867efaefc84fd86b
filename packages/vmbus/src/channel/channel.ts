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
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelBus, ChannelOwner, Runnable } from './channel-bus.ts'
import { ChannelCounters } from './counters.ts'
import { DataPath, DEFAULT_BUDGET } from './data-path.ts'
import { GpadlSet } from './gpadls.ts'
import { ChannelLife } from './life.ts'
import { checkCpu, checkOpenOptions } from './open-request.ts'
import type { Lease, Opened } from './opened.ts'
import { ChannelRequests } from './requests.ts'
import type { ChannelRings, RingRequest } from './rings.ts'
import { allocateRings, reopenRings } from './rings.ts'
import type { Signal } from './signal.ts'
import { SubchannelList } from './subchannels.ts'
import { publishChannel } from './sysctl.ts'

/** A channel of this bus: the interface that drivers see, and below it what the bus itself calls. */
export class VmbusChannel implements Channel, Runnable {
  readonly statistics: ChannelStatistics
  readonly gone: AbortSignal
  readonly #bus: ChannelBus
  readonly #life = new ChannelLife()
  readonly #counters = new ChannelCounters()
  readonly #goneController = new AbortController()
  readonly #gpadls: GpadlSet
  readonly #requests: ChannelRequests
  readonly #subchannels = new SubchannelList<VmbusChannel>((error) =>
    this.#bus.log.log('error', `${this.#name}: sub-channel listener threw ${String(error)}`),
  )
  #offer: ChannelOffer
  #primary: VmbusChannel | undefined
  #owner: ChannelOwner = { device: undefined }
  #cpu = 0
  #opened: Opened | undefined
  #opening: AbortController | undefined
  /** The end of whatever close, abandoned open or rescind has still to tidy up. */
  #tidying: Promise<void> = Promise.resolve()

  constructor(bus: ChannelBus, offer: ChannelOffer, primary?: VmbusChannel) {
    this.#bus = bus
    this.#offer = offer
    this.#primary = primary
    if (primary !== undefined) this.#cpu = bus.nextCpu()
    this.gone = this.#goneController.signal
    this.statistics = this.#counters
    this.#gpadls = new GpadlSet(bus, () => this.#offer.channelId)
    this.#requests = new ChannelRequests(bus, () => this.#offer)
  }

  get offer(): ChannelOffer {
    return this.#offer
  }

  get state(): ChannelState {
    return this.#life.state
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
    return this.#bus.ringEngine(this.#opened?.rings.run.gpa ?? 0)
  }

  get mmio(): MmioSpace {
    return this.#bus.mmio
  }

  get processorCount(): number {
    return this.#bus.processorCount
  }

  get cpu(): number {
    return this.#cpu
  }

  get subchannels(): readonly VmbusChannel[] {
    return this.#subchannels.all
  }

  get primary(): VmbusChannel | undefined {
    return this.#primary
  }

  /** GPADLs that the host has or may have. */
  get gpadlCount(): number {
    return this.#gpadls.size
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
    const path = this.#opened?.path
    return path === undefined
      ? SendStatus.gone
      : path.send(type, flags, transactionIdLow, transactionIdHigh, header, headerLength, data, dataOffset, dataLength)
  }

  beginBatch(): void {
    this.#opened?.path?.beginBatch()
  }

  endBatch(): void {
    this.#opened?.path?.endBatch()
  }

  async open(options: ChannelOpenOptions): Promise<void> {
    this.#refuseRescinded('open')
    const request = checkOpenOptions(options, this.#bus)
    if (this.state === 'closing') await this.#tidying
    this.#life.to('opening')
    const abort = new AbortController()
    const signal = options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal])
    this.#opening = abort
    try {
      if (options.cpu !== undefined) this.#cpu = options.cpu
      if (this.#bus.version < VmbusVersion.V2_4) this.#cpu = 0
      await this.#openWith(options, request, signal)
    } finally {
      this.#opening = undefined
    }
  }

  async close(): Promise<void> {
    this.#opening?.abort(new ChannelError('closed', `${this.#name} was closed while it opened`))
    if (this.state === 'open') this.#tidying = this.#close()
    await this.#tidying
  }

  async establishGpadl(run: PageRun, signal?: AbortSignal): Promise<Gpadl> {
    this.#refuseRescinded('share pages')
    return this.#gpadls.establish(run, signal)
  }

  async teardownGpadl(gpadl: Gpadl): Promise<void> {
    await this.#gpadls.teardown(gpadl)
  }

  async setCpu(cpu: number): Promise<void> {
    checkCpu(cpu, this.processorCount)
    this.#refuseRescinded('move')
    if (this.state !== 'open') {
      this.#cpu = cpu
      return
    }
    if (this.#opened?.lease !== undefined) throw new ChannelError('invalid-state', `${this.#name} is lent to a thread`)
    await this.#requests.move(this.#cpu, cpu)
    this.#cpu = cpu
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
    this.#opened?.path?.interrupt()
  }

  /** Drains in a task: the bus schedules a channel when it was set up or may have missed a signal. */
  run(): void {
    this.#opened?.path?.run()
  }

  /** The bus signals the host for a thread that has written into the rings. */
  signalHost(): void {
    this.#opened?.signal()
  }

  get fullRingPollMs(): number {
    return this.#bus.timing.fullRingPollMs
  }

  /**
   * Another thread serves the rings from now on; `send` answers `gone` here.
   * @throws ChannelError `invalid-state` when the channel is not open, or lent already
   */
  lend(lease: Lease): Opened {
    const opened = this.#opened
    if (opened?.path === undefined) throw new ChannelError('invalid-state', `${this.#name} is not served here`)
    this.#endPath(opened)
    opened.lease = lease
    return opened
  }

  /** Serves the rings here again. @throws ChannelError `invalid-state` when the thread does not let go of them */
  async takeBack(): Promise<void> {
    const opened = this.#opened
    const { lease } = opened ?? {}
    if (lease === undefined || opened === undefined) return
    const quiet = await lease.end()
    if (this.#opened !== opened || opened.lease !== lease) return
    if (!quiet) throw new ChannelError('invalid-state', `the thread of ${this.#name} does not let go of its rings`)
    opened.lease = undefined
    opened.rings = reopenRings(opened.rings, (gpa) => this.#bus.ringEngine(gpa))
    this.#serve(opened)
  }

  adopt(owner: ChannelOwner): void {
    this.#owner = owner
  }

  /** How to open it again as it is open now; undefined when it is not. */
  get openOptions(): ChannelOpenOptions | undefined {
    return this.#opened?.options
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
  async rescind(error = new ChannelError('rescinded', `${this.#name} was rescinded by the host`)): Promise<void> {
    if (!this.#life.rescind()) return this.#tidying
    const opened = this.#takeOpened()
    this.#bus.replies.failChannel(this.#offer.channelId, error)
    this.#primary?.removeSubchannel(this)
    this.#goneController.abort(error)
    this.#tidying = this.#gpadls.teardownAll(this.#bus.timing.rescindMs).then((left) => {
      if (left > 0)
        this.#bus.log.log('warning', `${this.#name}: the host keeps ${left} shared buffers; their pages are lost`)
      return opened === undefined ? undefined : this.#giveBack(opened)
    })
    await this.#tidying
  }

  /** The machine crashes: no handler runs from now on; everything else stays where it is. */
  halt(): void {
    this.#opened?.path?.stop()
  }

  /** The connection ended and the host dropped everything: nothing is left to take back. */
  dropped(): void {
    const opened = this.#takeOpened()
    this.#gpadls.dropped()
    if (opened !== undefined) void this.#giveBack(opened)
  }

  get #name(): string {
    return `channel ${this.#offer.channelId}`
  }

  #refuseRescinded(what: string): void {
    if (this.state === 'rescinded') throw new ChannelError('rescinded', `cannot ${what}: ${this.#name} is rescinded`)
  }

  async #openWith(options: ChannelOpenOptions, request: RingRequest, signal: AbortSignal): Promise<void> {
    const bus = this.#bus
    let rings: ChannelRings
    try {
      rings = allocateRings(bus.pages, bus.ringConstraint, (gpa) => bus.ringEngine(gpa), request)
    } catch (error) {
      this.#life.to('offered')
      throw error
    }
    let gpadl: Gpadl | undefined
    let signalHost: Signal
    try {
      gpadl = await this.#gpadls.establish(rings.run, signal)
      const status = await this.#requests.open({
        cpu: this.#cpu,
        gpadl: gpadl.handle,
        downstreamPages: rings.downstreamPages,
        userData: options.userData,
        signal,
      })
      if (status !== 0) {
        throw new ChannelError('refused', `the host refused to open ${this.#name} (status 0x${status.toString(16)})`)
      }
      signalHost = bus.makeSignal(this.#offer, options.monitored ?? true)
      this.#life.to('open')
    } catch (error) {
      this.#tidying = this.#undoOpen(rings, gpadl, error)
      throw error
    }
    const top = this.#primary ?? this
    const unpublish = publishChannel(this, top.offer.channelId, rings, top.#owner.device)
    const opened: Opened = { options, rings, gpadl, signal: signalHost, unpublish, path: undefined, lease: undefined }
    this.#opened = opened
    this.#serve(opened)
  }

  /** Serves the rings here, from where they stand. */
  #serve(opened: Opened): void {
    const { rings, options, signal } = opened
    const { clock, log, timing } = this.#bus
    this.#counters.follow(rings.producer, rings.consumer)
    opened.path = new DataPath({
      producer: rings.producer,
      consumer: rings.consumer,
      handlers: options,
      signal,
      counters: this.#counters,
      clock,
      log,
      name: this.#name,
      budget: options.budget ?? DEFAULT_BUDGET,
      fullRingPollMs: timing.fullRingPollMs,
      schedule: (task) => this.#bus.schedule(task),
      scheduleLater: (task) => this.#bus.scheduleLater(task),
    })
    // The host may have signalled before there was anyone to hear it.
    opened.path.kick()
  }

  /** What a failed open leaves: the rings go back when the host has let go of them. */
  async #undoOpen(rings: ChannelRings, gpadl: Gpadl | undefined, error: unknown): Promise<void> {
    const answered = error instanceof ChannelError && error.code === 'refused'
    if (gpadl !== undefined && !answered && this.state === 'opening') {
      this.#life.to('closing')
      await this.#requests.undoOpen()
    }
    this.#bus.pages.free(rings.run)
    if (gpadl !== undefined) await this.#gpadls.teardown(gpadl).catch(() => {})
    if (this.state === 'opening' || this.state === 'closing') this.#life.to('offered')
  }

  async #close(): Promise<void> {
    this.#life.to('closing')
    const opened = this.#takeOpened()
    for (const sub of this.#subchannels.all) await sub.close()
    if (opened === undefined) {
      if (this.state === 'closing') this.#life.to('offered')
      return
    }
    if (this.state === 'closing') await this.#requests.close().catch(() => {})
    await this.#giveBack(opened)
    await this.#gpadls.teardown(opened.gpadl).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error)
      this.#bus.log.log('warning', `${this.#name}: its rings stay with the host: ${why}`)
    })
    if (this.state === 'closing') this.#life.to('offered')
  }

  /** Ends the service of the rings, here or elsewhere; whoever takes this gives their pages back. */
  #takeOpened(): Opened | undefined {
    const opened = this.#opened
    if (opened === undefined) return undefined
    this.#opened = undefined
    this.#endPath(opened)
    opened.unpublish()
    return opened
  }

  #endPath(opened: Opened): void {
    if (opened.path === undefined) return
    this.#counters.settle()
    opened.path.stop()
    opened.path = undefined
  }

  /** Gives the rings' pages back when no thread touches them any more. */
  async #giveBack({ rings, lease }: Opened): Promise<void> {
    const quiet = (await lease?.end()) ?? true
    if (quiet) {
      this.#bus.pages.free(rings.run)
    } else {
      this.#bus.log.log('error', `${this.#name}: its thread does not let go of the rings; their pages are lost`)
      this.#bus.pages.leak(rings.run)
    }
  }
}
