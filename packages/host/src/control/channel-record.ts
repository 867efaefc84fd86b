import type { GpadlRecord } from './gpadl-record.ts'
import type { ClientState, DeviceState, OfferSpec } from './types.ts'

const NEXT: Readonly<Record<DeviceState['at'], readonly DeviceState['at'][]>> = {
  closed: ['opening'],
  opening: ['open', 'closed'],
  open: ['open', 'closing'],
  closing: ['closing', 'closed'],
}

/** The channels of one device: its primary, and sub-channels by index. */
export interface DeviceGroup {
  readonly spec: OfferSpec
  /** Position among the host's devices, for the order of offers. */
  readonly order: number
  readonly channels: ChannelRecord[]
  /** The host takes the device away; it goes when guest and device are done with it. */
  withdrawn: boolean
}

/** One channel of the host: what the guest knows of it and what the device does with it. */
export class ChannelRecord {
  /** Ours, never used twice; the wire's channel id is. */
  readonly key: number
  readonly group: DeviceGroup
  readonly subIndex: number
  readonly gpadls = new Map<number, GpadlRecord>()
  client: ClientState = 'unknown'
  /** Taken away by the host; the record goes when guest and device are done with it. */
  withdrawn = false
  /** The wire's channel id; 0 while it has none. */
  channelId = 0
  monitorId: number | undefined = undefined
  #device: DeviceState = { at: 'closed' }

  constructor(key: number, group: DeviceGroup, subIndex: number) {
    this.key = key
    this.group = group
    this.subIndex = subIndex
  }

  get device(): DeviceState {
    return this.#device
  }

  /** The one place where the device side changes. */
  moveDevice(next: DeviceState): void {
    if (!NEXT[this.#device.at].includes(next.at)) {
      throw new Error(`channel ${this.key} cannot go from ${this.#device.at} to ${next.at}`)
    }
    this.#device = next
  }

  /** Opened by firmware outside the offers; outlives the connection. */
  get reserved(): boolean {
    return this.#device.at !== 'closed' && this.#device.request.reserved !== undefined
  }

  get isPrimary(): boolean {
    return this.subIndex === 0
  }

  /** Same device identity on the wire. */
  sameIdentity(other: ChannelRecord): boolean {
    return (
      this.subIndex === other.subIndex &&
      this.group.spec.instanceId === other.group.spec.instanceId &&
      this.group.spec.interfaceId === other.group.spec.interfaceId
    )
  }
}

/** The order in which devices are offered: interface, configured order, instance, sub-index. */
export function offerOrder(a: ChannelRecord, b: ChannelRecord): number {
  return (
    compare(a.group.spec.interfaceId, b.group.spec.interfaceId) ||
    a.group.order - b.group.order ||
    compare(a.group.spec.instanceId, b.group.spec.instanceId) ||
    a.subIndex - b.subIndex
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
