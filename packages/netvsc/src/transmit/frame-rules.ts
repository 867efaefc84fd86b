import type { EthernetCapabilities, FrameOffload } from '@bis/hyperv-types'
import { ETHERNET_HEADER_BYTES, EtherType } from '@bis/hyperv-types/ethernet'

export const NO_CAPABILITIES: EthernetCapabilities = {
  checksum4: 0,
  checksum6: 0,
  segment4: 0,
  segment6: 0,
  vlan: false,
  queues: 1,
}

/** Which frames can go: their lengths, and what may be asked for them. */
export class FrameRules {
  readonly capabilities: EthernetCapabilities
  /** Longest frame that is not to be cut, the Ethernet header included. */
  readonly #frameBytes: number

  constructor(capabilities: EthernetCapabilities, mtu: number) {
    this.capabilities = capabilities
    this.#frameBytes = mtu + ETHERNET_HEADER_BYTES
  }

  accepts(bytes: Uint8Array, offset: number, length: number, offload: FrameOffload | undefined): boolean {
    if (length < ETHERNET_HEADER_BYTES || offset < 0 || offset + length > bytes.length) return false
    if (offload === undefined) return length <= this.#frameBytes
    const most = offload.segmentSize === 0 ? this.#frameBytes : this.#longestSend(offload, bytes, offset)
    return length <= most && this.#canOffload(offload, bytes, offset)
  }

  #longestSend(offload: FrameOffload, bytes: Uint8Array, offset: number): number {
    const { segment4, segment6 } = this.capabilities
    const most = isIpv6(bytes, offset) ? segment6 : segment4
    return most === 0 || offload.segmentSize > this.#frameBytes ? 0 : most + ETHERNET_HEADER_BYTES
  }

  #canOffload(offload: FrameOffload, bytes: Uint8Array, offset: number): boolean {
    const { checksum4, checksum6, vlan } = this.capabilities
    const able = isIpv6(bytes, offset) ? checksum6 : checksum4
    if ((offload.checksum & ~able) !== 0) return false
    return offload.vlan < 0 || (vlan && offload.vlan <= 0xffff)
  }
}

/** Whether a frame holds an IPv6 packet. */
export function isIpv6(bytes: Uint8Array, offset: number): boolean {
  return ((bytes[offset + 12] ?? 0) << 8) + (bytes[offset + 13] ?? 0) === EtherType.IPV6
}
