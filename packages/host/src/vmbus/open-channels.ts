import type { Clock, HostChannelHandlers, SynicPorts } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import type { ChannelRecord } from '../control/channel-record.ts'
import type { Connection, GpadlMemory, OpenRequest } from '../control/types.ts'
import type { Faults } from '../faults/faults.ts'
import type { DeviceState } from '../saved/capture.ts'
import { openRings } from './channel-rings.ts'
import { hostGpadl } from './guest-gpadl.ts'
import { GuestInterrupts } from './guest-interrupts.ts'
import { MonitorScanner } from './monitor-scanner.ts'
import type { OpenChannelHost } from './open-channel.ts'
import { OpenChannel } from './open-channel.ts'
import type { ServiceQueue } from './service-queue.ts'

/** A channel between the opening and the end of the closing of its device. */
interface Open {
  readonly record: ChannelRecord
  readonly request: OpenRequest
  readonly end: OpenChannel
  vp: number | undefined
}

/** What the open channels of one guest need around them. */
export interface OpenChannelsHost {
  readonly ports: SynicPorts
  readonly clock: Clock
  readonly queue: ServiceQueue
  readonly engine: RingEngine | undefined
  readonly faults: Faults | undefined
  findGpadl(record: ChannelRecord, handle: number): GpadlMemory | undefined
  broken(record: ChannelRecord, reason: string): void
}

/** The open channels of one guest, found by every way in which it can signal. */
export class OpenChannels {
  readonly #host: OpenChannelsHost
  readonly #byKey = new Map<number, Open>()
  readonly #byConnectionId = new Map<number, Open>()
  readonly #interrupts: GuestInterrupts
  readonly #monitor: MonitorScanner
  #version = 0

  constructor(host: OpenChannelsHost) {
    this.#host = host
    this.#interrupts = new GuestInterrupts(host.ports)
    this.#monitor = new MonitorScanner(host.clock, (monitorId) => this.#monitorSignaled(monitorId))
  }

  /** A connection is made or has got other monitor pages. */
  connect(connection: Connection): void {
    this.#version = connection.version
    this.#interrupts.connect(connection)
    this.#monitor.usePage(this.#host.ports.memory, connection.monitorPages?.guestToHost)
  }

  disconnect(): void {
    this.#interrupts.disconnect()
    this.#monitor.usePage(this.#host.ports.memory, undefined)
  }

  /**
   * Opens the rings and hands the channel to the device.
   * @returns false when the device refuses
   */
  open(
    record: ChannelRecord,
    request: OpenRequest,
    restored: unknown,
    accept: (channel: OpenChannel) => HostChannelHandlers | undefined,
  ): boolean {
    const { memory } = this.#host.ports
    const rings = openRings(memory, hostGpadl(request.ring, memory), request.downstreamPage, this.#host.engine)
    const { channelId, subIndex } = record
    const description = { channelId, subIndex, userData: request.userData, restored }
    const end = new OpenChannel(this.#endHost(record), description, rings)
    const open: Open = { record, request, end, vp: request.targetVp }
    this.#byKey.set(record.key, open)
    this.#byConnectionId.set(request.connectionId, open)
    let started = false
    try {
      const handlers = accept(end)
      if (handlers !== undefined) end.start(handlers)
      started = handlers !== undefined
    } finally {
      if (!started) {
        this.#forget(open)
        void end.close()
      }
    }
    if (started && record.monitorId !== undefined) {
      this.#monitor.add(record.monitorId, record.group.spec.monitorLatency ?? 0)
    }
    return started
  }

  /** Resolves when the device has let go of the channel. */
  async close(record: ChannelRecord): Promise<void> {
    const open = this.#byKey.get(record.key)
    if (open === undefined) return
    this.#forget(open)
    await open.end.close()
  }

  /** As {@link close}, but lets the device keep its state. */
  async save(record: ChannelRecord): Promise<DeviceState | undefined> {
    const open = this.#byKey.get(record.key)
    if (open === undefined) return undefined
    const saved = await open.end.save()
    this.#forget(open)
    return saved === undefined ? undefined : { state: saved.state, vp: open.vp }
  }

  wakeGuest(): void {
    for (const { end } of this.#byKey.values()) end.wakeGuest()
  }

  retarget(record: ChannelRecord, vp: number): void {
    const open = this.#byKey.get(record.key)
    if (open !== undefined) open.vp = vp
  }

  get(record: ChannelRecord): OpenChannel | undefined {
    return this.#byKey.get(record.key)?.end
  }

  targetVp(record: ChannelRecord): number | undefined {
    return this.#byKey.get(record.key)?.vp
  }

  /** @returns whether the connection id is one of an open channel */
  signaled(connectionId: number): boolean {
    const open = this.#byConnectionId.get(connectionId)
    if (open === undefined) return false
    open.end.signaled()
    return true
  }

  /** The guest signalled the connection that all channels shared in 0.13. @returns false without an interrupt page */
  sharedSignaled(): boolean {
    return this.#interrupts.takeMarked((channelId) => {
      for (const { record, end } of this.#byKey.values()) if (record.channelId === channelId) end.signaled()
    })
  }

  #endHost(record: ChannelRecord): OpenChannelHost {
    const { clock, queue, ports } = this.#host
    return {
      clock,
      queue,
      memory: ports.memory,
      protocolVersion: this.#version,
      lane: this,
      signalGuest: () => {
        const open = this.#byKey.get(record.key)
        if (open === undefined) return
        this.#damage(open.request)
        this.#interrupts.raise(record.channelId, open.request, open.vp)
      },
      findGpadl: (handle) => {
        const gpadl = this.#host.findGpadl(record, handle)
        return gpadl === undefined ? undefined : hostGpadl(gpadl, ports.memory)
      },
      broken: (reason) => this.#host.broken(record, reason),
    }
  }

  #damage({ ring, downstreamPage }: OpenRequest): void {
    const bytes = this.#host.faults === undefined ? undefined : hostGpadl(ring, this.#host.ports.memory).contiguous
    if (bytes !== undefined) this.#host.faults?.beforeSignal(bytes.subarray(downstreamPage * PAGE_SIZE))
  }

  #forget(open: Open): void {
    this.#byKey.delete(open.record.key)
    this.#byConnectionId.delete(open.request.connectionId)
    if (open.record.monitorId !== undefined) this.#monitor.remove(open.record.monitorId)
  }

  #monitorSignaled(monitorId: number): void {
    for (const { record, end } of this.#byKey.values()) if (record.monitorId === monitorId) end.signaled()
  }
}
