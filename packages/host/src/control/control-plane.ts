import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import { ChannelLife } from './channel-life.ts'
import type { ChannelRecord } from './channel-record.ts'
import { ChannelTable } from './channel-table.ts'
import { ConnectionLife } from './connection-life.ts'
import type { BusState } from './context.ts'
import { ControlContext } from './context.ts'
import type { ControlEffects } from './effects.ts'
import { GpadlTable } from './gpadl-table.ts'
import { GuestMessages } from './guest-messages.ts'
import type { Connection, ControlLimits, GpadlMemory, OfferSpec } from './types.ts'

const MAX_SUB_INDEX = 0xffff

/**
 * The VMBus control protocol of one guest, as a state machine without I/O: messages and the host's wishes go in as calls,
 * everything it does comes out through {@link ControlEffects}. Nothing a guest sends makes it throw.
 */
export class ControlPlane {
  readonly #context: ControlContext
  readonly #table: ChannelTable
  readonly #gpadls: GpadlTable
  readonly #life: ChannelLife
  readonly #connection: ConnectionLife
  readonly #messages: GuestMessages

  constructor(limits: ControlLimits, effects: ControlEffects) {
    this.#context = new ControlContext(limits, effects)
    this.#table = new ChannelTable(this.#context)
    this.#gpadls = new GpadlTable(this.#context)
    this.#life = new ChannelLife(this.#context, this.#table, this.#gpadls)
    this.#connection = new ConnectionLife(this.#context, this.#table, this.#gpadls, this.#life)
    this.#messages = new GuestMessages({
      context: this.#context,
      table: this.#table,
      gpadls: this.#gpadls,
      life: this.#life,
      connection: this.#connection,
    })
  }

  get state(): BusState {
    return this.#context.state
  }

  get connection(): Connection | undefined {
    return this.#context.connection
  }

  get channels(): Iterable<ChannelRecord> {
    return this.#table.records
  }

  get gpadls(): GpadlTable {
    return this.#gpadls
  }

  channelById(channelId: number): ChannelRecord | undefined {
    return this.#table.byId(channelId)
  }

  /** A message of the guest, as it was posted; padding behind it is ignored. */
  receive(payload: Uint8Array): void {
    this.#context.transition(() => this.#messages.take(payload))
  }

  /** Adds a device; it is offered when the guest may be told. @returns its primary channel */
  offer(spec: OfferSpec): ChannelRecord {
    return this.#context.transition(() => {
      const record = this.#table.addDevice(spec)
      this.#table.offerAll()
      return record
    })
  }

  /** Offers the missing ones of sub-channels 1 to `count`. @returns false where there can be none. */
  offerSubchannels(primary: ChannelRecord, count: number): boolean {
    return this.#context.transition(() => {
      const { connection } = this.#context
      if (connection === undefined || connection.version < VmbusVersion.V2_4) return false
      if (primary.client !== 'offered' || primary.device.at !== 'open') return false
      this.#table.addSubchannels(primary.group, count)
      this.#table.offerAll()
      return true
    })
  }

  /** Takes a channel away, and with a primary its whole device. Twice is once. */
  revoke(record: ChannelRecord): void {
    this.#context.transition(() => {
      if (!record.withdrawn) this.#life.revoke(record)
    })
  }

  openDone(record: ChannelRecord, opened: boolean): void {
    this.#afterDevice(() => this.#life.openDone(record, opened))
  }

  closeDone(record: ChannelRecord): void {
    this.#afterDevice(() => this.#life.closeDone(record))
  }

  gpadlReleased(record: ChannelRecord, handle: number): void {
    this.#afterDevice(() => {
      this.#gpadls.released(record, handle)
      this.#life.settle(record)
    })
  }

  /** The memory of a GPADL of any channel of a device; the channel's own come first. */
  findGpadl(record: ChannelRecord, handle: number): GpadlMemory | undefined {
    const own = this.#gpadls.find(record, handle)
    if (own !== undefined) return own
    for (const channel of record.group.channels) {
      const found = this.#gpadls.find(channel, handle)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Restoring: the guest knows this channel already. @returns false when it cannot have these ids */
  adopt(record: ChannelRecord, channelId: number, monitorId: number | undefined): boolean {
    return this.#context.transition(() => {
      if (this.state.at !== 'connected') return false
      return this.#table.adopt(record, channelId, monitorId)
    })
  }

  /** Restoring: a sub-channel of an open primary, to be adopted. */
  restoreSubchannel(primary: ChannelRecord, index: number): ChannelRecord | undefined {
    if (primary.device.at !== 'open' || !Number.isInteger(index) || index < 1 || index > MAX_SUB_INDEX) return undefined
    return this.#table.addSubchannel(primary.group, index)
  }

  /** Restoring: the guest has asked for its offers before, and is told only of what it does not know. */
  continueOffers(): void {
    this.#context.transition(() => this.#connection.continueOffers())
  }

  /** Restoring: messages that were held back when the connection was saved. */
  continueHolding(held: readonly Uint8Array[]): void {
    this.#connection.continueHolding(held)
  }

  /** Whether no device is being opened, closed or asked to let go of memory. */
  get isQuiet(): boolean {
    if (this.state.at === 'resetting') return false
    for (const record of this.#table.records) if (this.#life.isBusy(record)) return false
    return true
  }

  /** The partition was reset: all is forgotten and nothing answered. */
  partitionReset(): void {
    this.#context.transition(() => this.#connection.reset({ do: 'nothing' }, 'with-reserved'))
  }

  #afterDevice(run: () => void): void {
    this.#context.transition(() => {
      run()
      this.#connection.continueReset()
    })
  }
}
