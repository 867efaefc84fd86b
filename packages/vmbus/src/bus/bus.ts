import type { ChannelOffer, Clock, Device, Logger, PageAllocator } from '@bis/hyperv-types'
import { ChannelError, DeviceError } from '@bis/hyperv-types'
import { formatVmbusVersion } from '@bis/hyperv-types/vmbus'
import type { VmbusChannel } from '../channel/channel.ts'
import type { HypervisorFeatures } from '../platform/discovery.ts'
import { discover } from '../platform/discovery.ts'
import { MmioAllocator } from '../platform/mmio.ts'
import type { PlatformEvents } from '../platform/platform.ts'
import type { ReferenceTime } from '../platform/reference-time.ts'
import type { ChannelDescriptor, ProcessorLink } from '../worker/link-data.ts'
import { ChannelServices } from './channel-services.ts'
import { ChannelTable } from './channel-table.ts'
import { BusCounters } from './counters.ts'
import { dispatch } from './dispatch.ts'
import { HostLink } from './host-link.ts'
import { InterruptRouter } from './interrupt-router.ts'
import type { IsolationPolicy } from './isolation.ts'
import { isolationRefusal } from './isolation.ts'
import { OfferBook } from './offer-book.ts'
import type { VmbusOptions } from './options.ts'
import { ProcessorThreads } from './processor-threads.ts'
import { ReopenList } from './reopen.ts'
import { RunQueue } from './run-queue.ts'
import type { VmbusTiming } from './timing.ts'
import { DEFAULT_TIMING } from './timing.ts'
import { versionsToAsk } from './version-choice.ts'

