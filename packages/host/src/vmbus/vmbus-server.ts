import type { CrashReport, SynicPorts, VspDevice, VspPort } from '@bis/hyperv-types'
import { silentLogger } from '@bis/hyperv-types'
import { VMBUS_MESSAGE_TYPE } from '@bis/hyperv-types/vmbus'
import type { ChannelRecord } from '../control/channel-record.ts'
import { ControlPlane } from '../control/control-plane.ts'
import type { ControlEffects } from '../control/effects.ts'
import { brokenInvariants } from '../control/invariants.ts'
import type { Connection, OpenRequest } from '../control/types.ts'
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
import { DeviceChannels } from './device-channels.ts'
import { DeviceSlots } from './device-slots.ts'
import { Happening } from './happening.ts'
import { HypercallPorts } from './hypercall-ports.ts'
import { Inbox } from './inbox.ts'
import { LimitedLog } from './limited-log.ts'
import { toOfferSpec } from './offer-spec.ts'
import { OpenChannels } from './open-channels.ts'
import { ServerJournal } from './server-journal.ts'
import { ServerLife } from './server-life.ts'
import { controlLimits } from './server-limits.ts'
import type { VmbusServerOptions } from './server-options.ts'
import type { ChannelInfo, ServerCounters } from './server-report.ts'
import { describeChannel } from './server-report.ts'
import { ServiceQueue } from './service-queue.ts'

const MAX_MESSAGE_BYTES = 240
/** How long devices may take to close when the server is stopped. */
const STOP_MS = 5_000

/**
 * The VMBus of one guest, as the host sees it: takes what the guest posts and signals, offers devices, and speaks what the
 * host's release speaks. Guests do not know of each other; what one does ends in this object.
 */
export class VmbusServer {
  readonly name: string
  readonly release: HostRelease
  readonly #options: VmbusServerOptions
  readonly #ports: SynicPorts
  readonly #control: ControlPlane
  readonly #open: OpenChannels
  readonly #inbox: Inbox
  readonly #slots: DeviceSlots
  readonly #devices: DeviceChannels
  readonly #journal: ServerJournal
  readonly #disconnectPorts: () => void
  readonly #faults: Faults | undefined
  readonly #life: ServerLife
  /** The connection has ended and every device is closed. */
  readonly #disconnection = new Happening()
  /** A device has closed a channel or let go of memory. */
  readonly #deviceDone = new Happening()
  #lastCrash: CrashReport | undefined = undefined

