import type {
  ChannelOffer,
  ChannelOpenOptions,
  Clock,
  Device,
  GuestMemory,
  Hypervisor,
  Logger,
  PageAllocator,
  PageConstraint,
} from '@bis/hyperv-types'
import { ChannelError, DeviceError } from '@bis/hyperv-types'
import { describeHvStatus, HvStatus } from '@bis/hyperv-types/hypervisor'
import type { RingEngine } from '@bis/hyperv-types/ring'
import { ringEngineFor, scriptEngine } from '@bis/hyperv-types/ring'
import { NIL_GUID } from '@bis/hyperv-types/struct'
import {
  encodeControlMessage,
  formatVmbusVersion,
  VMBUS_FIRST_GPADL_HANDLE,
  VMBUS_MESSAGE_SINT,
  VmbusFeature,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'
import type { VmbusChannel } from '../channel/channel.ts'
import type { ChannelBus, Runnable } from '../channel/channel-bus.ts'
import type { Signal } from '../channel/signal.ts'
import { fastSignal, monitorSignal, pageBitSignal, slowSignal } from '../channel/signal.ts'
import { PendingReplies } from '../control/pending-replies.ts'
import { Poster } from '../control/poster.ts'
import { parseVersion, versionsToTry } from '../control/versions.ts'
import { VmbusError } from '../errors.ts'
import type { HypervisorFeatures } from '../platform/discovery.ts'
import { discover } from '../platform/discovery.ts'
import type { EventFlags } from '../platform/event-flags.ts'
import type { SlotMessage } from '../platform/message-slot.ts'
import { MmioAllocator } from '../platform/mmio.ts'
import { Platform } from '../platform/platform.ts'
import type { ReferenceTime } from '../platform/reference-time.ts'
import { ChannelTable } from './channel-table.ts'
import { ConnectionSession } from './connection-session.ts'
import { BusCounters } from './counters.ts'
import { dispatch } from './dispatch.ts'
import type { IsolationPolicy } from './isolation.ts'
import { isolatedMinVersion, isolationRefusal } from './isolation.ts'
import { OfferBook } from './offer-book.ts'
import type { VmbusOptions } from './options.ts'
import { DEFAULT_OS_RELEASE_DATE } from './options.ts'
import { RunQueue } from './run-queue.ts'
import { SharedPages } from './shared-pages.ts'
import type { VmbusTiming } from './timing.ts'
import { CRASH_POLL_MS, DEFAULT_TIMING } from './timing.ts'

/** A channel that was open when the machine was suspended although its driver has no suspend of its own. */
interface Reopen {
  readonly channel: VmbusChannel
  readonly options: ChannelOpenOptions
}

/** A VMBus in operation: one connection to the host and the channels on it. */
export class VmbusBus implements ChannelBus {
  readonly hypervisorFeatures: HypervisorFeatures
  readonly counters = new BusCounters()
  readonly clock: Clock
  readonly log: Logger
  readonly mmio: MmioAllocator
  readonly pages: PageAllocator
  readonly ringConstraint: PageConstraint
  readonly replies: PendingReplies
  readonly timing: VmbusTiming
  readonly #options: VmbusOptions
  readonly #hypervisor: Hypervisor
  readonly #device: Device
  readonly #isolation: IsolationPolicy | undefined
  readonly #offeredFeatures: number
  readonly #queue: RunQueue
  readonly #poster: Poster
  readonly #session: ConnectionSession
  readonly #table: ChannelTable
  readonly #offers: OfferBook
  readonly #inbox: SlotMessage[] = []
  readonly #readMail: Runnable = { run: () => this.#dispatchAll() }
  readonly #onEvent = (flag: number): void => this.#channelEvent(flag)
  readonly #onSharedEvent = (flag: number): void => {
    if (flag === 0) this.#shared?.receiveFlags.take(this.#onEvent)
  }
  #platform: Platform | undefined
  #shared: SharedPages | undefined
  #nextGpadl = VMBUS_FIRST_GPADL_HANDLE
  #reopen: readonly Reopen[] = []
  #suspendedVersion = 0
  #lastCpu = 0
  #monitored: boolean
  #crashing: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: VmbusOptions, device: Device) {
    const { hypervisor } = options
    if (hypervisor.firmware.vmbus === undefined) {
      throw new DeviceError('not-supported', 'not usable: the firmware has no VMBus node')
    }
    const found = discover((leaf) => hypervisor.cpuid(leaf))
    if (!found.usable) throw new DeviceError('not-supported', found.reason)
    this.hypervisorFeatures = found.features
    this.#options = options
    this.#hypervisor = hypervisor
    this.#device = device
    this.#monitored = options.monitorPages ?? true
    this.clock = device.kernel.clock
    this.mmio = new MmioAllocator(hypervisor.firmware.vmbus.mmio, hypervisor.firmware.framebuffer)
    this.log = device.log
    this.pages = device.kernel.pages
    this.ringConstraint = options.ringConstraint ?? {}
    this.timing = { ...DEFAULT_TIMING, ...options.timing }
    this.#isolation = options.isolation ?? (found.features.isolated ? {} : undefined)
    this.#offeredFeatures = offeredFeatures(options, this.#isolation)
    this.replies = new PendingReplies(this.clock)
    this.#queue = new RunQueue(this.clock)
    this.#poster = new Poster((id, payload) => this.#postNow(id, payload), this.clock)
    this.#table = new ChannelTable((id) => this.#watchEvent(id))
    this.#session = new ConnectionSession({
      clock: this.clock,
      poster: this.#poster,
      log: this.log,
      timing: this.timing,
      offeredFeatures: this.#offeredFeatures,
      contact: (version) => this.#contact(version),
      sharing: (shared) => (shared ? this.#shared?.share() : this.#shared?.unshare()),
      unsolicited: () => void this.counters.unsolicited++,
    })
    this.#offers = new OfferBook({
      bus: this,
      device,
      table: this.#table,
      counters: this.counters,
      log: this.log,
      refuses: (offer) => this.#isolation && isolationRefusal(this.#isolation, offer, this.features),
    })
  }

  // What channels ask of it.

  get version(): number {
    return this.#session.version
  }

  get features(): number {
    return this.#session.features
  }

  get memory(): GuestMemory {
    return this.#hypervisor.memory
  }

  get processorCount(): number {
    return this.#hypervisor.processorCount
  }

  /** The partition's reference time; undefined while the bus is stopped or suspended. */
  get referenceTime(): ReferenceTime | undefined {
    return this.#platform?.time
  }

  /** Primary channels in the order of their offers. */
  get channels(): readonly VmbusChannel[] {
    return this.#offers.primaries
  }

  ringEngine(gpa: number): RingEngine {
    const region = this.memory.regionAt(gpa, 0)
    return this.#options.engine ?? (region === undefined ? scriptEngine : ringEngineFor(region))
  }

  vpIndex(cpu: number): number {
    return this.#platform?.vpIndex(cpu) ?? 0
  }

  async post(message: Uint8Array, signal?: AbortSignal): Promise<void> {
    const connectionId = this.#session.connectionId
    if (connectionId === undefined) throw new ChannelError('closed', 'there is no connection to the host')
    const status = await this.#poster.post(connectionId, message, { signal })
    if (status === HvStatus.SUCCESS) return
    throw new VmbusError('post-failed', `the hypervisor refused a control message: ${describeHvStatus(status)}`)
  }

  nextCpu(): number {
    if (this.version < VmbusVersion.V2_4) return 0
    this.#lastCpu = (this.#lastCpu + 1) % this.processorCount
    return this.#lastCpu
  }

  takeGpadlHandle(): number {
    const handle = this.#nextGpadl
    this.#nextGpadl = handle === 0xffff_ffff ? 1 : handle + 1
    return handle
  }

  makeSignal(offer: ChannelOffer, monitored: boolean): Signal {
    const shared = this.#shared
    const platform = this.#platform
    if (shared === undefined || platform === undefined)
      throw new ChannelError('closed', 'there is no connection to the host')
    const signal =
      monitored && offer.monitorId !== undefined && this.#monitored
        ? monitorSignal(shared.monitorWords, offer.monitorId)
        : this.#hypercallSignal(platform, offer.connectionId)
    const bit = !offer.dedicatedInterrupt && this.version < VmbusVersion.V5_0
    return bit ? pageBitSignal(shared.sendWords, offer.channelId, signal) : signal
  }

  /**
   * Gives the host the monitor pages, or takes them away, on the running connection; channels opened from then on signal
   * accordingly. @throws ChannelError `refused` when the host will not, or its version or features have no such request
   */
  async setMonitorPages(on: boolean): Promise<void> {
    const shared = this.#shared
    if (shared === undefined || (this.features & VmbusFeature.MODIFY_CONNECTION) === 0) {
      throw new ChannelError('refused', 'this connection cannot be modified: that takes feature 0x4 of VMBus 6.0')
    }
    const body = { monitor_page1: on ? shared.monitorToGuest.gpa : 0, monitor_page2: on ? shared.monitorToHost.gpa : 0 }
    const message = encodeControlMessage('MODIFY_CONNECTION', body, this.version, this.features)
    const what = 'MODIFY_CONNECTION_RESPONSE'
    const reply = this.replies.wait({ kind: 'connection', id: 0, channelId: 0, what, timeoutMs: this.timing.replyMs })
    this.post(message).catch((error: Error) => this.replies.fail('connection', 0, error))
    const state = await reply
    if (state !== 0) throw new ChannelError('refused', `the host does not take the monitor pages (state ${state})`)
    this.#monitored = on
  }

  schedule(task: Runnable): void {
    this.#queue.schedule(task)
  }

  scheduleLater(task: Runnable): void {
    this.#queue.scheduleLater(task)
  }

  // Its life.

  /**
   * Switches the hypervisor's interfaces on, negotiates, and takes in the devices. Resolves when every device that the
   * machine booted with was probed and its attach has ended.
   * @throws VmbusError, MemoryError, HypervisorFault; nothing is left switched on then
   */
  async start(signal: AbortSignal): Promise<void> {
    this.#printFeatures()
    try {
      this.#switchOn()
      await this.#session.connect(this.#versions(), signal)
    } catch (error) {
      await this.stop()
      throw error
    }
    this.log.log('info', `version ${formatVmbusVersion(this.version)}`)
    await this.#takeOffers()
  }

  /** Ends everything, in order; once, however often it is asked for. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** Closes what is open, lets the host drop the connection, and switches the hypervisor's interfaces off. */
  async suspend(): Promise<void> {
    this.#suspendedVersion = this.version
    await this.#offers.idle()
    this.#reopen = this.#offers.primaries.flatMap((channel) => {
      const options = channel.openOptions
      return options === undefined ? [] : [{ channel, options }]
    })
    await Promise.all(this.#offers.primaries.map((channel) => channel.close()))
    await this.#offers.expectReturn()
    await this.#disconnect()
    this.#switchOff()
  }

  /**
   * Connects again, by the same version, and gives every device its channel back by class and instance.
   * @throws VmbusError when the host does not take the version back
   */
  async resume(): Promise<void> {
    this.#switchOn()
    await this.#session.connect([this.#suspendedVersion])
    this.log.log('info', `version ${formatVmbusVersion(this.version)}`)
    const limit = new AbortController()
    const delivered = this.#session.requestOffers().catch((error: Error) => this.log.log('warning', error.message))
    const timer = this.clock.after(this.timing.resumeMs, () => limit.abort())
    const late = new Promise<void>((resolve) => limit.signal.addEventListener('abort', () => resolve()))
    const missing = await this.#offers.awaitReturn(Promise.race([delivered, late]))
    timer.cancel()
    for (const { interfaceId, instanceId } of missing) {
      this.log.log('warning', `classid=${interfaceId} deviceid=${instanceId} was not offered again`)
    }
    for (const { channel, options } of this.#reopen) await this.#openAgain(channel, options)
    this.#reopen = []
  }

  /**
   * The machine crashes: no handler runs any more, the message goes to the crash registers, and the host is told to let
   * go. Looks at every processor's messages by itself, because interrupts may have ended. Resolves when the host has
   * answered or the time is over; a second call changes nothing.
   */
  crash(message: string): Promise<void> {
    this.#crashing ??= this.#crash(message)
    return this.#crashing
  }

  async #crash(message: string): Promise<void> {
    for (const channel of this.#table.list()) channel.halt()
    this.#platform?.reportCrash(message)
    let polling = true
    const poll = (): void => {
      if (!polling) return
      this.#platform?.pollMessages()
      this.clock.after(CRASH_POLL_MS, poll)
    }
    poll()
    await this.#disconnect()
    polling = false
    if (this.pages.heldPages > 0) this.log.log('warning', `the host may still write to ${this.pages.heldPages} pages`)
  }

  /** Processors that get it together are one event; panicking is what FreeBSD does unless told otherwise. */
  #nonMaskable(cpu: number): void {
    if (this.#crashing !== undefined) return
    const text = `NMI on cpu ${cpu}`
    this.log.log('error', text, 'nmi')
    if (this.#device.kernel.tunables.getInt('machdep.panic_on_nmi') !== 0) void this.crash(`panic: ${text}`)
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#table.list().map((channel) => channel.close().catch(() => {})))
    await this.#offers.idle()
    await this.#disconnect()
    this.#switchOff()
  }

  #switchOn(): void {
    this.#shared = new SharedPages(this.pages)
    try {
      this.#platform = new Platform({
        hypervisor: this.#hypervisor,
        pages: this.pages,
        features: this.hypervisorFeatures,
        osReleaseDate: this.#options.osReleaseDate ?? DEFAULT_OS_RELEASE_DATE,
        events: {
          onMessage: (_cpu, message) => this.#receive(message),
          onEventFlags: (_cpu, flags) => this.#receiveEvents(flags),
          onNmi: (cpu) => this.#nonMaskable(cpu),
        },
      })
    } catch (error) {
      this.#shared.free()
      this.#shared = undefined
      throw error
    }
  }

  #switchOff(): void {
    this.#platform?.stop()
    this.#platform = undefined
    this.#shared?.free()
    this.#shared = undefined
  }

  async #disconnect(): Promise<void> {
    let dropped = false
    try {
      dropped = (await this.#session.unload()) === 'answered'
    } catch (error) {
      this.log.log('warning', error instanceof Error ? error.message : String(error))
    }
    this.replies.failAll(new ChannelError('closed', 'the connection to the host ended'))
    if (dropped) {
      for (const channel of this.#table.list()) channel.dropped()
    }
    this.#table.clear()
    this.#inbox.length = 0
  }

  async #takeOffers(): Promise<void> {
    try {
      await this.#session.requestOffers()
    } catch (error) {
      const arrived = this.channels.map(({ offer }) => offer.instanceId).join(', ') || 'none'
      this.log.log('warning', `${error instanceof Error ? error.message : String(error)}; offered so far: ${arrived}`)
    }
    await this.#device.settled()
  }

  async #openAgain(channel: VmbusChannel, options: ChannelOpenOptions): Promise<void> {
    if (channel.state !== 'offered') return
    try {
      await channel.open(options)
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error))
      options.onFailure?.(
        new ChannelError('protocol', `the channel could not be opened again: ${cause.message}`, { cause }),
      )
    }
  }

  #versions(): readonly number[] {
    const tunable = this.#device.kernel.tunables.get('hw.vmbus.max_version')
    const cap = tunable === undefined ? undefined : parseVersion(tunable)
    if (tunable !== undefined && cap === undefined) {
      this.log.log('warning', `hw.vmbus.max_version=${tunable} is no version (such as 4.0); ignored`)
    }
    const max = Math.min(cap ?? Infinity, this.#options.maxVersion ?? Infinity)
    const floor = this.#isolation === undefined ? 0 : isolatedMinVersion(this.#isolation)
    return versionsToTry({ max, min: Math.max(floor, this.#options.minVersion ?? 0) })
  }

  #contact(version: number): Uint8Array {
    const shared = this.#shared
    if (shared === undefined) throw new VmbusError('disconnected', 'the bus is switched off')
    shared.clear()
    const monitored = this.#monitored
    const features = version < VmbusVersion.V6_0 ? 0 : this.#offeredFeatures
    return encodeControlMessage(
      'INITIATE_CONTACT',
      {
        vmbus_version_requested: version,
        target_vcpu: version < VmbusVersion.V3_0 ? 0 : this.vpIndex(0),
        interrupt:
          version < VmbusVersion.V5_0
            ? { interrupt_page: shared.interrupt.gpa }
            : { target: { msg_sint: VMBUS_MESSAGE_SINT, target_vtl: 0, feature_flags: features } },
        monitor_page1: monitored ? shared.monitorToGuest.gpa : 0,
        monitor_page2: monitored ? shared.monitorToHost.gpa : 0,
        client_id: this.#options.clientId ?? NIL_GUID,
      },
      version,
      features,
    )
  }

  #hypercallSignal(platform: Platform, connectionId: number): Signal {
    if (this.#options.slowSignals !== true) return fastSignal(this.#hypervisor, 0, connectionId)
    const { view, gpa } = platform.hypercalls.signalBlock
    return slowSignal(this.#hypervisor, 0, connectionId, view, gpa)
  }

  #postNow(connectionId: number, payload: Uint8Array): number {
    const platform = this.#platform
    return platform === undefined
      ? HvStatus.INVALID_CONNECTION_ID
      : platform.hypercalls.postMessage(connectionId, payload)
  }

  // Interrupts take note here; the work is done in tasks.

  #receive(message: SlotMessage): void {
    this.#inbox.push(message)
    if (this.#inbox.length === 1) this.#queue.schedule(this.#readMail)
  }

  #dispatchAll(): void {
    const parts = { session: this.#session, replies: this.replies, offers: this.#offers, counters: this.counters }
    for (let message = this.#inbox.shift(); message !== undefined; message = this.#inbox.shift())
      dispatch(message, parts)
  }

  #receiveEvents(flags: EventFlags): void {
    const version = this.version
    flags.take(version !== 0 && version < VmbusVersion.V2_4 ? this.#onSharedEvent : this.#onEvent)
  }

  #channelEvent(flag: number): void {
    const entry = this.#table.get(flag)
    if (entry === undefined) this.counters.strayEvents++
    else entry.channel.interrupt()
  }

  #watchEvent(channelId: number): void {
    this.#platform?.useEventFlag(channelId)
    this.#shared?.receiveFlags.use(channelId)
  }

  #printFeatures(): void {
    this.log.log('info', `Hyper-V Version: ${this.hypervisorFeatures.version}`)
  }
}

/** Of 6.0's features those that this bus does something with. */
function offeredFeatures({ clientId }: VmbusOptions, isolation: IsolationPolicy | undefined): number {
  let features: number = VmbusFeature.GUEST_SPECIFIED_SIGNAL_PARAMETERS | VmbusFeature.MODIFY_CONNECTION
  if (clientId !== undefined) features |= VmbusFeature.CLIENT_ID
  if (isolation?.confidentialChannels !== undefined) features |= VmbusFeature.CONFIDENTIAL_CHANNELS
  return features
}