/** A VMBus in operation: the link to the host, and the channels on it. */
export class VmbusBus {
  readonly hypervisorFeatures: HypervisorFeatures
  readonly counters = new BusCounters()
  readonly clock: Clock
  readonly log: Logger
  readonly mmio: MmioAllocator
  readonly pages: PageAllocator
  readonly timing: VmbusTiming
  readonly #options: VmbusOptions
  readonly #device: Device
  readonly #isolation: IsolationPolicy | undefined
  readonly #link: HostLink
  readonly #table: ChannelTable
  readonly #offers: OfferBook
  readonly #router: InterruptRouter
  readonly #threads: ProcessorThreads
  readonly #reopen = new ReopenList()
  #suspendedVersion = 0
  #crashing: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  /** @throws DeviceError `not-supported` on a machine without a usable VMBus; nothing was touched then */
  constructor(options: VmbusOptions, device: Device) {
    const { hypervisor } = options
    const { vmbus, framebuffer } = hypervisor.firmware
    if (vmbus === undefined) throw new DeviceError('not-supported', 'not usable: the firmware has no VMBus node')
    const found = discover((leaf) => hypervisor.cpuid(leaf))
    if (!found.usable) throw new DeviceError('not-supported', found.reason)
    const { features } = found
    const { clock, pages } = device.kernel
    const { log } = device
    this.hypervisorFeatures = features
    this.#options = options
    this.#device = device
    this.clock = clock
    this.log = log
    this.pages = pages
    this.mmio = new MmioAllocator(vmbus.mmio, framebuffer)
    this.timing = { ...DEFAULT_TIMING, ...options.timing }
    this.#isolation = options.isolation ?? (features.isolated ? {} : undefined)
    const { counters, mmio, timing } = this
    const queue = new RunQueue(clock)
    const events: PlatformEvents = {
      onMessage: (_cpu, message) => this.#router.onMessage(message),
      onEventFlags: (cpu, flags) => this.#threads.interrupt(cpu, flags) || this.#router.onEventFlags(flags),
      onNmi: (cpu) => this.#nonMaskable(cpu),
    }
    const isolation = this.#isolation
    const osReleaseDate = Number(device.kernel.sysctl.get('kern.osreldate'))
    const parts = { options, osReleaseDate, features, isolation, clock, log, pages, timing, counters, events }
    const link = new HostLink(parts)
    this.#link = link
    const { session, replies } = link
    const services = new ChannelServices({ options, clock, log, pages, mmio, timing, link, queue })
    const table = new ChannelTable((channelId) => {
      link.watch(channelId)
      this.#threads.useEventFlag(channelId)
    })
    const refuses = (offer: ChannelOffer): string | undefined =>
      isolation && isolationRefusal(isolation, offer, link.features)
    const offers = new OfferBook({ bus: services, device, table, counters, log, refuses })
    this.#table = table
    this.#offers = offers
    this.#router = new InterruptRouter({
      table,
      counters,
      schedule: (task) => queue.schedule(task),
      deliver: (message) => dispatch(message, { session, replies, offers, counters }),
      interruptPage: () => link.interruptPage,
    })
    this.#threads = new ProcessorThreads({
      clock,
      hypervisor,
      table,
      eventFlagsGpa: (cpu) => link.eventFlagsGpa(cpu),
      monitorPageGpa: ({ offer }) => link.monitorPageGpa(offer),
      sendPageGpa: ({ offer }) => link.sendPageGpa(offer),
      channelEvent: (channelId) => this.#router.channelEvent(channelId),
    })
  }

  /** Negotiated version, major << 16 | minor; 0 while there is no connection. */
  get version(): number {
    return this.#link.version
  }

  /** Negotiated feature flags. */
  get features(): number {
    return this.#link.features
  }

  /** Primary channels in the order of their offers. */
  get channels(): readonly VmbusChannel[] {
    return this.#offers.primaries
  }

  /** The partition's reference time; undefined while the bus is stopped or suspended. */
  get referenceTime(): ReferenceTime | undefined {
    return this.#link.time
  }

  /**
   * Gives the host the monitor pages, or takes them away, on the running connection; channels opened from then on signal
   * accordingly.
   * @throws ChannelError `refused` when the host will not, or the connection has no such request; `timeout`, `closed`.
   */
  setMonitorPages(on: boolean): Promise<void> {
    return this.#link.setMonitorPages(on)
  }

  /**
   * Gives a processor to a thread of its own, which makes a `VirtualProcessor` (`@bis/vmbus/worker`) of this. Channels of
   * the processor stay with the bus until they are handed over. From 2.4 on.
   * @throws ChannelError `invalid-argument`, MemoryError `bad-region` for memory that threads cannot share
   */
  processorLink(cpu: number): ProcessorLink {
    return this.#threads.link(cpu)
  }

  /** The processor's thread has ended; the bus serves its channels again. */
  processorEnded(cpu: number): void {
    this.#threads.end(cpu)
  }

  /**
   * Lets the thread of a channel's processor serve it, until it is closed, rescinded, released by the thread, or taken
   * back. Its own handlers hear nothing meanwhile, and `send` answers `gone`.
   * @throws ChannelError `invalid-state`, `invalid-argument`
   */
  handOver(channel: VmbusChannel): ChannelDescriptor {
    return this.#threads.handOver(channel)
  }

  /**
   * Switches the hypervisor's interfaces on, negotiates, and takes in the devices. Resolves when every device that the
   * machine booted with was probed and its attach has ended.
   * @throws VmbusError, MemoryError, HypervisorFault; nothing is left switched on then
   */
  async start(signal: AbortSignal): Promise<void> {
    this.log.log('info', `Hyper-V Version: ${this.hypervisorFeatures.version}`)
    try {
      await this.#connect(this.#versions(), signal)
    } catch (error) {
      await this.stop()
      throw error
    }
    try {
      await this.#link.session.requestOffers()
    } catch (error) {
      const arrived = this.channels.map(({ offer }) => offer.instanceId).join(', ') || 'none'
      this.log.log('warning', `${error instanceof Error ? error.message : String(error)}; offered so far: ${arrived}`)
    }
    await this.#device.settled()
  }

  /**
   * The host has gone for good, as a root in another process does that was killed: every request ends now with an error
   * that says so, and every channel is gone. Pages that the host has are never used again; it could still write there.
   */
  hostGone(reason: string): void {
    this.log.log('error', `the host has gone: ${reason}`)
    this.#link.lost(reason)
    const error = new ChannelError('closed', `the host has gone: ${reason}`)
    for (const channel of this.#table.list()) void channel.rescind(error)
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
    await this.#reopen.close(this.channels)
    await this.#offers.expectReturn()
    await this.#disconnect()
    await this.#switchOff()
  }

  /**
   * Connects again, by the same version, and gives every device its channel back by class and instance.
   * @throws VmbusError when the host does not take the version back
   */
  async resume(): Promise<void> {
    await this.#connect([this.#suspendedVersion])
    const delivered = this.#link.session.requestOffers().catch((error: Error) => this.log.log('warning', error.message))
    for (const { interfaceId, instanceId } of await this.#offers.awaitReturn(delivered, this.timing.resumeMs)) {
      this.log.log('warning', `classid=${interfaceId} deviceid=${instanceId} was not offered again`)
    }
    await this.#reopen.open()
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

  async #connect(versions: readonly number[], signal?: AbortSignal): Promise<void> {
    this.#link.switchOn()
    await this.#link.session.connect(versions, signal)
    this.log.log('info', `version ${formatVmbusVersion(this.version)}`)
  }

  async #disconnect(): Promise<void> {
    if (await this.#link.disconnect()) for (const channel of this.#table.list()) channel.dropped()
    this.#table.clear()
    this.#router.clear()
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#table.list().map((channel) => channel.close().catch(() => {})))
    await this.#offers.idle()
    await this.#disconnect()
    await this.#switchOff()
  }

  async #switchOff(): Promise<void> {
    const lost = await this.#threads.close()
    for (const cpu of lost) this.log.log('error', `the thread of cpu ${cpu} does not end; its event flags are lost`)
    this.#link.switchOff(lost)
  }

  async #crash(message: string): Promise<void> {
    for (const channel of this.#table.list()) channel.halt()
    // An isolated guest's log is none of the host's business.
    this.#link.reportCrash(this.#isolation === undefined ? message : '')
    await this.#link.pollDuring(() => this.#disconnect())
    if (this.pages.heldPages > 0) this.log.log('warning', `the host may still write to ${this.pages.heldPages} pages`)
  }

  /** Processors that get it together are one event; panicking is what FreeBSD does unless told otherwise. */
  #nonMaskable(cpu: number): void {
    if (this.#crashing !== undefined) return
    const text = `NMI on cpu ${cpu}`
    this.log.log('error', text, 'nmi')
    if (this.#device.kernel.sysctl.get('machdep.panic_on_nmi') !== 0) void this.crash(`panic: ${text}`)
  }

  #versions(): readonly number[] {
    const tunable = String(this.#device.kernel.sysctl.get('hw.vmbus.max_version'))
    return versionsToAsk(this.#options, this.#isolation, tunable, this.log)
  }
}
