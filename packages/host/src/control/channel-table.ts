import {
  VMBUS_MAX_CHANNELS,
  VMBUS_MAX_CHANNELS_INTERRUPT_PAGE,
  VMBUS_MAX_MONITOR_IDS,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'
import type { DeviceGroup } from './channel-record.ts'
import { ChannelRecord, offerOrder } from './channel-record.ts'
import type { ControlContext } from './context.ts'
import { IdPool } from './id-pool.ts'
import type { OfferSpec } from './types.ts'

/** Added to a channel id, the connection id by which the guest signals the channel (as Microsoft's open host does). */
export const CHANNEL_CONNECTION_BASE = 0x2000

/** All channels of one guest: which there are, which ids they have, and which the guest has been told of. */
export class ChannelTable {
  readonly #context: ControlContext
  readonly #records = new Map<number, ChannelRecord>()
  readonly #byId = new Map<number, ChannelRecord>()
  readonly #ids: IdPool
  readonly #monitorIds = new IdPool(0)
  #nextKey = 1
  #nextOrder = 0

  constructor(context: ControlContext) {
    this.#context = context
    this.#ids = new IdPool(1, context.limits.chooseChannelId)
  }

  get records(): Iterable<ChannelRecord> {
    return this.#records.values()
  }

  get(key: number): ChannelRecord | undefined {
    return this.#records.get(key)
  }

  byId(channelId: number): ChannelRecord | undefined {
    return this.#byId.get(channelId)
  }

  /** Adds a device's primary channel; it is offered when the guest may be told. */
  addDevice(spec: OfferSpec): ChannelRecord {
    const group: DeviceGroup = { spec, order: this.#nextOrder++, channels: [], withdrawn: false }
    return this.#add(group, 0)
  }

  /** Adds the missing ones of sub-channels 1 to `count`, which are offered like any channel. */
  addSubchannels(group: DeviceGroup, count: number): void {
    for (let index = 1; index <= count; index++) this.addSubchannel(group, index)
  }

  /** Adds a sub-channel. @returns undefined when it is there already */
  addSubchannel(group: DeviceGroup, index: number): ChannelRecord | undefined {
    const isThere = group.channels.some((channel) => channel.subIndex === index && !channel.withdrawn)
    return isThere ? undefined : this.#add(group, index)
  }

  /** Tells the guest of every channel that it may be told of now. */
  offerAll(): void {
    const { state } = this.#context
    if (state.at !== 'connected' || !state.offered) return
    const waiting = [...this.#records.values()].filter((record) => this.#isOfferable(record)).sort(offerOrder)
    for (const record of waiting) this.#offer(record)
  }

  /** The guest of a restored bus knows the channel already, by these ids. @returns false when they cannot be */
  adopt(record: ChannelRecord, channelId: number, monitorId: number | undefined): boolean {
    if (record.client !== 'unknown' || record.channelId !== 0 || !this.#ids.claim(channelId, VMBUS_MAX_CHANNELS))
      return false
    if (monitorId !== undefined && !this.#monitorIds.claim(monitorId, VMBUS_MAX_MONITOR_IDS)) {
      this.#ids.free(channelId)
      return false
    }
    record.channelId = channelId
    record.monitorId = monitorId
    record.client = 'offered'
    this.#byId.set(channelId, record)
    return true
  }

  /** The guest does not know the channel any more; its id is free. */
  forget(record: ChannelRecord): void {
    record.client = 'unknown'
    if (!record.reserved) this.freeId(record)
  }

  freeId(record: ChannelRecord): void {
    if (record.channelId !== 0) {
      this.#byId.delete(record.channelId)
      this.#ids.free(record.channelId)
      record.channelId = 0
    }
    if (record.monitorId !== undefined) {
      this.#monitorIds.free(record.monitorId)
      record.monitorId = undefined
    }
  }

  /** Takes a withdrawn channel off the list once neither side has anything to do with it. */
  removeIfDone(record: ChannelRecord): void {
    if (!record.withdrawn || record.client !== 'unknown' || record.device.at !== 'closed') return
    if (!this.#records.delete(record.key)) return
    this.freeId(record)
    record.group.channels.splice(record.group.channels.indexOf(record), 1)
    this.#context.effect(() => this.#context.effects.channelGone(record))
  }

  #add(group: DeviceGroup, subIndex: number): ChannelRecord {
    const record = new ChannelRecord(this.#nextKey++, group, subIndex)
    group.channels.push(record)
    this.#records.set(record.key, record)
    return record
  }

  /** A device that comes back waits until the guest has let go of its former self, or guests mix the two up. */
  #isOfferable(record: ChannelRecord): boolean {
    if (record.client !== 'unknown' || record.withdrawn) return false
    if (record.device.at !== 'closed' && !record.reserved) return false
    for (const other of this.#records.values()) {
      if (other === record || !other.sameIdentity(record)) continue
      if (other.client !== 'unknown' || other.device.at !== 'closed') return false
    }
    return true
  }

  #offer(record: ChannelRecord): void {
    const { connection } = this.#context
    if (connection === undefined || !this.#assignIds(record, connection.version)) return
    const { spec } = record.group
    record.client = 'offered'
    this.#context.send('OFFER_CHANNEL', {
      offer: {
        if_type: spec.interfaceId,
        if_instance: spec.instanceId,
        chn_flags: spec.flags,
        mmio_megabytes: spec.mmioMegabytes,
        user_def: spec.userDefined,
        sub_channel_index: record.subIndex,
      },
      child_relid: record.channelId,
      monitorid: record.monitorId ?? 0,
      monitor: { monitor_allocated: record.monitorId === undefined ? 0 : 1 },
      interrupt: { is_dedicated_interrupt: 1 },
      connection_id: CHANNEL_CONNECTION_BASE + record.channelId,
    })
  }

  #assignIds(record: ChannelRecord, version: number): boolean {
    if (record.channelId === 0) {
      const end = version < VmbusVersion.V2_4 ? VMBUS_MAX_CHANNELS_INTERRUPT_PAGE : VMBUS_MAX_CHANNELS
      const id = this.#ids.take(end)
      if (id === undefined) {
        this.#context.violation('quota', `no channel id is free for ${record.group.spec.instanceId}; it is not offered`)
        return false
      }
      record.channelId = id
      this.#byId.set(id, record)
    }
    const wantsMonitor = record.group.spec.monitorLatency !== undefined
    if (wantsMonitor && record.monitorId === undefined && this.#context.connection?.monitorPages !== undefined) {
      record.monitorId = this.#monitorIds.take(VMBUS_MAX_MONITOR_IDS)
    }
    return true
  }
}
