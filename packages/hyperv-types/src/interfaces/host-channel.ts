import type { GuestMemory } from '../memory/guest-memory.ts'
import type { RingEngine } from '../ring/engine.ts'
import type { ChannelHandlers, ChannelStatistics, PacketSender } from './channel.ts'

/** Guest memory described by a GPADL, as the host sees it: checked once, when it was made. */
export interface HostGpadl {
  readonly handle: number
  readonly byteLength: number
  /** Byte offset into the first page of the first range. */
  readonly byteOffset: number
  /** 1 for everything that guests of today make; then the pages are those of the one range. */
  readonly rangeCount: number
  /** Page frame numbers in order, all of them inside the guest's memory. */
  readonly pfns: Float64Array
  /** The bytes as one window when there is one range and its pages are contiguous in one region; otherwise undefined. */
  readonly contiguous?: Uint8Array
}

/** An open channel as a device of the host (a VSP) sees it. */
export interface HostChannel extends PacketSender {
  readonly channelId: number
  readonly subIndex: number
  /** The guest's memory. */
  readonly memory: GuestMemory
  /** What works on the channel's rings, and has private memory beside the guest's. Absent: script. */
  readonly ringEngine?: RingEngine
  /** Negotiated VMBus version, major << 16 | minor. */
  readonly protocolVersion: number
  /** The 120 bytes of the guest's OPEN_CHANNEL. */
  readonly userData: Uint8Array
  readonly statistics: ChannelStatistics
  /** Longest packet that the ring to the guest can ever take, descriptor and range list included, in bytes. */
  readonly longestPacket: number
  /** What `onSave` gave when this channel was saved, in a channel that is restored instead of opened; else undefined. */
  readonly restored?: unknown
  /**
   * Takes no more packets out of the ring after the running `onPacket`, until {@link HostChannel.resume}: the device has
   * as many requests in hand as it can hold, and the guest sees a ring that fills up. `onWritable` and `onClose` are
   * still called. Calling either twice changes nothing.
   */
  pause(): void
  resume(): void
  /** A GPADL that the guest made on this device's channels, or undefined. */
  gpadl(handle: number): HostGpadl | undefined
  /**
   * Closes the channel after the guest broke the device's protocol beyond repair; `reason` is logged once. The guest
   * sees a dead ring until it closes.
   */
  fail(reason: string): void
}

export interface HostChannelHandlers extends ChannelHandlers {
  /** Longest packet accepted; a longer one breaks the channel. Default: what the ring can hold. */
  readonly maxPacketBytes?: number
  readonly budget?: number
  /** The guest closed the channel, or it is being revoked; no handler runs any more. Resolve when its work is over. */
  onClose(): Promise<void> | void
  /**
   * The bus is being saved: finish the work in hand, sending its answers. No handler runs any more, `onClose` neither.
   * A device without it is rescinded and offered again when the bus is restored.
   * @returns what `openChannel` needs to go on with the channel (`restored`): plain data that JSON can carry
   */
  onSave?(): Promise<unknown> | unknown
}

/** What the host says of a device in its offer. */
export interface OfferDescription {
  readonly interfaceId: string
  readonly instanceId: string
  readonly flags?: number
  readonly mmioMegabytes?: number
  /** Up to 120 bytes. */
  readonly userDefined?: Uint8Array
  /** Signal latency in 100 ns units when the device wants a monitor id. */
  readonly monitorLatency?: number
}

/** A device of the host: the virtualization service provider of one offer. */
export interface VspDevice {
  readonly offer: OfferDescription
  /** Called once when the device is put on a bus; how it offers sub-channels. */
  onOffered?(port: VspPort): void
  /**
   * The guest opens a channel of this device (sub-index 0 first).
   * @returns what to call for it, or undefined to refuse (OPEN_RESULT with a failure status).
   */
  openChannel(channel: HostChannel): HostChannelHandlers | undefined
  /** A GPADL of the primary channel is about to go away; stop using it before resolving. */
  gpadlTeardown?(handle: number): Promise<void> | void
  /** The connection was reset or the device revoked: forget the guest. Channels are closed already. */
  reset?(): void
}

/** What a device may ask of the bus that it is on. */
export interface VspPort {
  readonly protocolVersion: number
  readonly processorCount: number
  /** The partition's reference time in 100 ns, or undefined where it is not told. */
  referenceTime?(): bigint | undefined
  /** Offers sub-channels 1 to `count`; the ones offered already stay. @returns false when the bus version has none. */
  offerSubchannels(count: number): boolean
  /** Takes the device away (RESCIND, sub-channels first); resolves when the guest has released it. */
  revoke(): Promise<void>
}
