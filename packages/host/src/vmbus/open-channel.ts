import type {
  ChannelStatistics,
  Clock,
  GuestMemory,
  HostChannel,
  HostChannelHandlers,
  HostGpadl,
  SendStatus,
} from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'
import type { RingConsumer, RingEngine } from '@bis/hyperv-types/ring'
import { ReadResult } from '@bis/hyperv-types/ring'
import type { ChannelRings } from './channel-rings.ts'
import { OutgoingPath } from './outgoing-path.ts'
import type { Serviceable, ServiceQueue } from './service-queue.ts'

/** What an open channel needs of the bus that it is on. */
export interface OpenChannelHost {
  readonly clock: Clock
  readonly queue: ServiceQueue
  readonly memory: GuestMemory
  readonly protocolVersion: number
  /** All channels of one guest share it. */
  readonly lane: object
  /** Raises the channel's interrupt in the guest. */
  signalGuest(): void
  findGpadl(handle: number): HostGpadl | undefined
  /** The channel broke; told once. */
  broken(reason: string): void
}

export interface OpenChannelDescription {
  readonly channelId: number
  readonly subIndex: number
  readonly userData: Uint8Array
  readonly restored: unknown
}

const DEFAULT_BUDGET = 256
/**
 * - `starting`: the device has not taken it yet; `running`: packets are taken out;
 * - `saving`: the device finishes, and may still send; `broken`: by the guest or the device; `closed`: the rings are let go.
 */
type EndLife = 'starting' | 'running' | 'saving' | 'broken' | 'closed'

/**
 * The host's end of an open channel: takes packets out in turns of a budget, with the ring masked meanwhile, and writes
 * answers in batches. Whatever the guest does to the rings ends in `broken` and a dead channel.
 */
export class OpenChannel implements HostChannel, Serviceable {
  readonly channelId: number
  readonly subIndex: number
  readonly userData: Uint8Array
  readonly restored: unknown
  readonly ringEngine: RingEngine
  readonly #host: OpenChannelHost
  readonly #rings: ChannelRings
  readonly #outgoing: OutgoingPath
  /** Taken up when the device has said how long its packets are. */
  #incoming: RingConsumer | undefined = undefined
  #handlers: HostChannelHandlers | undefined = undefined
  #life: EndLife = 'starting'
  #paused = false
  #serving = false
  #interrupts = 0
  #signalsSent = 0
  #protocolErrors = 0
  #afterService: (() => void) | undefined = undefined