  constructor(options: VmbusServerOptions) {
    const { clock, release } = options
    this.#options = options
    this.#faults = options.faults === undefined ? undefined : new Faults(options.faults)
    const ports = this.#faults?.ports(options.ports, clock) ?? options.ports
    this.#ports = ports
    this.release = release
    this.name = options.name ?? 'guest'
    this.#life = new ServerLife(this.name)
    const log = new LimitedLog(options.log ?? silentLogger, clock)
    this.#journal = new ServerJournal(this.name, log)
    this.#slots = new DeviceSlots(this.name, log)
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
      broken: (record, reason) => this.#journal.channelBroken(this.#slots.nameOf(record), reason, record.key),
    })
    this.#devices = new DeviceChannels(this.#slots, this.#open)
    this.#inbox = new Inbox(clock, options.quotas?.queuedMessages ?? 1024, (payload) => this.#control.receive(payload))
    const calls = new HypercallPorts(options, this.#inbox, this.#open, this.#journal.counters, this.#life)
    this.#disconnectPorts = ports.connect({
      messagePosted: (connectionId, messageType, payload) => calls.messagePosted(connectionId, messageType, payload),
      eventSignaled: (connectionId, flag) => calls.eventSignaled(connectionId, flag),
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
    return this.#journal.counters.snapshot()
  }

  /**
   * Puts a device on the bus. The guest is told when it has asked for offers.
   * @throws HostError `bad-offer`, `duplicate-offer` for an instance that is there already, `stopped`
   */
  offer(device: VspDevice): VspPort {
    this.#life.mustRun()
    const spec = toOfferSpec(device.offer)
    if (this.#slots.find(spec.interfaceId, spec.instanceId) !== undefined) {
      throw new HostError('duplicate-offer', `${this.name}: instance ${spec.instanceId} is on the bus already`)
    }
    const record = this.#control.offer(spec)
    const used = this.#faulty(device)
    const port = this.#port(record, this.#slots.add(used, record))
    used.onOffered?.(port)
    return port
  }

  /** All channels, in the order in which they came to be. */
  channels(): ChannelInfo[] {
    return [...this.#control.channels].map((record) => describeChannel(record, this.#open))
  }

  /**
   * Lets every device finish, writes down the state, and lets go of the guest, which runs on. Devices without `onSave` are
   * closed; they will be rescinded and offered again.
   * @throws HostError `stopped`
   */
  async save(): Promise<SavedServer> {
    this.#life.mustRun()
    this.#life.to('saving')
    const inbox = this.#inbox.hold()
    await this.#quiet()
    const states = new Map<number, DeviceState>()
    for (const record of [...this.#control.channels]) {
      const state = record.device.at === 'open' && !record.reserved ? await this.#devices.save(record) : undefined
      if (state !== undefined) states.set(record.key, state)
    }
    await this.#quiet()
    this.#disconnectPorts()
    this.#open.disconnect()
    this.#life.to('stopped')
    return capture(this.#control, inbox, ({ key }) => states.get(key))
  }

  /**
   * Goes on where another server of the same guest was saved. The devices have been offered to this one; those that the
   * guest knows and that could be saved go on unnoticed, the others are rescinded and offered again.
   * @throws RestoreError and leaves the server without a connection; the guest has to be reset then
   */
  restore(saved: SavedServer): void {
    if (this.#life.state !== 'running' || this.#control.state.at !== 'disconnected') {
      throw new RestoreError('refused', `${this.name}: only a server that has not heard of its guest can be restored`)
    }
    const { orphans, inbox } = this.#replay(saved)
    if (saved.connection?.offered === true) this.#control.continueOffers()
    for (const orphan of orphans.reverse()) this.#control.revoke(orphan)
    this.#open.wakeGuest()
    for (const message of inbox) this.#inbox.put(message)
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
    if (this.#life.state === 'running') {
      this.#life.to('stopping')
      this.#disconnectPorts()
      this.#inbox.clear()
      this.#control.partitionReset()
    }
    if (this.#life.state === 'stopped') return
    if (this.#control.state.at !== 'disconnected') await this.#devicesClosed()
    this.#life.to('stopped')
  }

  #faulty(device: VspDevice): VspDevice {
    const { clock } = this.#options
    const offerAgain = (again: VspDevice) => {
      if (this.#life.state === 'running') this.offer(again)
    }
    return this.#faults?.device(device, { clock, offerAgain }) ?? device
  }

  #partitionReset(what: string): void {
    this.#journal.partition(what)
    this.#inbox.clear()
    this.#control.partitionReset()
  }

  #guestCrashed(report: CrashReport): void {
    this.#lastCrash = report
    this.#journal.crashed(report)
    this.#options.onCrash?.(report)
  }

  #effects(): ControlEffects {
    return {
      post: (target, message) => {
        // The guest has had these answers.
        if (this.#life.state === 'restoring') return
        const { vp, sint } = target
        this.#journal.posted(target, this.#ports.postMessage(vp, sint, VMBUS_MESSAGE_TYPE, message))
      },
      connected: (connection) => this.#connected(connection),
      disconnected: () => this.#disconnected(),
      openChannel: (record, request) => this.#control.openDone(record, this.#openChannel(record, request)),
      closeChannel: (record) => void this.#closeChannel(record),
      retargetChannel: (record, vp) => this.#open.retarget(record, vp),
      releaseGpadl: (record, handle) => void this.#releaseGpadl(record, handle),
      channelGone: (record) => this.#slots.remove(record),
      transportConnect: () => false,
      violation: (cause, text) => this.#journal.violation(cause, text),
    }
  }

  #connected(connection: Connection): void {
    this.#open.connect(connection)
    this.#journal.connected(connection)
  }

  #disconnected(): void {
    this.#open.disconnect()
    this.#slots.resetAll()
    this.#disconnection.happens()
  }

  /** Resolves when the connection has ended, or when devices take too long to close. */
  #devicesClosed(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(STOP_MS, () => {
        this.#journal.stillBusy(this.channels().filter(({ device }) => device !== 'closed'))
        resolve()
      })
      void this.#disconnection.next().then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  #openChannel(record: ChannelRecord, request: OpenRequest): boolean {
    const mayOpen = this.#life.state === 'running' || this.#life.state === 'restoring'
    return mayOpen && record.device.at === 'opening' && this.#devices.open(record, request)
  }

  async #closeChannel(record: ChannelRecord): Promise<void> {
    await this.#devices.close(record)
    this.#control.closeDone(record)
    this.#deviceDone.happens()
  }

  async #releaseGpadl(record: ChannelRecord, handle: number): Promise<void> {
    await this.#slots.releaseGpadl(record, handle)
    this.#control.gpadlReleased(record, handle)
    this.#deviceDone.happens()
  }

  async #quiet(): Promise<void> {
    while (!this.#control.isQuiet) await this.#deviceDone.next()
  }

  /** @returns channels to rescind, and messages to handle @throws RestoreError, with nothing left of the connection */
  #replay(saved: SavedServer): { readonly orphans: ChannelRecord[]; readonly inbox: readonly Uint8Array[] } {
    this.#life.to('restoring')
    try {
      const orphans = replay(saved, this.#replayHost())
      return { orphans, inbox: saved.inbox.map((message) => fromHex(message, MAX_MESSAGE_BYTES)) }
    } catch (error) {
      this.#control.partitionReset()
      throw error
    } finally {
      this.#devices.expectNothing()
      this.#life.to('running')
    }
  }

  #replayHost(): ReplayHost {
    const control = this.#control
    return {
      control,
      find: (saved) => this.#findSaved(saved),
      placeholder: ({ interfaceId, instanceId }) => control.offer(toOfferSpec({ interfaceId, instanceId })),
      expectOpen: (record, device) => this.#devices.expect(record, device),
    }
  }

  #findSaved({ interfaceId, instanceId, subIndex }: SavedChannel): ChannelRecord | undefined {
    const primary = this.#slots.find(interfaceId, instanceId)
    if (primary === undefined || subIndex === 0) return primary
    return this.#control.restoreSubchannel(primary, subIndex)
  }

  #port(record: ChannelRecord, gone: Promise<void>): VspPort {
    const control = this.#control
    return {
      get protocolVersion() {
        return control.connection?.version ?? 0
      },
      processorCount: this.#ports.processorCount,
      referenceTime: () => this.#ports.referenceTime?.(),
      offerSubchannels: (count) => control.offerSubchannels(record, count),
      revoke: () => {
        control.revoke(record)
        return gone
      },
    }
  }
}
