import type { Attachment, Channel, Device, TunableSysctl } from '@bis/hyperv-types'
import type { IcRequest } from './ic-request.ts'

/** What a component does with the host's messages, once for each attached device. */
export interface IcHandlers extends Pick<Attachment, 'shutdown'> {
  /** One request, of the component's own message type and after a negotiation. Answer it now or later, once. */
  onRequest(request: IcRequest): void
  /** What the host had sent is handled. */
  onBatchEnd?(): void
  /** Versions are agreed, for the first time or again: what was before counts no more. */
  onNegotiated?(version: number): void
  /** The channel is closed or the host begins anew: requests not answered yet are void. */
  onReset?(): void
  /** Before the channel is closed for a suspend, when it is closed, and after it is open again. */
  suspend?(): Promise<void>
  suspended?(): Promise<void>
  resume?(): Promise<void>
  dispose?(): Promise<void> | void
}

/** An integration component: what tells it from the others. */
export interface IcService {
  /** Device name (`hvheartbeat`). */
  readonly name: string
  /** Kernel module; default `hv_utils`. */
  readonly module?: string
  /** Between `<` and `>` in dmesg. */
  readonly description: string
  /** Class of the offer. */
  readonly interfaceId: string
  /** `IcMessageType` of its requests. */
  readonly messageType: number
  /** Message versions that it speaks, major << 16 | minor. */
  readonly versions: readonly number[]
  /** Framework versions; default 3.0 and 1.0. */
  readonly frameworks?: readonly number[]
  /** Of each ring, control page included; default 16 KiB. */
  readonly ringBytes?: number
  /** Sysctls of the driver that the loader can set. */
  readonly tunables?: readonly TunableSysctl[]
  attach(device: Device<Channel>): IcHandlers
}
