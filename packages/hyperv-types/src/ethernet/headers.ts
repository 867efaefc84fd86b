export const ETHERNET_HEADER_BYTES = 14
export const EtherType = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd, QINQ: 0x88a8 } as const
export const IpProtocol = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58 } as const

/** IPv6 headers that may lie before the transport header: hop-by-hop, routing, fragment, destination options. */
const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const DESTINATION = 60
const MOST_EXTENSIONS = 8

/**
 * Where the headers of one frame lie. Reused: `read` fills it for the next frame. All offsets are checked against the
 * frame; whatever does not fit is left at its "none" value.
 */
export class FrameHeaders {
  /** EtherType, or -1 for a frame shorter than its header. */
  etherType = -1
  /** 4, 6, or 0 for anything else. */
  ipVersion = 0
  /** From the first byte of `bytes`, as all offsets. */
  ipAt = 0
  /** Bytes of the IPv4 header, or of the IPv6 header with its extensions. */
  ipHeaderBytes = 0
  /** Bytes of the IP packet as its header says. */
  ipBytes = 0
  protocol = -1
  /** Part of a fragmented packet. */
  fragment = false
  /** Where the transport header begins, or -1: there is none in this frame. */
  transportAt = -1
  /** Transport header and payload, in bytes. */
  transportBytes = 0

  /** @param at where the Ethernet header begins; `end` is the frame's end */
  read(bytes: Uint8Array, at: number, end: number): void {
    this.ipVersion = 0
    this.protocol = -1
    this.transportAt = -1
    this.transportBytes = 0
    this.fragment = false
    this.etherType = -1
    if (at + ETHERNET_HEADER_BYTES > end) return
    this.etherType = word(bytes, at + 12)
    const ip = at + ETHERNET_HEADER_BYTES
    this.ipAt = ip
    if (this.etherType === EtherType.IPV4) this.#readIpv4(bytes, ip, end)
    else if (this.etherType === EtherType.IPV6) this.#readIpv6(bytes, ip, end)
  }

  #readIpv4(bytes: Uint8Array, ip: number, end: number): void {
    if (ip + 20 > end) return
    const first = bytes[ip] ?? 0
    const headerBytes = (first & 0xf) * 4
    if (first >> 4 !== 4 || headerBytes < 20 || ip + headerBytes > end) return
    const total = word(bytes, ip + 2)
    // A large send leaves the length 0: then the frame's end is the packet's.
    const ipBytes = total === 0 ? end - ip : total
    if (ipBytes < headerBytes || ip + ipBytes > end) return
    this.ipVersion = 4
    this.ipHeaderBytes = headerBytes
    this.ipBytes = ipBytes
    this.protocol = bytes[ip + 9] ?? -1
    this.fragment = (word(bytes, ip + 6) & 0x3fff) !== 0
    if (!this.fragment) this.#setTransport(ip + headerBytes, ip + ipBytes)
  }

  #readIpv6(bytes: Uint8Array, ip: number, end: number): void {
    if (ip + 40 > end || (bytes[ip] ?? 0) >> 4 !== 6) return
    const payload = word(bytes, ip + 4)
    const packetEnd = payload === 0 ? end : ip + 40 + payload
    if (packetEnd > end) return
    this.ipVersion = 6
    this.ipBytes = packetEnd - ip
    let next = bytes[ip + 6] ?? -1
    let at = ip + 40
    for (let i = 0; i < MOST_EXTENSIONS; i++) {
      if (next === FRAGMENT && at + 8 <= packetEnd) {
        this.fragment = (word(bytes, at + 2) & 0xfff9) !== 0
        next = bytes[at] ?? -1
        at += 8
      } else if ((next === HOP_BY_HOP || next === ROUTING || next === DESTINATION) && at + 8 <= packetEnd) {
        next = bytes[at] ?? -1
        at += ((bytes[at + 1] ?? 0) + 1) * 8
        if (at > packetEnd) return
      } else break
      if (this.fragment) break
    }
    this.ipHeaderBytes = at - ip
    this.protocol = next
    if (!this.fragment) this.#setTransport(at, packetEnd)
  }

  #setTransport(at: number, end: number): void {
    const least = this.protocol === IpProtocol.TCP ? 20 : 8
    if (this.protocol !== IpProtocol.TCP && this.protocol !== IpProtocol.UDP) return
    if (at + least > end) return
    this.transportAt = at
    this.transportBytes = end - at
  }
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
