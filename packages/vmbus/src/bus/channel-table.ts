import type { ChannelOffer } from '@bis/hyperv-types'
import type { VmbusChannel } from '../channel/channel.ts'

/** A channel id in use: from its offer until its release. */
export interface TableEntry {
  readonly channel: VmbusChannel
  /** The host took it away; the id is not released yet. */
  rescinded: boolean
}

/** The channels of a connection by id, and which of them are devices. The only place where ids are looked up. */
export class ChannelTable {
  readonly #byId: (TableEntry | undefined)[] = []
  readonly #onAdd: (channelId: number) => void
  #count = 0

  /** @param onAdd told of each id before anything can happen on its channel */
  constructor(onAdd: (channelId: number) => void) {
    this.#onAdd = onAdd
  }

  get size(): number {
    return this.#count
  }

  get(channelId: number): TableEntry | undefined {
    return this.#byId[channelId]
  }

  add(channel: VmbusChannel): TableEntry {
    const entry: TableEntry = { channel, rescinded: false }
    this.#byId[channel.offer.channelId] = entry
    this.#count++
    this.#onAdd(channel.offer.channelId)
    return entry
  }

  /** The id is released: the host may use it again. */
  remove(channelId: number): void {
    if (this.#byId[channelId] === undefined) return
    this.#byId[channelId] = undefined
    this.#count--
  }

  /** The live channel of a device with this sub-index. */
  find({
    interfaceId,
    instanceId,
    subIndex,
  }: Pick<ChannelOffer, 'interfaceId' | 'instanceId' | 'subIndex'>): VmbusChannel | undefined {
    return this.list().find(({ offer, state }) => {
      const same = offer.instanceId === instanceId && offer.interfaceId === interfaceId && offer.subIndex === subIndex
      return same && state !== 'rescinded'
    })
  }

  /** Every channel, by id. */
  list(): VmbusChannel[] {
    const channels: VmbusChannel[] = []
    for (const entry of this.#byId) if (entry !== undefined) channels.push(entry.channel)
    return channels
  }

  clear(): void {
    this.#byId.length = 0
    this.#count = 0
  }
}
