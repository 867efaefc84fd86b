import {
  ChecksumCapability,
  ChecksumParameter,
  LargeSendCapability,
  NDIS_ENCAPSULATION_8023,
  NDIS_OFFLOAD_BYTES,
  NDIS_OFFLOAD_PARAMETERS_BYTES,
  NdisObjectType,
  NvspVersion,
  ndisChecksumOffload,
  ndisLsoV2Offload,
  ndisObjectHeader,
  ndisOffload,
  ndisOffloadParameters,
  ndisRscOffload,
  OffloadSwitch,
} from '@bis/hyperv-types/network'

/** Longest large send, and fewest segments: what the Windows switch tells. */
const LSO_BYTES = 0xf53c
const LSO_SEGMENTS = 2

type ParameterName = 'ip_v4_csum' | 'tcp_ip_v4_csum' | 'udp_ip_v4_csum' | 'tcp_ip_v6_csum' | 'udp_ip_v6_csum'
const CHECKSUM_PARAMETERS: readonly ParameterName[] = [
  'ip_v4_csum',
  'tcp_ip_v4_csum',
  'udp_ip_v4_csum',
  'tcp_ip_v6_csum',
  'udp_ip_v6_csum',
]

/** The task offloads of one adapter: what this host can, and what the guest has switched on. */
export class Offloads {
  /** By parameter: bit 0 transmit, bit 1 receive. */
  readonly checksums: Record<ParameterName, number> = {
    ip_v4_csum: 3,
    tcp_ip_v4_csum: 3,
    udp_ip_v4_csum: 3,
    tcp_ip_v6_csum: 3,
    udp_ip_v6_csum: 3,
  }
  lso4 = true
  lso6 = true
  rsc4 = false
  rsc6 = false
  /** UDP checksums are right from 2016 on. */
  readonly #udp: boolean
  readonly #rsc: boolean
  readonly #newestRevision: 1 | 2 | 3

  /** @param newest NVSP version of the host's release */
  constructor(newest: number) {
    this.#udp = newest >= NvspVersion.V6
    this.#rsc = newest >= NvspVersion.V6_1
    this.#newestRevision = newest >= NvspVersion.V5 ? 3 : 2
    this.reset()
  }

  reset(): void {
    for (const name of CHECKSUM_PARAMETERS) this.checksums[name] = name.startsWith('udp') && !this.#udp ? 0 : 3
    this.lso4 = true
    this.lso6 = true
    this.rsc4 = false
    this.rsc6 = false
  }

  /** What may be switched on. @param revision the guest asked for, 0 for the newest */
  capabilities(revision: number): Uint8Array {
    return this.#encode(
      revision,
      (name) => (name.startsWith('udp') && !this.#udp ? 0 : 3),
      true,
      true,
      this.#rsc,
      this.#rsc,
    )
  }

  /** What is on now. */
  current(revision = 0): Uint8Array {
    return this.#encode(revision, (name) => this.checksums[name], this.lso4, this.lso6, this.rsc4, this.rsc6)
  }

  /** Takes over a parameters object; unknown values leave things as they are. @returns false when it is none */
  set(data: Uint8Array): boolean {
    const { length } = data
    if (length < NDIS_OFFLOAD_PARAMETERS_BYTES[1]) return false
    const view = new DataView(data.buffer, data.byteOffset, length)
    if (view.getUint8(0) !== NdisObjectType.DEFAULT || view.getUint8(1) < 1) return false
    const fields = ndisOffloadParameters
    if (fields.lso_v1.get(view, 0) === OffloadSwitch.ON) return false
    for (const name of CHECKSUM_PARAMETERS) {
      const able = name.startsWith('udp') && !this.#udp ? 0 : 3
      this.checksums[name] = able & switched(fields[name].get(view, 0), this.checksums[name])
    }
    this.lso4 = isOn(fields.lso_v2_ipv4.get(view, 0), this.lso4)
    this.lso6 = isOn(fields.lso_v2_ipv6.get(view, 0), this.lso6)
    if (length < NDIS_OFFLOAD_PARAMETERS_BYTES[3]) return true
    this.rsc4 = this.#rsc && isOn(fields.rsc_ip_v4.get(view, 0), this.rsc4)
    this.rsc6 = this.#rsc && isOn(fields.rsc_ip_v6.get(view, 0), this.rsc6)
    return true
  }

