import type { ChannelOffer, Clock, Hypervisor, Logger, PageAllocator } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'
import { describeHvStatus, HvStatus } from '@bis/hyperv-types/hypervisor'
import {
  encodeControlMessage,
  VMBUS_MESSAGE_CONNECTION_ID_4,
  VmbusFeature,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'
import type { Signal } from '../channel/signal.ts'
import { fastSignal, monitorSignal, pageBitSignal, slowSignal } from '../channel/signal.ts'
import { PendingReplies } from '../control/pending-replies.ts'
import { Poster } from '../control/poster.ts'
import { VmbusError } from '../errors.ts'
import type { HypervisorFeatures } from '../platform/discovery.ts'
import type { EventFlags } from '../platform/event-flags.ts'
import type { PlatformEvents } from '../platform/platform.ts'
import { Platform } from '../platform/platform.ts'
import type { ReferenceTime } from '../platform/reference-time.ts'
import { ConnectionSession } from './connection-session.ts'
import { contactMessage, offeredFeatures } from './contact.ts'
import type { BusCounters } from './counters.ts'
import type { IsolationPolicy } from './isolation.ts'
import type { VmbusOptions } from './options.ts'
import { SharedPages } from './shared-pages.ts'
import type { VmbusTiming } from './timing.ts'

/** Between two looks at every processor's message slot. */
const POLL_MS = 10

export interface LinkParts {
  readonly options: VmbusOptions
  /** `__FreeBSD_version`, which the hypervisor is told. */
  readonly osReleaseDate: number
  readonly features: HypervisorFeatures
  readonly isolation: IsolationPolicy | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly pages: PageAllocator
  readonly timing: VmbusTiming
  readonly counters: BusCounters
  readonly events: PlatformEvents
}

/**
 * The way to the host: the hypervisor's interfaces while they are switched on, the pages shared with the host, and the
 * connection. It knows no channels.
 */
export class HostLink {
  readonly session: ConnectionSession
  readonly replies: PendingReplies
  readonly #parts: LinkParts
  readonly #hypervisor: Hypervisor
  readonly #poster: Poster
  #platform: Platform | undefined
  #shared: SharedPages | undefined
  #monitored: boolean

  constructor(parts: LinkParts) {
    const { options, clock, log, timing, counters } = parts
    this.#parts = parts
    this.#hypervisor = options.hypervisor
    this.#monitored = options.monitorPages ?? true
    this.replies = new PendingReplies(clock)
    this.#poster = new Poster((connectionId, payload) => this.#postNow(connectionId, payload), clock)
    const features = offeredFeatures(options, parts.isolation)
    this.session = new ConnectionSession({
      clock,
      poster: this.#poster,
      log,
      timing,
      offeredFeatures: features,
      contact: (version) => this.#contact(version, features),
      sharing: (shared) => (shared ? this.#shared?.share() : this.#shared?.unshare()),
      unsolicited: () => void counters.unsolicited++,
    })
  }

  get version(): number {
    return this.session.version
  }

  get features(): number {
    return this.session.features
  }

  /** Undefined while switched off. */
  get time(): ReferenceTime | undefined {
    return this.#platform?.time
  }

  /** The host's half of the interrupt page, with versions that use it. */
  get interruptPage(): EventFlags | undefined {
    return this.version !== 0 && this.version < VmbusVersion.V2_4 ? this.#shared?.receiveFlags : undefined
  }

  vpIndex(cpu: number): number {
    return this.#platform?.vpIndex(cpu) ?? 0
  }

  /** Guest-physical address of a processor's event flags; undefined while switched off. */
  eventFlagsGpa(cpu: number): number | undefined {
    return this.#platform?.eventFlagsGpa(cpu)
  }

  /** Address of the monitor page that a channel signals by; undefined when it signals otherwise. */
  monitorPageGpa(offer: ChannelOffer): number | undefined {
    return offer.monitorId !== undefined && this.#monitored ? this.#shared?.monitorToHost.gpa : undefined
  }

  /** Address of the interrupt page's half where a channel marks its signals; undefined when it does not. */
  sendPageGpa(offer: ChannelOffer): number | undefined {
    return this.#marksPage(offer) ? this.#shared?.sendGpa : undefined
  }

  /** Takes interrupts for this channel from now on. */
  watch(channelId: number): void {
    this.#platform?.useEventFlag(channelId)
    this.#shared?.receiveFlags.use(channelId)
  }

  /** @throws VmbusError `not-usable`, MemoryError `exhausted`, HypervisorFault; nothing is left switched on then */
  switchOn(): void {
    const { options, pages, features, events, osReleaseDate } = this.#parts
    const shared = new SharedPages(pages)
    try {
      const wanted = { ...features, referenceTsc: features.referenceTsc && options.tscPage !== false }
      const parts = { hypervisor: this.#hypervisor, pages, features: wanted, osReleaseDate, events }
      this.#platform = new Platform(parts)
    } catch (error) {
      shared.free()
      throw error
    }
    this.#shared = shared
    this.replies.open()
  }

  /** Twice is once. @param lostProcessors those whose threads still look at their event flags */
  switchOff(lostProcessors: readonly number[] = []): void {
    this.#platform?.stop(lostProcessors)
    this.#platform = undefined
    this.#shared?.free()
    this.#shared = undefined
  }

  /** Ends the connection and every wait on it. @returns whether the host said that it dropped everything */
  async disconnect(): Promise<boolean> {
    let dropped = false
    try {
      dropped = (await this.session.unload()) === 'answered'
    } catch (error) {
      this.#parts.log.log('warning', error instanceof Error ? error.message : String(error))
    }
    const ended = new ChannelError('closed', 'the connection to the host ended')
    this.replies.failAll(ended)
    this.#poster.drop(ended)
    return dropped
  }

  /** The host has gone without a farewell: every wait ends now, and what it was given stays with it. */
  lost(reason: string): void {
    const ended = new ChannelError('closed', `the host has gone: ${reason}`)
    this.session.lost(reason)
    this.replies.failAll(ended)
    this.#poster.drop(ended)
  }

  /** Sends a message on the connection. @throws ChannelError `closed`, VmbusError `post-failed`, `aborted`. */
  async post(message: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { connectionId } = this.session
    if (connectionId === undefined) throw new ChannelError('closed', 'there is no connection to the host')
    const status = await this.#poster.post(connectionId, message, { signal })
    if (status === HvStatus.SUCCESS) return
    // A port that was there is no more.
    if (status === HvStatus.INVALID_CONNECTION_ID) this.lost(`HvPostMessage: ${describeHvStatus(status)}`)
    throw new VmbusError('post-failed', `the hypervisor refused a control message: ${describeHvStatus(status)}`)
  }

  makeSignal(offer: ChannelOffer, monitored: boolean): Signal {
    const shared = this.#shared
    if (shared === undefined) throw new ChannelError('closed', 'there is no connection to the host')
    const signal =
      monitored && offer.monitorId !== undefined && this.#monitored
        ? monitorSignal(shared.monitorWords, offer.monitorId)
        : this.#hypercallSignal(offer.connectionId)
    return this.#marksPage(offer) ? pageBitSignal(shared.sendWords, offer.channelId, signal) : signal
  }

  /** Gives the host the monitor pages, or takes them away. @throws ChannelError `refused`, `timeout`, `closed`. */
  async setMonitorPages(on: boolean): Promise<void> {
    const shared = this.#shared
    if (shared === undefined || (this.features & VmbusFeature.MODIFY_CONNECTION) === 0) {
      throw new ChannelError('refused', 'this connection cannot be modified: that takes feature 0x4 of VMBus 6.0')
    }
    const body = { monitor_page1: on ? shared.monitorToGuest.gpa : 0, monitor_page2: on ? shared.monitorToHost.gpa : 0 }
    const message = encodeControlMessage('MODIFY_CONNECTION', body, this.version, this.features)
    const timeoutMs = this.#parts.timing.replyMs
    const what = 'MODIFY_CONNECTION_RESPONSE'
    const reply = this.replies.wait({ kind: 'connection', id: 0, channelId: 0, what, timeoutMs })
    this.post(message).catch((error: Error) => this.replies.fail('connection', 0, error))
    const state = await reply
    if (state !== 0) throw new ChannelError('refused', `the host does not take the monitor pages (state ${state})`)
    this.#monitored = on
  }

  /** Looks into every processor's message slot by itself, as interrupts may have ended, until the work is done. */
  async pollDuring(work: () => Promise<void>): Promise<void> {
    let polling = true
    const poll = (): void => {
      if (!polling) return
      this.#platform?.pollMessages()
      this.#parts.clock.after(POLL_MS, poll)
    }
    poll()
    try {
      await work()
    } finally {
      polling = false
    }
  }

  reportCrash(message: string): void {
    this.#platform?.reportCrash(message)
  }

  #contact(version: number, features: number): Uint8Array {
    const shared = this.#shared
    if (shared === undefined) throw new VmbusError('disconnected', 'the bus is switched off')
    shared.clear()
    const { clientId } = this.#parts.options
    return contactMessage(version, { shared, vpIndex: this.vpIndex(0), monitored: this.#monitored, features, clientId })
  }

  #marksPage(offer: ChannelOffer): boolean {
    return !offer.dedicatedInterrupt && this.version < VmbusVersion.V5_0
  }

  #hypercallSignal(connectionId: number): Signal {
    const block = this.#platform?.hypercalls.signalBlock
    if (this.#parts.options.slowSignals !== true || block === undefined) {
      return fastSignal(this.#hypervisor, 0, connectionId)
    }
    return slowSignal(this.#hypervisor, 0, connectionId, block.view, block.gpa)
  }

  #postNow(connectionId: number, payload: Uint8Array): number {
    const { contactConnection = VMBUS_MESSAGE_CONNECTION_ID_4 } = this.#parts.options
    const port = connectionId === VMBUS_MESSAGE_CONNECTION_ID_4 ? contactConnection : connectionId
    return this.#platform?.hypercalls.postMessage(port, payload) ?? HvStatus.INVALID_CONNECTION_ID
  }
}
