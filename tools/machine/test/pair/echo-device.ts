import type { HostChannelHandlers, VspDevice } from '@bis/hyperv-types'
import { InterfaceId } from '@bis/hyperv-types/vmbus'

export const instance = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

/** A device that completes every packet that asks for it with the packet's own data. */
export class EchoDevice implements VspDevice {
  readonly offer: VspDevice['offer']

  constructor(n: number, offer: Partial<VspDevice['offer']> = {}) {
    this.offer = { interfaceId: InterfaceId.SCSI, instanceId: instance(n), ...offer }
  }

  openChannel: VspDevice['openChannel'] = (channel): HostChannelHandlers => ({
    onPacket({ flags, transactionIdLow, transactionIdHigh, bytes, dataOffset, dataLength }) {
      if ((flags & 1) === 0) return
      channel.send(11, 0, transactionIdLow, transactionIdHigh, undefined, 0, bytes, dataOffset, dataLength)
    },
    onClose() {},
  })
}
