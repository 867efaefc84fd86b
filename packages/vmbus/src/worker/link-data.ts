import type { ChannelOffer, MemoryLink } from '@bis/hyperv-types'

/** What a processor needs to run in a thread of its own; passes through postMessage and workerData. */
export interface ProcessorLink {
  readonly cpu: number
  readonly memory: MemoryLink
  /** Guest-physical address of the processor's event flags for VMBus: 256 bytes. */
  readonly eventFlags: number
  readonly board: SharedArrayBuffer
}

/** What a processor needs to serve an open channel; passes through postMessage and workerData. */
export interface ChannelDescriptor {
  readonly offer: ChannelOffer
  /** Negotiated VMBus version, major << 16 | minor. */
  readonly protocolVersion: number
  /** The processor that takes the channel's interrupts: the one that can serve it. */
  readonly cpu: number
  /** Address of the guest-to-host ring; the other one lies right behind it. */
  readonly rings: number
  readonly txRingBytes: number
  readonly rxRingBytes: number
  readonly maxPacketBytes: number
  /** Address of the guest-to-host monitor page when the channel signals by it. */
  readonly monitorPage?: number
  readonly fullRingPollMs: number
}