  constructor(host: OpenChannelHost, description: OpenChannelDescription, rings: ChannelRings) {
    this.#host = host
    this.channelId = description.channelId
    this.subIndex = description.subIndex
    this.userData = description.userData
    this.restored = description.restored
    this.#rings = rings
    this.ringEngine = rings.engine
    this.#outgoing = new OutgoingPath({
      ring: rings.outgoing,
      clock: host.clock,
      signal: () => this.#signalGuest(),
      retry: () => this.#wake(),
      corrupt: (reason) => this.#break(reason),
    })
  }

  get lane(): object {
    return this.#host.lane
  }

  get memory(): GuestMemory {
    return this.#host.memory
  }

  get longestPacket(): number {
    return this.#rings.outgoing.longestPacket
  }

  get protocolVersion(): number {
    return this.#host.protocolVersion
  }

  get isBroken(): boolean {
    return this.#life === 'broken'
  }

  get statistics(): ChannelStatistics {
    const { packets, ringFull, suppressedSignals } = this.#rings.outgoing
    return {
      packetsSent: packets,
      packetsReceived: this.#incoming?.packets ?? 0,
      signalsSent: this.#signalsSent,
      signalsSuppressed: suppressedSignals,
      ringFull,
      interrupts: this.#interrupts,
      protocolErrors: this.#protocolErrors,
    }
  }

  /** Begins to take packets out; the guest may have put some in already. */
  start(handlers: HostChannelHandlers): void {
    if (this.#life !== 'starting') return
    this.#handlers = handlers
    this.#incoming = this.#rings.openIncoming(handlers.maxPacketBytes ?? this.#rings.longestPacket)
    this.#to('running')
    this.#wake()
  }

  /** The guest signalled, or the monitor page or interrupt page names the channel. */
  signaled(): void {
    this.#interrupts++
    this.#wake()
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
    return this.#outgoing.send(
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
    this.#outgoing.beginBatch()
  }

  endBatch(): void {
    // Within a turn the batch is the turn's own.
    if (!this.#serving) this.#outgoing.publish()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#wake()
  }

  gpadl(handle: number): HostGpadl | undefined {
    return this.#life === 'closed' ? undefined : this.#host.findGpadl(handle)
  }

  fail(reason: string): void {
    this.#die(reason)
  }

  /**
   * Stops: no handler runs after this but `onClose`, which is called when a handler that runs now has returned.
   * @returns what `onClose` returned
   */
  close(): Promise<void> {
    if (this.#life === 'closed') return Promise.resolve()
    this.#to('closed')
    return new Promise<void>((resolve, reject) => {
      const finish = () => {
        this.#closeRings()
        Promise.resolve(this.#handlers?.onClose()).then(resolve, reject)
      }
      if (this.#serving) this.#afterService = finish
      else finish()
    }).finally(() => {
      this.#handlers = undefined
    })
  }

  /**
   * Takes no more packets and lets the device finish what it has.
   * @returns the device's state; undefined, with the channel closed, when the device cannot be saved
   */
  async save(): Promise<{ readonly state: unknown } | undefined> {
    const handlers = this.#handlers
    if (this.#life !== 'running' || handlers?.onSave === undefined) {
      await this.close()
      return undefined
    }
    this.#to('saving')
    const state = await handlers.onSave()
    // What was sent meanwhile may have broken it.
    if (!this.#isSaving()) return undefined
    this.#to('closed')
    this.#closeRings()
    return { state }
  }

  /** The guest's side may have waited since before the channel was restored: it looks at its ring once more. */
  wakeGuest(): void {
    this.#signalGuest()
  }

  /** One turn: room that came back first, then packets. @returns whether packets are left */
  service(): boolean {
    const handlers = this.#handlers
    const ring = this.#incoming
    if (this.#life !== 'running' || handlers === undefined || ring === undefined) return false
    this.#serving = true
    this.#outgoing.beginBatch()
    let more = false
    try {
      if (this.#outgoing.takeBlocked()) handlers.onWritable?.()
      more = this.#drain(handlers, ring)
      handlers.onBatchEnd?.()
    } catch (error) {
      this.#break(`the device failed: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      this.#outgoing.publish()
      this.#serving = false
    }
    const after = this.#afterService
    this.#afterService = undefined
    after?.()
    return more && this.#life === 'running'
  }

  /** @returns whether to come again without a signal */
  #drain(handlers: HostChannelHandlers, ring: RingConsumer): boolean {
    const commitAfter = ring.dataBytes / 4
    let left = handlers.budget ?? DEFAULT_BUDGET
    let taken = 0
    ring.mask()
    while (!this.#paused && this.#life === 'running') {
      const found = left === 0 ? ReadResult.EMPTY : ring.next()
      if (found === ReadResult.PACKET) {
        left--
        taken += ring.packet.length
        handlers.onPacket(ring.packet)
        if (taken < commitAfter) continue
      }
      taken = 0
      if (ring.commit()) this.#signalGuest()
      if (found === ReadResult.OVERSIZED) {
        this.#break(
          `guest-to-host ring: a packet of ${ring.packet.length} bytes, more than the ${ring.longestPacket} that the device takes`,
        )
        return false
      }
      if (ring.corruption !== undefined) {
        this.#break(`guest-to-host ring: ${ring.corruption}`)
        return false
      }
      if (found !== ReadResult.EMPTY) continue
      if (left === 0) return true
      if (!ring.unmask()) return false
      ring.mask()
    }
    if (this.#life !== 'closed' && ring.corruption === undefined && ring.commit()) this.#signalGuest()
    return false
  }

  #wake(): void {
    if (this.#life === 'running') this.#host.queue.add(this)
  }

  #signalGuest(): void {
    this.#signalsSent++
    this.#host.signalGuest()
  }

  #break(reason: string): void {
    if (this.#die(reason)) this.#handlers?.onFailure?.(new ChannelError('protocol', reason))
  }

  /** @returns whether it was alive */
  #die(reason: string): boolean {
    if (this.#life === 'closed' || this.#life === 'broken') return false
    this.#to('broken')
    this.#protocolErrors++
    this.#host.broken(reason)
    return true
  }

  #isSaving(): boolean {
    return this.#life === 'saving'
  }

  /** The one place where its life changes. */
  #to(next: EndLife): void {
    this.#life = next
    if (next === 'running') return
    if (next === 'broken') this.#outgoing.refuse()
    else if (next === 'closed') this.#outgoing.stop()
    else this.#outgoing.stopRetrying()
    this.#host.queue.remove(this)
  }

  #closeRings(): void {
    this.#incoming?.close()
    this.#rings.outgoing.close()
  }
}
