import type { Channel } from '@bis/hyperv-types'

/** A packet as the peer got it. */
export interface PeerPacket {
  readonly type: number
  readonly flags: number
  readonly transactionIdLow: number
  readonly transactionIdHigh: number
  /** What lies between descriptor and data. */
  readonly header: Uint8Array
  /** Padded to a multiple of 8. */
  readonly data: Uint8Array
}

/** The device at the other end, driven by the cases. */
export interface ChannelPeer {
  /** How often the channel was opened so far. */
  readonly opened: number
  /** It is open now, as far as the device was told. */
  readonly open: boolean
  /** Every packet received, in order, over all times it was open. */
  readonly received: readonly PeerPacket[]
  /** The 120 bytes of the last open. */
  readonly userData: Uint8Array
  /** @returns false when there is no room */
  send(type: number, transactionIdLow: number, transactionIdHigh: number, data: Uint8Array): boolean
  /** Takes no packets until `resume`. */
  pause(): void
  resume(): void
  /** Reads pages that were shared under a handle; undefined when it knows none of them. */
  readShared(handle: number): Uint8Array | undefined
  /** Offers sub-channels, when the transport can. */
  offerSubchannels?(count: number): void
  /** Takes the channel away, when the transport can. */
  rescind?(): void
}

/** One channel, offered and not open, with nothing else going on; and its peer. */
export interface ChannelFixture extends AsyncDisposable {
  readonly channel: Channel
  readonly peer: ChannelPeer
  /** Lets things happen until the condition holds. Rejects after a while when it does not. */
  until(what: string, condition: () => boolean): Promise<void>
  /** Lets everything on its way arrive. */
  settle(): Promise<void>
}

export interface ChannelCase {
  readonly name: string
  /** The case needs this of the peer; transports without it skip the case. */
  readonly needs?: 'offerSubchannels' | 'rescind'
  run(fixture: ChannelFixture): Promise<void>
}
