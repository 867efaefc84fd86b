import type { ChannelStatistics, CrashReport, SynicPorts, VspDevice, VspPort } from '@bis/hyperv-types'
import { silentLogger } from '@bis/hyperv-types'
import {
  formatVmbusVersion,
  VMBUS_EVENT_CONNECTION_ID,
  VMBUS_MESSAGE_CONNECTION_ID,
  VMBUS_MESSAGE_CONNECTION_ID_4,
  VMBUS_MESSAGE_TYPE,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'
import type { ChannelRecord } from '../control/channel-record.ts'
import { ControlPlane } from '../control/control-plane.ts'
import type { ControlEffects } from '../control/effects.ts'
import { brokenInvariants } from '../control/invariants.ts'
import type { Connection, OpenRequest, ViolationCause } from '../control/types.ts'
import { HostError } from '../errors.ts'
import { Faults } from '../faults/faults.ts'
import type { HostRelease } from '../host-release.ts'
import type { DeviceState } from '../saved/capture.ts'
import { capture } from '../saved/capture.ts'
import { fromHex } from '../saved/hex.ts'
import type { ReplayHost } from '../saved/replay.ts'
import { replay } from '../saved/replay.ts'
import type { SavedChannel, SavedServer } from '../saved/saved-server.ts'
import { RestoreError } from '../saved/saved-server.ts'
import { Inbox } from './inbox.ts'
import { LimitedLog } from './limited-log.ts'
import { toOfferSpec } from './offer-spec.ts'
import { OpenChannels } from './open-channels.ts'
import { controlLimits } from './server-limits.ts'
import type { VmbusServerOptions } from './server-options.ts'
import { ServiceQueue } from './service-queue.ts'

// HV_STATUS of the hypercalls that end here.
const HV_STATUS_SUCCESS = 0x00
const HV_STATUS_INVALID_CONNECTION_ID = 0x12
const HV_STATUS_INSUFFICIENT_BUFFERS = 0x13

const MAX_MESSAGE_BYTES = 240
/** How long devices may take to close when the server is stopped. */
const STOP_MS = 5_000

/** A device on this bus. */
interface Slot {
  readonly device: VspDevice
  readonly record: ChannelRecord
  readonly gone: Promise<void>
  readonly resolveGone: () => void
}

/** A channel as the management sees it. */
export interface ChannelInfo {
  readonly interfaceId: string
  readonly instanceId: string
  readonly subIndex: number
  /** 0 while the guest does not know the channel. */
  readonly channelId: number
  readonly monitorId: number | undefined
  readonly client: 'unknown' | 'offered' | 'revoked'
  readonly device: 'closed' | 'opening' | 'open' | 'closing' | 'broken'
  readonly targetVp: number | undefined
  readonly gpadls: number
  /** Of an open channel. */
  readonly statistics: ChannelStatistics | undefined
}

/** Numbers that only grow, for tests and for the management. */
export interface ServerCounters {
  readonly messagesReceived: number
  readonly messagesSent: number
  readonly signalsReceived: number
  /** Signals and messages to connection ids that no one has. */
  readonly unknownConnections: number
  /** Messages refused because too many were waiting. */
  readonly refusedMessages: number
  /** Messages to the guest that its SynIC did not take: it has too many waiting, or they name no processor. */
  readonly lostMessages: number
  /** The guest's messages that were dropped, by cause. */
  readonly violations: Readonly<Partial<Record<ViolationCause, number>>>
}

/**
 * The VMBus of one guest, as the host sees it: takes what the guest posts and signals, offers devices, and speaks what the
 * host's release speaks. Guests do not know of each other; what one does ends in this object.
 */
export class VmbusServer {
  readonly name: string
  readonly release: HostRelease
  readonly #options: VmbusServerOptions
  readonly #ports: SynicPorts
  readonly #log: LimitedLog
  readonly #control: ControlPlane
  readonly #open: OpenChannels
  readonly #inbox: Inbox
  readonly #slots = new Map<number, Slot>()
  readonly #violations: Partial<Record<ViolationCause, number>> = {}
  readonly #disconnectPorts: () => void
  readonly #faults: Faults | undefined
  #messagesReceived = 0
  #messagesSent = 0
  #signalsReceived = 0
  #unknownConnections = 0
  #refusedMessages = 0
  #lostMessages = 0
  #life: 'running' | 'restoring' | 'saving' | 'stopping' | 'stopped' = 'running'
  #idleWaiters: (() => void)[] = []
  #quietWaiters: (() => void)[] = []
  /** What devices get when their channels are restored, by channel. */
  readonly #restored = new Map<number, unknown>()
  #lastCrash: CrashReport | undefined = undefined

  constructor(options: VmbusServerOptions) {
    const { clock, release } = options
    this.#options = options
    this.#faults = options.faults === undefined ? undefined : new Faults(options.faults)
    const ports = this.#faults?.ports(options.ports, clock) ?? options.ports
    this.#ports = ports
    this.release = release
    this.name = options.name ?? 'guest'
    this.#log = new LimitedLog(options.log ?? silentLogger, clock)
    this.#control = new ControlPlane(
      controlLimits(ports, release, options.quotas ?? {}, options.versions ?? {}, this.#faults?.chooseChannelId),
      this.#effects(),
    )
    this.#open = new OpenChannels({
      ports,
      clock,
      queue: options.queue ?? new ServiceQueue(clock),
      engine: options.engine,
      faults: this.#faults,
      findGpadl: (record, handle) => this.#control.findGpadl(record, handle),
      broken: (record, reason) => this.#channelBroken(record, reason),
    })
    this.#inbox = new Inbox(clock, options.quotas?.queuedMessages ?? 1024, (payload) => this.#control.receive(payload))
    this.#disconnectPorts = ports.connect({
      messagePosted: (connectionId, messageType, payload) => this.#messagePosted(connectionId, messageType, payload),
      eventSignaled: (connectionId, flag) => this.#eventSignaled(connectionId, flag),
      partitionReset: () => this.#partitionReset('was reset'),
      guestCrashed: (report) => this.#guestCrashed(report),
      partitionGone: (reason) => this.#partitionReset(`is gone: ${reason}`),
    })
  }

  /** Version and features agreed with the guest; undefined while it is not connected. */
  get connection(): Connection | undefined {
    return this.#control.connection
  }

  get lastCrash(): CrashReport | undefined {
    return this.#lastCrash
  }

  get counters(): ServerCounters {
    return {
      messagesReceived: this.#messagesReceived,
      messagesSent: this.#messagesSent,
      signalsReceived: this.#signalsReceived,
      unknownConnections: this.#unknownConnections,
      refusedMessages: this.#refusedMessages,
      lostMessages: this.#lostMessages,
      violations: { ...this.#violations },
    }
  }

  /**
   * Puts a device on the bus. The guest is told when it has asked for offers.
   * @throws HostError `bad-offer`, `duplicate-offer` for an instance that is there already, `stopped`
   */
  offer(device: VspDevice): VspPort {
    if (this.#life !== 'running') throw new HostError('stopped', `${this.name}: the server has been stopped`)
    const spec = toOfferSpec(device.offer)
    for (const { group, withdrawn } of this.#control.channels) {
      if (!withdrawn && group.spec.interfaceId === spec.interfaceId && group.spec.instanceId === spec.instanceId) {
        throw new HostError('duplicate-offer', `${this.name}: instance ${spec.instanceId} is on the bus already`)
      }
    }
    const record = this.#control.offer(spec)
    let resolveGone = () => {}
    const gone = new Promise<void>((resolve) => {
      resolveGone = resolve
    })
    const slot: Slot = { device: this.#faulty(device), record, gone, resolveGone }
    this.#slots.set(record.key, slot)
    const port = this.#port(slot)
    slot.device.onOffered?.(port)
    return port
  }

  /** All channels, in the order in which they came to be. */
  channels(): ChannelInfo[] {
    return [...this.#control.channels].map((record) => this.#describe(record))
  }

  /**
   * Lets every device finish, writes down the state, and lets go of the guest, which runs on. Devices without `onSave` are
   * closed; they will be rescinded and offered again.
   * @throws HostError `stopped`
   */
  async save(): Promise<SavedServer> {
    if (this.#life !== 'running') throw new HostError('stopped', `${this.name}: the server is not running`)
    this.#life = 'saving'
    const inbox = this.#inbox.hold()
    await this.#quiet()
    const states = new Map<number, DeviceState>()
    for (const record of [...this.#control.channels]) {
      const state = record.device.at === 'open' && !record.reserved ? await this.#saveChannel(record) : undefined
      if (state !== undefined) states.set(record.key, state)
    }
    await this.#quiet()
    this.#disconnectPorts()
    this.#open.disconnect()
    this.#life = 'stopped'
    return capture(this.#control, inbox, ({ key }) => states.get(key))
  }

  /**
   * Goes on where another server of the same guest was saved. The devices have been offered to this one; those that the
   * guest knows and that could be saved go on unnoticed, the others are rescinded and offered again.
   * @throws RestoreError and leaves the server without a connection; the guest has to be reset then
   */
  restore(saved: SavedServer): void {
    if (this.#life !== 'running' || this.#control.state.at !== 'disconnected') {
      throw new RestoreError('refused', `${this.name}: only a server that has not heard of its guest can be restored`)
    }
    this.#life = 'restoring'
    try {
      const orphans = replay(saved, this.#replayHost())
      const inbox = saved.inbox.map((message) => fromHex(message, MAX_MESSAGE_BYTES))
      this.#life = 'running'
      if (saved.connection?.offered === true) this.#control.continueOffers()
      for (const orphan of orphans.reverse()) this.#control.revoke(orphan)
      this.#open.wakeGuest()
      for (const message of inbox) this.#inbox.put(message)
    } catch (error) {
      this.#control.partitionReset()
      this.#life = 'running'
      throw error
    } finally {
      this.#restored.clear()
    }
  }

  /** What is wrong with the server's own state: for tests, after each step. */
  brokenInvariants(): string[] {
    return brokenInvariants(this.#control)
  }

  /**
   * Lets go of the guest: nothing is heard of it and nothing sent to it any more. Resolves when all devices are closed, or
   * after five seconds with a line that names those which are not.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#life === 'running') {
      this.#life = 'stopping'
      this.#disconnectPorts()
      this.#inbox.clear()
      this.#control.partitionReset()
    }
    if (this.#control.state.at === 'disconnected') this.#life = 'stopped'
    if (this.#life === 'stopped') return
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(STOP_MS, () => {
        const busy = this.channels().filter(({ device }) => device !== 'closed')
        const names = busy.map(({ instanceId, subIndex }) => `${instanceId}.${subIndex}`).join(', ')
        this.#log.log('error', `${this.name}: stopped while devices were still busy: ${names}`)
        resolve()
      })
      this.#idleWaiters.push(() => {
        timer.cancel()
        resolve()
      })
    })
    this.#life = 'stopped'
  }

  #faulty(device: VspDevice): VspDevice {
    const { clock } = this.#options
    const offerAgain = (again: VspDevice) => {
      if (this.#life === 'running') this.offer(again)
    }
    return this.#faults?.device(device, { clock, offerAgain }) ?? device
  }

  #messagePosted(connectionId: number, messageType: number, payload: Uint8Array): number {
    if (!this.#isMessagePort(connectionId)) {
      this.#unknownConnections++
      return HV_STATUS_INVALID_CONNECTION_ID
    }
    this.#messagesReceived++
    if (messageType !== VMBUS_MESSAGE_TYPE) {
      this.#violation('unknown-message', `posted message of type 0x${messageType.toString(16)}`)
      return HV_STATUS_SUCCESS
    }
    if (this.#inbox.put(payload)) return HV_STATUS_SUCCESS
    this.#refusedMessages++
    return HV_STATUS_INSUFFICIENT_BUFFERS
  }

  /** Hosts that do not speak 5.0 have no second port: guests take that as the answer to a newer contact. */
  #isMessagePort(connectionId: number): boolean {
    if (connectionId === VMBUS_MESSAGE_CONNECTION_ID) return true
    return connectionId === VMBUS_MESSAGE_CONNECTION_ID_4 && this.release.vmbusVersion >= VmbusVersion.V5_0
  }

  #eventSignaled(connectionId: number, flag: number): number {
    this.#signalsReceived++
    if (connectionId === VMBUS_EVENT_CONNECTION_ID && flag === 0 && this.connection !== undefined) {
      this.#open.sharedSignaled()
      return HV_STATUS_SUCCESS
    }
    if (flag === 0 && this.#open.signaled(connectionId)) return HV_STATUS_SUCCESS
    // While channels are saved the port is still there; who restores them looks at every ring.
    if (this.#life === 'saving') return HV_STATUS_SUCCESS
    this.#unknownConnections++
    return HV_STATUS_INVALID_CONNECTION_ID
  }

  #partitionReset(what: string): void {
    this.#log.log('info', `${this.name}: the partition ${what}`)
    this.#inbox.clear()
    this.#control.partitionReset()
  }

  #guestCrashed(report: CrashReport): void {
    this.#lastCrash = report
    const parameters = report.parameters.map((parameter) => `0x${parameter.toString(16)}`).join(' ')
    this.#log.log('error', `${this.name}: the guest crashed: ${report.message ?? parameters}`, 'crash')
    this.#options.onCrash?.(report)
  }

  #effects(): ControlEffects {
    return {
      post: ({ vp, sint }, message) => {
        // The guest has had these answers.
        if (this.#life === 'restoring') return
        const delivery = this.#ports.postMessage(vp, sint, VMBUS_MESSAGE_TYPE, message)
        if (delivery === 'full' || delivery === 'invalid' || delivery === 'gone') {
          this.#lostMessages++
          const text = `${this.name}: message for SINT ${sint} of processor ${vp} lost: ${delivery}`
          this.#log.log('warning', text, 'message lost')
        } else this.#messagesSent++
      },
      connected: (connection) => this.#connected(connection),
      disconnected: () => this.#disconnected(),
      openChannel: (record, request) => this.#control.openDone(record, this.#openChannel(record, request)),
      closeChannel: (record) => void this.#closeChannel(record),
      retargetChannel: (record, vp) => this.#open.retarget(record, vp),
      releaseGpadl: (record, handle) => void this.#releaseGpadl(record, handle),
      channelGone: (record) => this.#channelGone(record),
      transportConnect: () => false,
      violation: (cause, text) => this.#violation(cause, text),
    }
  }

  #connected(connection: Connection): void {
    this.#open.connect(connection)
    this.#log.log('info', `${this.name}: connected with VMBus ${formatVmbusVersion(connection.version)}`, 'connected')
  }

  #disconnected(): void {
    this.#open.disconnect()
    for (const slot of this.#slots.values()) this.#resetDevice(slot)
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }

  #openChannel(record: ChannelRecord, request: OpenRequest): boolean {
    const slot = this.#slotOf(record)
    const mayOpen = this.#life === 'running' || this.#life === 'restoring'
    if (slot === undefined || !mayOpen || record.device.at !== 'opening') return false
    try {
      const restored = this.#restored.get(record.key)
      return this.#open.open(record, request, restored, (channel) => slot.device.openChannel(channel))
    } catch (error) {
      this.#deviceFailed(record, 'open', error)
      return false
    }
  }

  async #closeChannel(record: ChannelRecord): Promise<void> {
    try {
      await this.#open.close(record)
    } catch (error) {
      this.#deviceFailed(record, 'close', error)
    }
    this.#control.closeDone(record)
    this.#lookForQuiet()
  }

  async #releaseGpadl(record: ChannelRecord, handle: number): Promise<void> {
    try {
      await this.#slotOf(record)?.device.gpadlTeardown?.(handle)
    } catch (error) {
      this.#deviceFailed(record, 'let go of a GPADL', error)
    }
    this.#control.gpadlReleased(record, handle)
    this.#lookForQuiet()
  }

  async #saveChannel(record: ChannelRecord): Promise<DeviceState | undefined> {
    try {
      return await this.#open.save(record)
    } catch (error) {
      this.#deviceFailed(record, 'save', error)
      return undefined
    }
  }

  async #quiet(): Promise<void> {
    while (!this.#control.isQuiet) await new Promise<void>((resolve) => this.#quietWaiters.push(resolve))
  }

  #lookForQuiet(): void {
    const waiters = this.#quietWaiters
    this.#quietWaiters = []
    for (const wake of waiters) wake()
  }

  #replayHost(): ReplayHost {
    const control = this.#control
    return {
      control,
      find: (saved) => this.#findSaved(saved),
      placeholder: ({ interfaceId, instanceId }) => control.offer(toOfferSpec({ interfaceId, instanceId })),
      expectOpen: (record, device) => this.#restored.set(record.key, device),
    }
  }

  #findSaved({ interfaceId, instanceId, subIndex }: SavedChannel): ChannelRecord | undefined {
    for (const { record } of this.#slots.values()) {
      const { spec } = record.group
      if (record.withdrawn || spec.interfaceId !== interfaceId || spec.instanceId !== instanceId) continue
      return subIndex === 0 ? record : this.#control.restoreSubchannel(record, subIndex)
    }
    return undefined
  }

  #channelGone(record: ChannelRecord): void {
    const slot = this.#slots.get(record.key)
    if (slot === undefined) return
    this.#slots.delete(record.key)
    this.#resetDevice(slot)
    slot.resolveGone()
  }

  #resetDevice({ device, record }: Slot): void {
    try {
      device.reset?.()
    } catch (error) {
      this.#deviceFailed(record, 'reset', error)
    }
  }

  #port(slot: Slot): VspPort {
    const control = this.#control
    return {
      get protocolVersion() {
        return control.connection?.version ?? 0
      },
      processorCount: this.#ports.processorCount,
      offerSubchannels: (count) => control.offerSubchannels(slot.record, count),
      revoke: () => {
        control.revoke(slot.record)
        return slot.gone
      },
    }
  }

  #slotOf(record: ChannelRecord): Slot | undefined {
    const primary = record.group.channels.find((channel) => channel.isPrimary)
    return primary === undefined ? undefined : this.#slots.get(primary.key)
  }

  #describe(record: ChannelRecord): ChannelInfo {
    const end = this.#open.get(record)
    return {
      interfaceId: record.group.spec.interfaceId,
      instanceId: record.group.spec.instanceId,
      subIndex: record.subIndex,
      channelId: record.channelId,
      monitorId: record.monitorId,
      client: record.client,
      device: end?.isBroken === true ? 'broken' : record.device.at,
      targetVp: this.#open.targetVp(record),
      gpadls: record.gpadls.size,
      statistics: end?.statistics,
    }
  }

  #channelBroken(record: ChannelRecord, reason: string): void {
    this.#log.log('error', `${this.#nameOf(record)}: ${reason}`, `broken ${record.key}`)
  }

  #deviceFailed(record: ChannelRecord, what: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error)
    this.#log.log('error', `${this.#nameOf(record)}: the device failed to ${what}: ${text}`, `device ${record.key}`)
  }

  #nameOf({ group, subIndex }: ChannelRecord): string {
    return `${this.name}: ${group.spec.instanceId}${subIndex === 0 ? '' : `.${subIndex}`}`
  }

  #violation(cause: ViolationCause, text: string): void {
    this.#violations[cause] = (this.#violations[cause] ?? 0) + 1
    this.#log.log('warning', `${this.name}: dropped: ${text}`, cause)
  }
}
