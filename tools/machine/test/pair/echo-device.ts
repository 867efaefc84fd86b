import type { HostChannelHandlers, VspDevice } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { InterfaceId } from '@bis/hyperv-types/vmbus'

export const instance = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

interface Reply {
  readonly low: number
  readonly high: number
  readonly data: Uint8Array
}

/** A device that completes every packet that asks for it with the packet's own data, in order and however long it takes. */
export class EchoDevice implements VspDevice {
  readonly offer: VspDevice['offer']

  constructor(n: number, offer: Partial<VspDevice['offer']> = {}) {
    this.offer = { interfaceId: InterfaceId.SCSI, instanceId: instance(n), ...offer }
  }

  openChannel: VspDevice['openChannel'] = (channel): HostChannelHandlers => {
    const waiting: Reply[] = []
    const flush = () => {
      for (let reply = waiting[0]; reply !== undefined; reply = waiting[0]) {
        const { low, high, data } = reply
        if (channel.send(11, 0, low, high, undefined, 0, data, 0, data.length) === SendStatus.full) return
        waiting.shift()
      }
    }
    return {
      onPacket({ flags, transactionIdLow: low, transactionIdHigh: high, bytes, dataOffset, dataLength }) {
        if ((flags & 1) === 0) return
        waiting.push({ low, high, data: bytes.slice(dataOffset, dataOffset + dataLength) })
        // A reply that found no room goes first.
        if (waiting.length === 1) flush()
      },
      onWritable: flush,
      onClose() {},
    }
  }
}
