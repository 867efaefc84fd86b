import { ChannelError } from '../errors.ts'
import type { Channel, ChannelOffer, ChannelOpenOptions, ChannelState, Gpadl } from '../interfaces/channel.ts'
import { SendStatus } from '../interfaces/channel.ts'
import type { HostChannelHandlers } from '../interfaces/host-channel.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import type { PageAllocator, PageRun } from '../memory/page-allocator.ts'
import { initRing } from '../ring/index.ts'
import type { LoopbackConnection } from './connection.ts'
import { LoopbackHostChannel } from './host-end.ts'
import type { Counters } from './ring-end.ts'
import { newCounters, RingEnd } from './ring-end.ts'

interface Opened {
  readonly guest: RingEnd
  readonly host: RingEnd
  readonly hostChannel: LoopbackHostChannel
  readonly hostHandlers: HostChannelHandlers
  readonly rings: readonly PageRun[]
}

/** The guest's end of a channel. */
export class LoopbackChannel implements Channel {
  readonly statistics: Counters = newCounters()
  readonly gone: AbortSignal
  readonly #connection: LoopbackConnection
  readonly #gone = new AbortController()
  readonly #listeners = new Set<(channel: Channel) => void>()
  readonly #subchannels: LoopbackChannel[] = []
  #offer: ChannelOffer
  #state: ChannelState = 'offered'
  #opened: Opened | undefined
  #cpu: number

  constructor(connection: LoopbackConnection, offer: ChannelOffer) {
    this.#connection = connection
    this.#offer = offer
    this.#cpu = offer.subIndex % connection.processorCount
    this.gone = this.#gone.signal
  }

  get offer(): ChannelOffer {
    return this.#offer
  }
  get state(): ChannelState {
    return this.#state
  }
  get protocolVersion(): number {
    return this.#connection.protocolVersion
  }
  get memory(): GuestMemory {
    return this.#connection.memory
  }
  get pages(): PageAllocator {
    return this.#connection.pages
  }
  get processorCount(): number {
    return this.#connection.processorCount
  }
  get cpu(): number {
    return this.#cpu
  }
  get subchannels(): readonly LoopbackChannel[] {
    return this.#subchannels
  }
  /** The host's end while the channel is open: what a test reads or breaks. */
  get hostChannel(): LoopbackHostChannel | undefined {
    return this.#opened?.hostChannel
  }

  referenceTime(): bigint | undefined {
    return this.#connection.referenceTime?.()
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
    const opened = this.#opened
    if (opened === undefined) return SendStatus.gone
    return opened.guest.send(
      type,
      flags,
      transactionIdLow,
      transactionIdHigh,
      header,
      headerLength,
      data,
      dataOffset,
      dataLength,
    )
  }

  beginBatch(): void {
    this.#opened?.guest.beginBatch()
  }

  endBatch(): void {
    this.#opened?.guest.endBatch()
  }

  async open(options: ChannelOpenOptions): Promise<void> {
    if (this.#state !== 'offered') throw new ChannelError('invalid-state', `the channel is ${this.#state}`)
    options.signal?.throwIfAborted()
    const { clock, device, pages } = this.#connection
    const userData = new Uint8Array(120)
    userData.set(options.userData ?? [])
    const { channelId, subIndex } = this.#offer
    const hostChannel = new LoopbackHostChannel(this.#connection, channelId, subIndex, userData, options.rxRingBytes)
    const hostHandlers = device.openChannel(hostChannel)
    if (hostHandlers === undefined) throw new ChannelError('refused', `the device refuses channel ${subIndex}`)
    const tx = pages.allocate(options.txRingBytes / 4096)
    const rx = pages.allocate(options.rxRingBytes / 4096)
    initRing(tx.bytes, { pendingSendSize: true })
    initRing(rx.bytes, { pendingSendSize: true })
    const guest = new RingEnd({
      clock,
      outgoing: tx.bytes,
      incoming: rx.bytes,
      handlers: options,
      statistics: this.statistics,
      ...(options.maxPacketBytes === undefined ? {} : { maxPacketBytes: options.maxPacketBytes }),
      ...(options.budget === undefined ? {} : { budget: options.budget }),
    })
    const host = new RingEnd({
      clock,
      outgoing: rx.bytes,
      incoming: tx.bytes,
      handlers: hostHandlers,
      statistics: hostChannel.statistics,
      ...(hostHandlers.maxPacketBytes === undefined ? {} : { maxPacketBytes: hostHandlers.maxPacketBytes }),
      ...(hostHandlers.budget === undefined ? {} : { budget: hostHandlers.budget }),
    })
    guest.peer = host
    host.peer = guest
    hostChannel.connect(host)
    this.#cpu = options.cpu ?? this.#cpu
    this.#opened = { guest, host, hostChannel, hostHandlers, rings: [tx, rx] }
    this.#state = 'open'
  }

  async close(): Promise<void> {
    const opened = this.#opened
    if (opened === undefined) return
    if (this.#state === 'open') this.#state = 'closing'
    this.#opened = undefined
    for (const subchannel of this.#subchannels) await subchannel.close()
    opened.guest.stop()
    opened.host.stop()
    await opened.hostHandlers.onClose()
    for (const run of opened.rings) this.#connection.pages.free(run)
    if (this.#state === 'closing') this.#state = 'offered'
  }

  async establishGpadl(run: PageRun): Promise<Gpadl> {
    if (this.#state === 'rescinded') throw new ChannelError('rescinded', 'the channel is gone')
    return { handle: this.#connection.gpadls.establish(run), run }
  }

  async teardownGpadl(gpadl: Gpadl): Promise<void> {
    await this.#connection.device.gpadlTeardown?.(gpadl.handle)
    this.#connection.gpadls.remove(gpadl.handle)
  }

  async setCpu(cpu: number): Promise<void> {
    if (!(cpu >= 0 && cpu < this.processorCount)) throw new ChannelError('invalid-argument', `there is no cpu ${cpu}`)
    this.#cpu = cpu
  }

  onSubchannel(listener: (channel: Channel) => void): () => void {
    for (const channel of [...this.#subchannels]) listener(channel)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** A sub-channel was offered. */
  addSubchannel(channel: LoopbackChannel): void {
    this.#subchannels.push(channel)
    for (const listener of [...this.#listeners]) listener(channel)
  }

  /** The host takes the channel away; resolves when the guest has let go of it. */
  async rescind(): Promise<void> {
    for (const subchannel of this.#subchannels.splice(0)) await subchannel.rescind()
    if (this.#state === 'rescinded') return
    this.#state = 'rescinded'
    this.#opened?.guest.stop()
    this.#gone.abort(new ChannelError('rescinded', 'the host took the device away'))
    await this.close()
  }
}
