import { foldChecksum, foldSum, pseudoHeaderSum, sumWords } from './checksum.ts'
import { copyBytes } from './copy-bytes.ts'
import { ETHERNET_HEADER_BYTES, EtherType, IpProtocol } from './headers.ts'
import { RepeatedCopies } from './repeated-copies.ts'

const TCP_FIN = 0x01
const TCP_PSH = 0x08
/** Longest headers of a segment: Ethernet, IPv6 with extensions, TCP with options. */
const MOST_HEADER_BYTES = 512
const MOST_SEGMENT_BYTES = 0x1_0000

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value
}

function get16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

/** Fills in the header checksum of the IPv4 header at `at`. The caller has checked that it lies inside `bytes`. */
export function finishIpv4Header(bytes: Uint8Array, at: number): void {
  put16(bytes, at + 10, 0)
  put16(bytes, at + 10, foldChecksum(sumWords(bytes, at, ((bytes[at] ?? 0) & 0xf) * 4)))
}

/**
 * Fills in a TCP or UDP checksum, whatever the field holds.
 * @param ipAt where the IP header begins; its addresses go into the sum
 * @param length transport header and payload, in bytes
 */
export function finishTransport(
  bytes: Uint8Array,
  ipAt: number,
  transportAt: number,
  length: number,
  protocol: number,
): void {
  const field = transportAt + (protocol === IpProtocol.UDP ? 6 : 16)
  put16(bytes, field, 0)
  const pseudo = pseudoHeaderSum(bytes, ipAt, protocol, length)
  const sum = foldChecksum(sumWords(bytes, transportAt, length, pseudo))
  // For UDP 0 means "no checksum": all ones is the same sum.
  put16(bytes, field, protocol === IpProtocol.UDP && sum === 0 ? 0xffff : sum)
}

/** Whether a transport checksum is right; a UDP field of 0 over IPv4 is. */
export function transportIsGood(
  bytes: Uint8Array,
  ipAt: number,
  transportAt: number,
  length: number,
  protocol: number,
): boolean {
  const overIpv4 = (bytes[ipAt] ?? 0) >> 4 === 4
  if (protocol === IpProtocol.UDP && overIpv4 && get16(bytes, transportAt + 6) === 0) return true
  const pseudo = pseudoHeaderSum(bytes, ipAt, protocol, length)
  return foldSum(sumWords(bytes, transportAt, length, pseudo)) === 0xffff
}

/**
 * Cuts a large TCP frame into segments as an adapter does (LSO version 2): headers copied, IP id and sequence number
 * counted on, FIN and PSH on the last only, lengths and checksums filled in. Reused; each segment is in `bytes` until
 * the next.
 */
export class Segmenter {
  readonly bytes = new Uint8Array(MOST_HEADER_BYTES + MOST_SEGMENT_BYTES)
  /** Bytes of the segment in `bytes`. */
  length = 0
  /** Fill in transport checksums; otherwise each field gets the sum of the pseudo header. */
  checksums = true
  readonly #view = new DataView(this.bytes.buffer)
  readonly #copies = new RepeatedCopies()
  #source: Uint8Array = this.bytes
  #payloadAt = 0
  #end = 0
  #segmentSize = 0
  #headerBytes = 0
  #transport = 0
  #ipv4 = false
  #id = 0
  #sequence = 0
  #flags = 0

  /**
   * @param at where the frame begins in `source`; `transportAt` where its TCP header does
   * @returns false when it is no TCP frame that can be cut: nothing of it may be sent
   */
  start(source: Uint8Array, at: number, length: number, transportAt: number, segmentSize: number): boolean {
    const end = at + length
    const etherType = length < ETHERNET_HEADER_BYTES ? -1 : get16(source, at + 12)
    const ipBytes = etherType === EtherType.IPV4 ? 20 : etherType === EtherType.IPV6 ? 40 : 0
    const ipAt = at + ETHERNET_HEADER_BYTES
    if (ipBytes === 0 || segmentSize <= 0 || transportAt < ipAt + ipBytes || transportAt + 20 > end) return false
    const payloadAt = transportAt + ((source[transportAt + 12] ?? 0) >> 4) * 4
    const headerBytes = payloadAt - at
    if (payloadAt < transportAt + 20 || payloadAt > end || headerBytes > MOST_HEADER_BYTES) return false
    if (segmentSize + headerBytes - ETHERNET_HEADER_BYTES > 0xffff) return false
    this.#source = source
    this.#payloadAt = payloadAt
    this.#end = end
    this.#segmentSize = segmentSize
    this.#headerBytes = headerBytes
    this.#transport = transportAt - at
    this.#ipv4 = etherType === EtherType.IPV4
    this.#id = get16(source, ipAt + 4)
    this.#sequence = ((get16(source, transportAt + 4) << 16) | get16(source, transportAt + 6)) >>> 0
    this.#flags = source[transportAt + 13] ?? 0
    copyBytes(this.bytes, 0, source, at, headerBytes)
    return true
  }

  /** Segments left. */
  get left(): number {
    return Math.ceil((this.#end - this.#payloadAt) / this.#segmentSize)
  }

  /** Builds the next segment. @returns false when there is none */
  next(): boolean {
    const payload = Math.min(this.#segmentSize, this.#end - this.#payloadAt)
    if (payload <= 0) return false
    const { bytes } = this
    const headerBytes = this.#headerBytes
    this.#copies.copy(bytes, this.#view, headerBytes, this.#source, this.#payloadAt, payload)
    this.#payloadAt += payload
    this.length = headerBytes + payload
    const last = this.#payloadAt === this.#end
    const transport = this.#transport
    const transportBytes = this.length - transport
    const ip = ETHERNET_HEADER_BYTES
    if (this.#ipv4) {
      put16(bytes, ip + 2, this.length - ip)
      put16(bytes, ip + 4, this.#id)
      this.#id = (this.#id + 1) & 0xffff
      finishIpv4Header(bytes, ip)
    } else {
      put16(bytes, ip + 4, this.length - ip - 40)
    }
    put16(bytes, transport + 4, this.#sequence >>> 16)
    put16(bytes, transport + 6, this.#sequence & 0xffff)
    bytes[transport + 13] = last ? this.#flags : this.#flags & ~(TCP_FIN | TCP_PSH)
    this.#sequence = (this.#sequence + payload) >>> 0
    if (this.checksums) finishTransport(bytes, ip, transport, transportBytes, IpProtocol.TCP)
    else put16(bytes, transport + 16, foldSum(pseudoHeaderSum(bytes, ip, IpProtocol.TCP, transportBytes)))
    return true
  }
}
