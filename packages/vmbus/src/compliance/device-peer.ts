import type { HostChannel, HostChannelHandlers, OfferDescription, Packet, VspDevice, VspPort } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import type { ChannelPeer, PeerPacket } from './fixture.ts'

/** The class of the device that the cases talk to. */
const COMPLIANCE_CLASS = '7e57c0de-0000-4000-8000-000000000001'

/** A peer that is a device on a VMBus server. */
export class DevicePeer implements ChannelPeer, VspDevice {
  readonly offer: OfferDescription = {
    interfaceId: COMPLIANCE_CLASS,
    instanceId: '7e57c0de-0000-4000-8000-0000000000ff',
  }
  readonly received: PeerPacket[] = []
  opened = 0
  userData = new Uint8Array(0)
  #port: VspPort | undefined
  #channel: HostChannel | undefined

  get open(): boolean {
    return this.#channel !== undefined
  }

  onOffered(port: VspPort): void {
    this.#port = port
  }

  openChannel(channel: HostChannel): HostChannelHandlers {
    const primary = channel.subIndex === 0
    if (primary) {
      this.opened++
      this.userData = channel.userData.slice()
      this.#channel = channel
    }
    return {
      onPacket: (packet) => void this.received.push(copy(packet)),
      onClose: () => {
        if (primary) this.#channel = undefined
      },
    }
  }

  send(type: number, transactionIdLow: number, transactionIdHigh: number, data: Uint8Array): boolean {
    const status = this.#channel?.send(type, 0, transactionIdLow, transactionIdHigh, undefined, 0, data, 0, data.length)
    return status !== SendStatus.full
  }

  pause(): void {
    this.#channel?.pause()
  }

  resume(): void {
    this.#channel?.resume()
  }

  readShared(handle: number): Uint8Array | undefined {
    return this.#channel?.gpadl(handle)?.contiguous
  }

  offerSubchannels(count: number): void {
    this.#port?.offerSubchannels(count)
  }

  rescind(): void {
    void this.#port?.revoke()
  }
}

function copy(packet: Packet): PeerPacket {
  const { type, flags, transactionIdLow, transactionIdHigh, bytes, dataOffset, dataLength } = packet
  return {
    type,
    flags,
    transactionIdLow,
    transactionIdHigh,
    header: bytes.slice(16, dataOffset),
    data: bytes.slice(dataOffset, dataOffset + dataLength),
  }
}
