import type { ChannelOffer, Device, Logger } from '@bis/hyperv-types'
import { ChannelError, sleep } from '@bis/hyperv-types'
import type { MessageBody } from '@bis/hyperv-types/vmbus'
import { deviceClassName, encodeControlMessage } from '@bis/hyperv-types/vmbus'
import { VmbusChannel } from '../channel/channel.ts'
import type { ChannelBus } from '../channel/channel-bus.ts'
import { readOffer } from '../control/offer.ts'
import type { ChannelTable } from './channel-table.ts'
import type { BusCounters } from './counters.ts'

export interface OfferBookParts {
  readonly bus: ChannelBus
  readonly device: Device
  readonly table: ChannelTable
  readonly counters: BusCounters
  readonly log: Logger
  /** Why a device must not be used, or undefined. */
  refuses(offer: ChannelOffer): string | undefined
}

interface Known {
  readonly channel: VmbusChannel
  device: Device | undefined
}

/**
 * What the host offers and takes back. Offers and rescinds are worked on in the order they come, each at once; whatever
 * takes time (a driver's detach, answers of the host) runs beside them, so no wait stands before the next message.
 */
export class OfferBook {
  readonly #parts: OfferBookParts
  /** Primary channels in the order of their offers. */
  readonly #known: Known[] = []
  /** Devices on their way out, by instance: the same instance offered again waits for it. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** Devices from before a suspend, until they are offered again. */
  #awaited = new Set<Known>()
  #onReturned: (() => void) | undefined
  #work = new Set<Promise<void>>()

  constructor(parts: OfferBookParts) {
    this.#parts = parts
  }

  /** Primary channels in the order of their offers. */
  get primaries(): readonly VmbusChannel[] {
    return this.#known.map(({ channel }) => channel)
  }

  onOffer(body: MessageBody<'OFFER_CHANNEL'>): void {
    const { bus, table, counters, log } = this.#parts
    const reading = readOffer(body, bus.version)
    if (reading.kind === 'impossible') {
      counters.rejectedOffers++
      log.log('warning', reading.reason, 'rejected-offer')
      return
    }
    const { offer } = reading
    if (table.get(offer.channelId) !== undefined) {
      counters.rejectedOffers++
      log.log('warning', `offer of channel ${offer.channelId}, which is in use`, 'rejected-offer')
      return
    }
    const twin = table.find(offer)
    if (twin !== undefined) {
      counters.rejectedOffers++
      const text = `offer of channel ${offer.channelId} for ${describe(offer)}, which channel ${twin.offer.channelId} is already`
      log.log('warning', text, 'second-offer')
      this.#release(offer.channelId)
      return
    }
    if (offer.subIndex === 0) this.#offerPrimary(offer)
    else this.#offerSub(offer)
  }

