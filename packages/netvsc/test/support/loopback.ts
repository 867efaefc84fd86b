import type { HostReleaseName } from '@bis/host'
import { hostRelease, NetworkAdapter, VirtualSwitch } from '@bis/host'
import type { HostChannel, HostChannelHandlers, OfferDescription, VspDevice, VspPort } from '@bis/hyperv-types'
import { GuestMemory, SendStatus, silentLogger, systemClock } from '@bis/hyperv-types'
import type { ConnectedChannels } from '@bis/hyperv-types/loopback'
import { connectedChannels } from '@bis/hyperv-types/loopback'
import type { NetvscSettings } from '../../src/index.ts'
import { DEFAULT_SETTINGS, HnInterface } from '../../src/index.ts'
import { address, instance } from './guests.ts'

/** A packet on its way from host to guest; change it, or answer `false` to lose it. */
export interface Outgoing {
  type: number
  flags: number
  low: number
  high: number
  header: Uint8Array | undefined
  data: Uint8Array
}
export type Tamper = (packet: Outgoing, channel: HostChannel) => unknown

/** The host's adapter with somebody in between who changes what it sends. */
export class TamperedAdapter implements VspDevice {
  readonly adapter: NetworkAdapter
  readonly switch = new VirtualSwitch({ clock: systemClock })
  readonly offer: OfferDescription
  readonly channels: HostChannel[] = []
  tamper: Tamper | undefined
  handlers: HostChannelHandlers | undefined

  constructor(release: HostReleaseName = '2022', maxQueues = 1) {
    const options = { release: hostRelease(release), switch: this.switch, address: address(1), instanceId: instance(1) }
    this.adapter = new NetworkAdapter({ ...options, maxQueues })
    this.offer = this.adapter.offer
  }

  onOffered(port: VspPort): void {
    this.adapter.onOffered(port)
  }

  openChannel(channel: HostChannel): HostChannelHandlers | undefined {
    this.channels[channel.subIndex] = channel
    const wrapped: HostChannel = Object.create(channel, {
      send: {
        value: (
          type: number,
          flags: number,
          low: number,
          high: number,
          header: Uint8Array | undefined,
          headerLength: number,
          data: Uint8Array,
          dataOffset: number,
          dataLength: number,
        ): SendStatus => {
          const packet: Outgoing = {
            type,
            flags,
            low,
            high,
            header: header?.slice(0, headerLength),
            data: data.slice(dataOffset, dataOffset + dataLength),
          }
          if (this.tamper?.(packet, channel) === false) return SendStatus.sent
          const { header: h, data: d } = packet
          return channel.send(packet.type, packet.flags, packet.low, packet.high, h, h?.length ?? 0, d, 0, d.length)
        },
      },
      gpadl: { value: (handle: number) => channel.gpadl(handle) },
      pause: { value: () => channel.pause() },
      resume: { value: () => channel.resume() },
      fail: { value: (reason: string) => channel.fail(reason) },
      beginBatch: { value: () => channel.beginBatch() },
      endBatch: { value: () => channel.endBatch() },
      memory: { value: channel.memory },
      subIndex: { value: channel.subIndex },
    })
    const handlers = this.adapter.openChannel(wrapped)
    if (channel.subIndex === 0) this.handlers = handlers
    return handlers
  }

  gpadlTeardown(handle: number): void {
    this.adapter.gpadlTeardown(handle)
  }

  reset(): void {
    this.adapter.reset()
  }
}

export interface Pair extends ConnectedChannels {
  readonly host: TamperedAdapter
  readonly hn: HnInterface
}

/** Driver and adapter with rings between, and no bus. The driver is not attached yet. */
export function pair(host = new TamperedAdapter(), settings: Partial<NetvscSettings> = {}, processorCount = 1): Pair {
  const memory = GuestMemory.allocate(24 * 2 ** 20, { kind: 'plain' })
  const connected = connectedChannels(host, { memory, processorCount })
  const hn = new HnInterface({
    name: 'hn0',
    channel: connected.channel,
    clock: systemClock,
    log: silentLogger,
    settings: {
      ...DEFAULT_SETTINGS,
      requestTimeoutMs: 50,
      receiveBufferBytes: 2 ** 20,
      sendBufferBytes: 2 ** 18,
      ...settings,
    },
  })
  return { ...connected, host, hn }
}

export const NEVER = new AbortController().signal
