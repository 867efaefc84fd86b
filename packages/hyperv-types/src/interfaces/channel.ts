import type { ChannelError } from '../errors.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import type { PageAllocator, PageRun } from '../memory/page-allocator.ts'
import type { RingEngine } from '../ring/engine.ts'
import type { MmioSpace } from './mmio.ts'
import type { Packet } from './packet.ts'

/** What the host says of a channel when it offers it (OFFER_CHANNEL). */
export interface ChannelOffer {
  /** Device class, as lower-case GUID text. */
  readonly interfaceId: string
  /** The one device, as lower-case GUID text; stays the same over suspend, restore and migration. */
  readonly instanceId: string
  /** 0 for the primary channel. */
  readonly subIndex: number
  /** The "relid": valid for this connection only. */
  readonly channelId: number
  /** Target of HvSignalEvent for this channel. */
  readonly connectionId: number
  /** 0 to 127, or undefined when the host polls no monitor page for this channel. */
  readonly monitorId?: number
  readonly dedicatedInterrupt: boolean
  readonly flags: number
  /** How much MMIO space the device needs, in MiB. */
  readonly mmioMegabytes: number
  /** 120 bytes that the device class defines. */
  readonly userDefined: Uint8Array
}

/**
 * - `offered`: known, not open (never opened, or closed again);
 * - `opening`, `open`, `closing`;
 * - `rescinded`: the host took it away; nothing works on it any more.
 */
export type ChannelState = 'offered' | 'opening' | 'open' | 'closing' | 'rescinded'

/** What {@link PacketSender.send} answers. */
export const SendStatus = {
  sent: 0,
  /** No room now: `onWritable` is called when there is. */
  full: 1,
  /** The channel is closed or rescinded; nothing was written. */
  gone: 2,
  /** Longer than this ring can ever take. */
  tooLarge: 3,
} as const
export type SendStatus = (typeof SendStatus)[keyof typeof SendStatus]

/** The sending half of a channel, the same on both sides. Nothing here allocates. */
export interface PacketSender {
  /**
   * Writes one packet and signals the other side when the protocol needs it.
   * @param type packet type (6 in-band, 7 transfer pages, 9 GPA direct, 11 completion)
   * @param flags bit 0: a completion is wanted
   * @param transactionIdLow low word of the transaction id; ids of requests are never 0
   * @param header what goes between descriptor and data (a range list), a multiple of 8 bytes; undefined for none
   */
  send(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array | undefined,
    headerLength: number,
    data: Uint8Array,
    dataOffset: number,
    dataLength: number,
  ): SendStatus
  /**
   * Holds back publishing and signalling of what is sent until {@link endBatch}, so that a burst costs one index store
   * and at most one signal. Not nested; `onPacket` handlers already run inside a batch.
   */
  beginBatch(): void
  endBatch(): void
}

/** What the owner of an open channel is told. None of these may throw; all run in a task of the bus. */
export interface ChannelHandlers {
  /** One packet; valid during the call only. */
  onPacket(packet: Packet): void
  /** A burst of packets is over (ring empty or budget used up): the place to start what was collected. */
  onBatchEnd?(): void
  /** There is room again after `send` answered `full`. */
  onWritable?(): void
  /** The channel broke (the peer wrote nonsense into the ring); it is closed by its owner, nothing more arrives. */
  onFailure?(error: ChannelError): void
}

export interface ChannelOpenOptions extends ChannelHandlers {
  /** Whole ring guest to host, its control page included: a multiple of 4096, at least 8192. */
  readonly txRingBytes: number
  /** Whole ring host to guest, likewise. */
  readonly rxRingBytes: number
  /** Up to 120 bytes handed to the device. */
  readonly userData?: Uint8Array
  /** Processor that takes the channel's interrupts; default the bus's own choice. */
  readonly cpu?: number
  /** Longest packet accepted, without trailer; a longer one is reported and skipped. Default: what the ring can hold. */
  readonly maxPacketBytes?: number
  /** Packets handled before others get a turn. Default 256. */
  readonly budget?: number
  /** Signal by the monitor page when the offer has a monitor id. Default true. */
  readonly monitored?: boolean
  readonly signal?: AbortSignal
}

/** Guest memory that was described to the host; the handle is what goes into device messages. */
export interface Gpadl {
  readonly handle: number
  readonly run: PageRun
}

/** Counters of a channel; plain numbers that only grow. */
export interface ChannelStatistics {
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly signalsSent: number
  /** Packets that needed no signal of their own. */
  readonly signalsSuppressed: number
  readonly ringFull: number
  readonly interrupts: number
  readonly protocolErrors: number
}

/**
 * A VMBus channel as a guest driver sees it. The driver sees nothing below: how interrupts arrive, where the root is,
 * and which protocol version is spoken are the bus's business.
 */
export interface Channel extends PacketSender, AsyncDisposable {
  readonly offer: ChannelOffer
  readonly state: ChannelState
  /** Negotiated VMBus version, major << 16 | minor. */
  readonly protocolVersion: number
  readonly memory: GuestMemory
  readonly pages: PageAllocator
  /** What works on the channel's rings, and has private memory beside the guest's. Absent: script. */
  readonly ringEngine?: RingEngine
  /** MMIO space for the device; absent where the bus has none to give. */
  readonly mmio?: MmioSpace
  readonly processorCount: number
  /** Processor that takes this channel's interrupts. */
  readonly cpu: number
  readonly statistics: ChannelStatistics
  /** The partition's reference time in 100 ns, or undefined where the platform tells none. */
  referenceTime?(): bigint | undefined
  /** Aborted, with the ChannelError as reason, when the channel is rescinded or its bus goes away. */
  readonly gone: AbortSignal
  /** @throws ChannelError `rescinded`, `refused`, `invalid-state`, `invalid-argument`, `timeout`, `aborted`. */
  open(options: ChannelOpenOptions): Promise<void>
  /** Closes and takes the rings back. Resolves when no handler runs and none will. Sub-channels are closed first. */
  close(): Promise<void>
  /** Describes pages to the host. @throws ChannelError as {@link open}. */
  establishGpadl(run: PageRun, signal?: AbortSignal): Promise<Gpadl>
  /** Takes the pages back; resolves when the host has let go of them. Does not free them. */
  teardownGpadl(gpadl: Gpadl): Promise<void>
  /** Moves the channel's interrupts to another processor. */
  setCpu(cpu: number): Promise<void>
  /** Sub-channels offered so far and not rescinded, by ascending sub-index. */
  readonly subchannels: readonly Channel[]
  /** Calls the listener for each sub-channel there is and each that comes; returns how to stop. */
  onSubchannel(listener: (channel: Channel) => void): () => void
}