  /** A registry-style keyword such as `*TCPChecksumOffloadIPv4`, with a decimal digit. Others are ignored. */
  setParameter(name: string, value: string): void {
    const digit = /^[0-3]$/.test(value) ? Number(value) : undefined
    if (digit === undefined) return
    const keyword = KEYWORDS[name.toLowerCase()]
    if (keyword !== undefined) this.checksums[keyword] = digit & (keyword.startsWith('udp') && !this.#udp ? 0 : 3)
    else if (name.toLowerCase() === '*lsov2ipv4') this.lso4 = digit === 1
    else if (name.toLowerCase() === '*lsov2ipv6') this.lso6 = digit === 1
  }

  /** Whether the guest wants checksums of received frames looked at. */
  get receives(): boolean {
    return ((this.checksums.tcp_ip_v4_csum | this.checksums.tcp_ip_v6_csum) & 2) !== 0
  }

  #encode(
    asked: number,
    checksum: (name: ParameterName) => number,
    lso4: boolean,
    lso6: boolean,
    rsc4: boolean,
    rsc6: boolean,
  ): Uint8Array {
    const revision = Math.min(asked === 0 ? 3 : asked, this.#newestRevision) as 1 | 2 | 3
    const C = ChecksumCapability
    const bit = (name: ParameterName, direction: number, word: number): number =>
      (checksum(name) & direction) !== 0 ? word : 0
    const words4 = (direction: number): number => {
      const tcp = bit('tcp_ip_v4_csum', direction, C.TCP4 | C.TCP4_OPTIONS | C.IP4_OPTIONS)
      return tcp | bit('udp_ip_v4_csum', direction, C.UDP4) | bit('ip_v4_csum', direction, C.IP4)
    }
    const words6 = (direction: number): number => {
      const tcp = bit('tcp_ip_v6_csum', direction, C.TCP6 | C.TCP6_OPTIONS | C.IP6_EXTENSION_HEADERS)
      return tcp | bit('udp_ip_v6_csum', direction, C.UDP6)
    }
    const plain = NDIS_ENCAPSULATION_8023
    const size = NDIS_OFFLOAD_BYTES[revision]
    const csum = {
      ip4_txenc: plain,
      ip4_txcsum: words4(1),
      ip4_rxenc: plain,
      ip4_rxcsum: words4(2),
      ip6_txenc: plain,
      ip6_txcsum: words6(1),
      ip6_rxenc: plain,
      ip6_rxcsum: words6(2),
    }
    const lsov2 = {
      ip4_encap: lso4 ? plain : 0,
      ip4_maxsz: lso4 ? LSO_BYTES : 0,
      ip4_minsg: lso4 ? LSO_SEGMENTS : 0,
      ip6_encap: lso6 ? plain : 0,
      ip6_maxsz: lso6 ? LSO_BYTES : 0,
      ip6_minsg: lso6 ? LSO_SEGMENTS : 0,
      ip6_opts: lso6 ? LargeSendCapability.IP6_EXTENSION_HEADERS | LargeSendCapability.TCP6_OPTIONS : 0,
    }
    const header = { type: NdisObjectType.OFFLOAD, revision, object_size: size }
    const rsc = { ip4: rsc4 ? 1 : 0, ip6: rsc6 ? 1 : 0 }
    const bytes = new Uint8Array(ndisOffload.size)
    ndisObjectHeader.encode(header, bytes, 0)
    ndisChecksumOffload.encode(csum, bytes, ndisOffload.csum.offset)
    ndisLsoV2Offload.encode(lsov2, bytes, ndisOffload.lsov2.offset)
    ndisRscOffload.encode(rsc, bytes, ndisOffload.rsc.offset)
    return bytes.subarray(0, size)
  }
}

const KEYWORDS: Readonly<Record<string, ParameterName>> = {
  '*ipchecksumoffloadipv4': 'ip_v4_csum',
  '*tcpchecksumoffloadipv4': 'tcp_ip_v4_csum',
  '*tcpchecksumoffloadipv6': 'tcp_ip_v6_csum',
  '*udpchecksumoffloadipv4': 'udp_ip_v4_csum',
  '*udpchecksumoffloadipv6': 'udp_ip_v6_csum',
}

function switched(parameter: number, now: number): number {
  switch (parameter) {
    case ChecksumParameter.OFF:
      return 0
    case ChecksumParameter.TX:
      return 1
    case ChecksumParameter.RX:
      return 2
    case ChecksumParameter.TX_RX:
      return 3
    default:
      return now
  }
}

function isOn(parameter: number, now: boolean): boolean {
  return parameter === OffloadSwitch.ON || (parameter !== OffloadSwitch.OFF && now)
}
