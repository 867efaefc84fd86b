import type { ChannelOffer, MemoryLink, SignalLink } from '@bis/hyperv-types'

/** What a processor needs to run in a thread of its own; passes through postMessage and workerData. */
export interface ProcessorLink {
  readonly cpu: number
  readonly memory: MemoryLink
  /** Guest-physical address of the processor's event flags for VMBus: 256 bytes. */
  readonly eventFlags: number
  readonly board: SharedArrayBuffer
  /** How the thread signals the root by itself; without it the bus signals for the thread. */
  readonly signals?: SignalLink
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
  /** Address of the guest-to-host half of the interrupt page when the channel has no dedicated interrupt. */
  readonly sendPage?: number
  readonly fullRingPollMs: number
}