  onRescind(channelId: number): void {
    const { table, counters } = this.#parts
    const entry = table.get(channelId)
    if (entry === undefined || entry.rescinded) {
      counters.strayRescinds++
      return
    }
    entry.rescinded = true
    const { channel } = entry
    this.#track(
      channel.rescind().then(() => {
        if (table.get(channelId) !== entry) return
        table.remove(channelId)
        this.#release(channelId)
      }),
    )
    if (channel.primary === undefined) this.#removePrimary(channel)
  }

  /** Resolves when nothing is left of the removals and releases under way. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled([...this.#work])
  }

  /** Suspend: sub-channels end, primaries wait to be offered again. */
  async expectReturn(): Promise<void> {
    const reason = new ChannelError('rescinded', 'sub-channels end when the machine is suspended')
    const subs = this.#parts.table.list().filter(({ primary }) => primary !== undefined)
    await Promise.all(subs.map((channel) => channel.rescind(reason)))
    this.#awaited = new Set(this.#known)
  }

  /**
   * Resume: waits until every device of before was offered again, all offers are delivered, or the time is over.
   * @returns the devices that were not offered
   */
  async awaitReturn(delivered: Promise<unknown>, limitMs: number): Promise<readonly ChannelOffer[]> {
    const wait = new AbortController()
    const late = sleep(this.#parts.bus.clock, limitMs, wait.signal).catch(() => {})
    const all = new Promise<void>((resolve) => {
      this.#onReturned = resolve
      if (this.#awaited.size === 0) resolve()
    })
    await Promise.race([all, delivered, late])
    wait.abort()
    this.#onReturned = undefined
    const missing = [...this.#awaited]
    this.#awaited.clear()
    for (const { channel } of missing) {
      void channel.rescind(new ChannelError('rescinded', 'the host did not offer the device again'))
      this.#removePrimary(channel)
    }
    return missing.map(({ channel }) => channel.offer)
  }

  #offerPrimary(offer: ChannelOffer): void {
    const { bus, table, log } = this.#parts
    for (const known of this.#awaited) {
      const before = known.channel.offer
      if (before.instanceId !== offer.instanceId || before.interfaceId !== offer.interfaceId) continue
      this.#awaited.delete(known)
      known.channel.reoffer(offer)
      table.add(known.channel)
      if (this.#awaited.size === 0) this.#onReturned?.()
      return
    }
    const channel = new VmbusChannel(bus, offer)
    table.add(channel)
    const known: Known = { channel, device: undefined }
    this.#known.push(known)
    const refusal = this.#parts.refuses(offer)
    if (refusal !== undefined) {
      log.log('warning', `${describe(offer)} is not used: ${refusal}`)
      return
    }
    const leaving = this.#leaving.get(offer.instanceId)
    if (leaving === undefined) this.#addDevice(known)
    else this.#track(leaving.then(() => this.#addDevice(known)))
  }

  #addDevice(known: Known): void {
    const { device: parent, log } = this.#parts
    const { channel } = known
    if (channel.state === 'rescinded') return
    const { offer } = channel
    channel.adopt({
      get device() {
        return known.device
      },
    })
    known.device = parent.addChild({
      location: `channel ${offer.channelId}`,
      pnpinfo: `classid=${offer.interfaceId} deviceid=${offer.instanceId}`,
      ivars: channel,
    })
    if (known.device.state === 'not-present')
      log.log('info', `no driver for ${describe(offer)} at channel ${offer.channelId}`)
  }

  #offerSub(offer: ChannelOffer): void {
    const { bus, table, counters, log } = this.#parts
    const primary = table.find({ ...offer, subIndex: 0 })
    if (primary === undefined) {
      counters.rejectedOffers++
      log.log('warning', `offer of sub-channel ${offer.channelId} without its primary channel`, 'rejected-offer')
      this.#release(offer.channelId)
      return
    }
    const channel = new VmbusChannel(bus, offer, primary)
    table.add(channel)
    primary.addSubchannel(channel)
  }

  #removePrimary(channel: VmbusChannel): void {
    const index = this.#known.findIndex((known) => known.channel === channel)
    const known = this.#known[index]
    if (known === undefined) return
    this.#known.splice(index, 1)
    for (const sub of [...channel.subchannels]) void sub.rescind()
    if (known.device === undefined) return
    const { instanceId } = channel.offer
    const removed = this.#parts.device.removeChild(known.device).finally(() => {
      if (this.#leaving.get(instanceId) === removed) this.#leaving.delete(instanceId)
    })
    this.#leaving.set(instanceId, removed)
    this.#track(removed)
  }

  #release(channelId: number): void {
    const { bus } = this.#parts
    const message = encodeControlMessage('RELID_RELEASED', { child_relid: channelId }, bus.version)
    this.#track(bus.post(message))
  }

  /** Failures here have no one to go to: the connection is ending, or newbus has logged them. */
  #track(work: Promise<void>): void {
    const tracked = work.catch(() => {}).then(() => void this.#work.delete(tracked))
    this.#work.add(tracked)
  }
}

function describe({ interfaceId, instanceId }: ChannelOffer): string {
  const name = deviceClassName(interfaceId)
  return `${name === undefined ? '' : `${name} `}classid=${interfaceId} deviceid=${instanceId}`
}
