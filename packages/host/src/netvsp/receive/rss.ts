import type { FrameHeaders } from '@bis/hyperv-types/ethernet'
import { IpProtocol, Toeplitz } from '@bis/hyperv-types/ethernet'
import { NdisObjectType, RSS_KEY_BYTES, RssHash, RssParameterFlag, rssParameters } from '@bis/hyperv-types/network'

const LEAST_PARAMETER_BYTES = 28
const TABLE_ENTRIES = 128

/** Receive-side scaling of one adapter: key, hash types and indirection table as the guest set them. */
export class ReceiveScaling {
  enabled = false
  /** `RssHash` bits. */
  hashInfo = 0
  readonly table = new Uint8Array(TABLE_ENTRIES)
  #toeplitz: Toeplitz | undefined
  #key = ''

  reset(): void {
    this.enabled = false
    this.hashInfo = 0
  }

  /**
   * Takes over a parameters object. Nothing changes unless all of it is good.
   * @returns false when something does not fit: sizes, offsets, or an entry that names no queue
   */
  set(data: Uint8Array, queueCount: number): boolean {
    const { length } = data
    if (length < LEAST_PARAMETER_BYTES) return false
    const view = new DataView(data.buffer, data.byteOffset, length)
    const type = view.getUint8(0)
    if (type !== NdisObjectType.RSS_PARAMETERS || view.getUint8(1) < 1) return false
    const flags = rssParameters.flag.get(view, 0)
    const hashInfo = rssParameters.hashinfo.get(view, 0)
    if ((flags & RssParameterFlag.DISABLE) !== 0 || (hashInfo & RssHash.TOEPLITZ) === 0) {
      this.enabled = false
      return true
    }
    const tableBytes = rssParameters.indirect_tabsize.get(view, 0)
    const tableAt = rssParameters.indirect_taboffset.get(view, 0)
    const keyBytes = rssParameters.hashkey_size.get(view, 0)
    const keyAt = rssParameters.hashkey_offset.get(view, 0)
    if (tableBytes === 0 || tableBytes % 4 !== 0 || tableBytes > TABLE_ENTRIES * 4) return false
    if (tableAt > length || tableBytes > length - tableAt) return false
    if (keyBytes !== RSS_KEY_BYTES || keyAt > length || keyBytes > length - keyAt) return false
    const entries = tableBytes / 4
    for (let i = 0; i < entries; i++) if (view.getUint32(tableAt + i * 4, true) >= queueCount) return false
    for (let i = 0; i < TABLE_ENTRIES; i++) this.table[i] = view.getUint32(tableAt + (i % entries) * 4, true)
    const key = Array.from(data.subarray(keyAt, keyAt + RSS_KEY_BYTES))
    if (this.#toeplitz === undefined || key.join() !== this.#key) this.#toeplitz = new Toeplitz(key)
    this.#key = key.join()
    this.hashInfo = hashInfo
    this.enabled = true
    return true
  }

  /** Hash of a frame, or 0 when its kind is not hashed. {@link hashType} says what of it. */
  hash(bytes: Uint8Array, headers: FrameHeaders): number {
    this.hashType = 0
    if (!this.enabled || this.#toeplitz === undefined || headers.ipVersion === 0) return 0
    const { hashInfo } = this
    const ipv4 = headers.ipVersion === 4
    const tcp = headers.protocol === IpProtocol.TCP && headers.transportAt >= 0
    const udp = headers.protocol === IpProtocol.UDP && headers.transportAt >= 0
    const tcpType = ipv4 ? RssHash.TCP_IPV4 : RssHash.TCP_IPV6
    const udpType = ipv4 ? RssHash.UDP_IPV4 : RssHash.UDP_IPV6
    const ipType = ipv4 ? RssHash.IPV4 : RssHash.IPV6
    if (tcp && (hashInfo & tcpType) !== 0) this.hashType = tcpType
    else if (udp && (hashInfo & udpType) !== 0) this.hashType = udpType
    else if ((hashInfo & ipType) !== 0) this.hashType = ipType
    else return 0
    const withPorts = this.hashType !== ipType
    const hash = this.#toeplitz.ofFlow(bytes, headers, withPorts)
    this.hashType |= RssHash.TOEPLITZ
    return hash
  }

  /** What the last hash covered. */
  hashType = 0

  /** Queue of a hash. */
  queueOf(hash: number): number {
    return this.table[hash & (TABLE_ENTRIES - 1)] ?? 0
  }
}
