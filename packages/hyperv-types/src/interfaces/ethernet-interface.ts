/** What {@link EthernetInterface.transmit} answers. */
export const TransmitStatus = {
  /** The frame is on its way; its bytes are the caller's again. */
  sent: 0,
  /** No room now: nothing was taken; a `writable` event follows. */
  full: 1,
  /** The interface is down or gone, and will not take frames before a `state` event. */
  down: 2,
  /** Longer than this interface takes, shorter than an Ethernet header, or an offload it does not have. */
  refused: 3,
} as const
export type TransmitStatus = (typeof TransmitStatus)[keyof typeof TransmitStatus]

/** Bits of {@link FrameOffload.checksum}: what the adapter fills in. */
export const TransmitChecksum = {
  ipv4Header: 1,
  /** The field holds the sum of the pseudo header. */
  tcp: 2,
  udp: 4,
} as const

/**
 * What is asked for one frame, or for a batch of them. A caller may keep one object and change it between calls.
 * Offsets count from the frame's first byte; the frame itself never holds the VLAN tag that `vlan` gives.
 */
export interface FrameOffload {
  /** {@link TransmitChecksum} bits; 0 for none. */
  checksum: number
  /** Payload bytes of each segment that the adapter cuts a TCP frame into; 0 for no segmentation. */
  segmentSize: number
  /** Where the transport header begins; used with `checksum` and `segmentSize`. */
  transportOffset: number
  /** Tag control information (priority << 13 | DEI << 12 | VLAN id), or -1 for none. */
  vlan: number
  /** Hash of the frame's flow, 32 bits, best signed; frames of one hash stay in order. 0: the interface looks at the frame. */
  hash: number
}

/** Bits of {@link ReceivedFrame.checksum}: what the adapter found out. Neither bit of a pair: it did not look. */
export const ReceiveChecksum = {
  ipv4Good: 1,
  ipv4Bad: 2,
  transportGood: 4,
  transportBad: 8,
  /** The data is good, but the field does not hold its checksum: fill it in before the frame goes on. */
  transportPartial: 16,
  ipv4Partial: 32,
} as const

/** One frame as it was received. Object and bytes are the interface's: they may be used during the call only. */
export interface ReceivedFrame {
  /** May lie in shared memory, which some interfaces of the platform refuse: give those a copy. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Where the frame begins in `bytes`. */
  readonly offset: number
  /** Bytes of the frame, tag and frame check sequence not included. */
  readonly length: number
  /** {@link ReceiveChecksum} bits. */
  readonly checksum: number
  /** Tag control information, or -1 for an untagged frame. */
  readonly vlan: number
  /** The host's hash of the flow, 32 bits signed; 0 when it gave none. */
  readonly hash: number
  /** `RssHash` bits that say what was hashed. */
  readonly hashType: number
  /** Receive queue: index of the channel it came on. */
  readonly queue: number
  /** More than 1 when the host joined TCP segments of a flow into this frame, and gave it in that many pieces. */
  readonly segments: number
}

/** Takes frames `0` to `count - 1`, in order. Must not throw and must not keep any of it. */
export type ReceiveHandler = (frames: readonly ReceivedFrame[], count: number) => void

/** What an interface can take over from its user, on the path in use now. */
export interface EthernetCapabilities {
  /** {@link TransmitChecksum} bits for IPv4 and for IPv6 frames. */
  readonly checksum4: number
  readonly checksum6: number
  /** Longest frame with `segmentSize`, in bytes from the IP header on; 0 when it cannot segment. */
  readonly segment4: number
  readonly segment6: number
  readonly vlan: boolean
  readonly queues: number
}

/** What the user chose. Kept over reconfiguration, suspend and resume. */
export interface EthernetSettings {
  /** Bytes from the IP header on: 68 to `mtuMax`. */
  readonly mtu: number
  readonly mtuMax: number
  /** Six bytes; a change needs the host's consent. */
  readonly address: Uint8Array
  /** Receives, and sends. */
  readonly up: boolean
  readonly promiscuous: boolean
  readonly allMulticast: boolean
  /** Multicast addresses to receive, six bytes each. */
  readonly multicast: readonly Uint8Array[]
}

export interface LinkState {
  readonly up: boolean
  /** Bits per second, 0 when unknown. */
  readonly speed: number
}

/** Counters; plain numbers that only grow. */
export interface EthernetStatistics {
  readonly txFrames: number
  readonly txBytes: number
  readonly txErrors: number
  readonly rxFrames: number
  readonly rxBytes: number
  /** Frames that were not delivered: malformed, or nobody listens. */
  readonly rxDropped: number
}

export type EthernetEvent =
  | { readonly type: 'link'; readonly link: LinkState }
  /** The network behind the link may be another one: renew leases. */
  | { readonly type: 'network-changed' }
  /** `transmit` answered `full`, and there is room again. */
  | { readonly type: 'writable' }
  | { readonly type: 'settings'; readonly settings: EthernetSettings }
  /** Frames go by way of the virtual function, or no longer do. */
  | { readonly type: 'data-path'; readonly path: 'synthetic' | 'virtual-function' }
  | { readonly type: 'removed' }

/** A network interface of the guest (`hn0`). */
export interface EthernetInterface {
  readonly name: string
  readonly description: string
  readonly settings: EthernetSettings
  readonly capabilities: EthernetCapabilities
  readonly link: LinkState
  readonly statistics: EthernetStatistics
  /**
   * Sends one frame: Ethernet header first, no frame check sequence. The bytes are copied before it returns.
   * Nothing is allocated. Never calls back.
   */
  transmit(bytes: Uint8Array, offset: number, length: number, offload?: FrameOffload): TransmitStatus
  /**
   * Holds back what is sent until {@link endBatch}, so that a burst costs one signal and small frames share a message.
   * Not nested.
   */
  beginBatch(): void
  endBatch(): void
  /** Sends frames one after another. @returns how many were taken before the first that was not. */
  transmitBatch(frames: readonly Uint8Array[], offload?: FrameOffload): number
  /** Where received frames go; the last call counts. Without a handler they are dropped. */
  receive(handler: ReceiveHandler | undefined): void
  /**
   * Changes settings; resolves when they are in force. On failure the old ones are.
   * @throws DeviceError `not-supported` when the host refuses, `invalid-argument`, `removed`.
   */
  configure(change: Partial<Omit<EthernetSettings, 'mtuMax'>>): Promise<void>
  /** Calls the listener for every event; returns how to stop. */
  onEvent(listener: (event: EthernetEvent) => void): () => void
}
