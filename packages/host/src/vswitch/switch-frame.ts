import { TransmitChecksum } from '@bis/hyperv-types'
import { copyBytes } from '@bis/hyperv-types/ethernet'

/**
 * A frame on its way through the switch, its tag beside it. Ports keep one such object and use it again; whoever is given
 * one may use it during the call only, or keep a {@link SwitchFrame.copy}.
 */
export class SwitchFrame {
  /** Private to the host: the guest that sent it can no longer change it. */
  bytes: Uint8Array = NONE
  offset = 0
  /** From the Ethernet header on, without tag. */
  length = 0
  /** VLAN id, 0 for an untagged frame. */
  vlan = 0
  /** 802.1p priority. */
  priority = 0
  /** `TransmitChecksum` bits: fields that the sender left to be filled in. */
  checksum = 0
  /** `TransmitChecksum` bits: fields that the switch has filled in, which are right. */
  finished = 0
  /** Payload bytes of each segment when the frame is to be cut; 0 otherwise. */
  segmentSize = 0
  /** Where the transport header begins in `bytes`, when `checksum` or `segmentSize` says so. */
  transportAt = 0

  clear(): void {
    this.vlan = 0
    this.priority = 0
    this.checksum = 0
    this.finished = 0
    this.segmentSize = 0
    this.transportAt = 0
  }

  /** Takes over everything but the bytes. */
  describe(other: SwitchFrame): void {
    this.vlan = other.vlan
    this.priority = other.priority
    this.checksum = other.checksum
    this.finished = other.finished
    this.segmentSize = other.segmentSize
    this.transportAt = other.transportAt
  }

  /** A frame of its own, for what is sent later. */
  copy(): SwitchFrame {
    const frame = new SwitchFrame()
    frame.bytes = new Uint8Array(this.length)
    copyBytes(frame.bytes, 0, this.bytes, this.offset, this.length)
    frame.length = this.length
    frame.describe(this)
    frame.transportAt = this.transportAt - this.offset
    return frame
  }

  /** The sender left something to be done. */
  get unfinished(): boolean {
    return this.checksum !== 0 || this.segmentSize !== 0
  }
}

export const TCP_OR_UDP = TransmitChecksum.tcp | TransmitChecksum.udp
const NONE = new Uint8Array(0)
