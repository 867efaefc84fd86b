import type { ChannelOffer, ChannelOpenOptions, ChannelState, Gpadl, PageRun } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'
import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelBus } from './channel-bus.ts'
import { ChannelCounters } from './counters.ts'
import { GpadlSet } from './gpadls.ts'
import { ChannelLife } from './life.ts'
import { checkCpu, checkOpenOptions } from './open-request.ts'
import { Opened } from './opened.ts'
import { ChannelRequests } from './requests.ts'
import type { ChannelRings, RingRequest } from './rings.ts'
import { allocateRings } from './rings.ts'
import type { Signal } from './signal.ts'

/** The channel that is opened and closed. */
export interface SessionChannel {
  /** Another one after a suspend. */
  offer(): ChannelOffer
  /** Publishes what there is to see of the open channel. @returns how to take it away */
  publish(rings: ChannelRings): () => void
  /** Sub-channels end before their primary one. */
  closeSubchannels(): Promise<void>
  /** The host has taken the channel away; nothing waits on it any more. */
  rescinded(error: ChannelError): void
}

/** The opening and closing of one channel, again and again, with all that the host has of it meanwhile. */
export class ChannelSession {
  readonly counters = new ChannelCounters()
  readonly #bus: ChannelBus
  readonly #channel: SessionChannel
  readonly #life = new ChannelLife()
  readonly #gpadls: GpadlSet
  readonly #requests: ChannelRequests
  #cpu: number
  #opened: Opened | undefined
  #opening: AbortController | undefined
  /** The end of whatever close, abandoned open or rescind has still to tidy up. */
  #tidying: Promise<void> = Promise.resolve()

  /** @param cpu that takes the interrupts until another one is asked for */
  constructor(bus: ChannelBus, channel: SessionChannel, cpu: number) {
    this.#bus = bus
    this.#channel = channel
    this.#cpu = cpu
    this.#gpadls = new GpadlSet(bus, () => channel.offer().channelId)
    this.#requests = new ChannelRequests(bus, () => channel.offer())
  }

  get state(): ChannelState {
    return this.#life.state
  }

  /** What the channel has; undefined unless it is open. */
  get opened(): Opened | undefined {
    return this.#opened
  }

  get cpu(): number {
    return this.#cpu
  }

  /** GPADLs that the host has or may have. */
  get gpadlCount(): number {
    return this.#gpadls.size
  }

  /** @see Channel.open */
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
      await this.#open(options, request, signal)
    } finally {
      this.#opening = undefined
    }
  }

  /** @see Channel.close */
  async close(): Promise<void> {
    this.#opening?.abort(new ChannelError('closed', `${this.#name} was closed while it opened`))
    if (this.state === 'open') this.#tidying = this.#close()
    await this.#tidying
  }

  /** @see Channel.setCpu */
  async setCpu(cpu: number): Promise<void> {
    checkCpu(cpu, this.#bus.processorCount)
    this.#refuseRescinded('move')
    if (this.state === 'open') {
      if (this.#opened?.isLent === true) throw new ChannelError('invalid-state', `${this.#name} is lent to a thread`)
      await this.#requests.move(this.#cpu, cpu)
    }
    this.#cpu = cpu
  }

  async establishGpadl(run: PageRun, signal?: AbortSignal): Promise<Gpadl> {
    this.#refuseRescinded('share pages')
    return this.#gpadls.establish(run, signal)
  }

  teardownGpadl(gpadl: Gpadl): Promise<void> {
    return this.#gpadls.teardown(gpadl)
  }

  /**
   * The host took the channel away: every wait ends now, no handler runs any more, and what the host has is taken back.
   * Resolves when the host may reuse the id.
   */
  async rescind(error = new ChannelError('rescinded', `${this.#name} was rescinded by the host`)): Promise<void> {
    if (!this.#life.rescind()) return this.#tidying
    const opened = this.#takeOpened()
    this.#bus.replies.failChannel(this.#channel.offer().channelId, error)
    this.#channel.rescinded(error)
    this.#tidying = this.#gpadls.teardownAll(this.#bus.timing.rescindMs).then((left) => {
      if (left > 0)
        this.#bus.log.log('warning', `${this.#name}: the host keeps ${left} shared buffers; their pages are lost`)
      return opened?.giveBack()
    })
    await this.#tidying
  }

  /** The connection ended and the host dropped everything: nothing is left to take back. */
  dropped(): void {
    const opened = this.#takeOpened()
    this.#gpadls.dropped()
    void opened?.giveBack()
  }

  get #name(): string {
    return `channel ${this.#channel.offer().channelId}`
  }

  #refuseRescinded(what: string): void {
    if (this.state === 'rescinded') throw new ChannelError('rescinded', `cannot ${what}: ${this.#name} is rescinded`)
  }

  async #open(options: ChannelOpenOptions, request: RingRequest, signal: AbortSignal): Promise<void> {
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
      signalHost = bus.makeSignal(this.#channel.offer(), options.monitored ?? true)
      this.#life.to('open')
    } catch (error) {
      this.#tidying = this.#undoOpen(rings, gpadl, error)
      throw error
    }
    const unpublish = this.#channel.publish(rings)
    const { counters } = this
    this.#opened = new Opened({ bus, name: this.#name, options, rings, gpadl, signal: signalHost, counters, unpublish })
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
    await this.#channel.closeSubchannels()
    if (opened !== undefined) {
      if (this.state === 'closing') await this.#requests.close().catch(() => {})
      await opened.giveBack()
      await this.#gpadls.teardown(opened.gpadl).catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error)
        this.#bus.log.log('warning', `${this.#name}: its rings stay with the host: ${why}`)
      })
    }
    if (this.state === 'closing') this.#life.to('offered')
  }

  /** Ends the service of the rings, here or elsewhere; whoever takes this gives their pages back. */
  #takeOpened(): Opened | undefined {
    const opened = this.#opened
    this.#opened = undefined
    opened?.end()
    return opened
  }
}
