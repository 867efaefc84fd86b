/**
 * IP information in the binary form of KVP 5.0: addresses in network byte order, each family in arrays of its own. A mask
 * goes with each IPv4 address, a prefix with each IPv6 one. Source: OpenVMM's hyperv_ic and hyperv_ic_protocol.
 */
import { formatIp, isIpv4, isSubnet, maskOfPrefix, parseIp, prefixOf } from './ip-address.ts'
import { KvpAddressOrigin, kvpIpAddressBinary } from './kvp.ts'
import type { KvpIpInformation } from './kvp-ip.ts'

const { ipv4: addresses4, ipv6: addresses6, ipv4_gateway, ipv6_gateway, ipv4_dns, ipv6_dns } = kvpIpAddressBinary

/**
 * The record, and what of the information has no place in it: text that is no address, what is beyond its array, subnets
 * that are none of their address. An address without a subnet has a mask or prefix of 0 bits.
 */
export function encodeKvpIpBinary(information: KvpIpInformation): {
  readonly bytes: Uint8Array
  readonly left: readonly string[]
} {
  const { addresses, subnets, gateways, dnsServers, dhcp } = information
  const left: string[] = []
  const own = byFamily(addresses, [addresses4.length, addresses6.length], left)
  const gateway = byFamily(gateways, [ipv4_gateway.length, ipv6_gateway.length], left)
  const dns = byFamily(dnsServers, [ipv4_dns.length, ipv6_dns.length], left)
  const lacking = <T>(index: number, none: T): T => {
    left.push(`${addresses[index]} with subnet ${subnets[index]}`)
    return none
  }
  const origin = dhcp ? KvpAddressOrigin.OTHER : KvpAddressOrigin.STATIC
  const bytes = kvpIpAddressBinary.encode({
    ipv4_addresses: own.four.length,
    ipv6_addresses: own.six.length,
    ipv4_gateways: gateway.four.length,
    ipv6_gateways: gateway.six.length,
    ipv4_dns_servers: dns.four.length,
    ipv6_dns_servers: dns.six.length,
    adapter_id: information.adapterId,
    addr_family: information.addressFamily & 3,
    dhcp_enabled: dhcp ? 1 : 0,
    ipv4: own.four.map(bytesOf),
    ipv6: own.six.map(bytesOf),
    ipv4_mask: own.four.map(({ index }) => maskOf(subnets[index]) ?? lacking(index, NO_MASK)),
    ipv6_prefix: own.six.map(({ index }) => prefixLength(subnets[index], 128) ?? lacking(index, 0)),
    ipv4_gateway: gateway.four.map(bytesOf),
    ipv6_gateway: gateway.six.map(bytesOf),
    ipv4_dns: dns.four.map(bytesOf),
    ipv6_dns: dns.six.map(bytesOf),
    origin: own.four.map(() => origin),
  })
  return { bytes, left }
}

/** @returns undefined when the record has more of something than its array holds, or a prefix of more than 128 bits */
export function decodeKvpIpBinary(bytes: Uint8Array, base = 0): KvpIpInformation | undefined {
  const record = kvpIpAddressBinary.decode(bytes, base)
  const four = first(record.ipv4, record.ipv4_addresses)
  const six = first(record.ipv6, record.ipv6_addresses)
  const gateways = joined(
    first(record.ipv4_gateway, record.ipv4_gateways),
    first(record.ipv6_gateway, record.ipv6_gateways),
  )
  const dnsServers = joined(
    first(record.ipv4_dns, record.ipv4_dns_servers),
    first(record.ipv6_dns, record.ipv6_dns_servers),
  )
  const addresses = joined(four, six)
  if (addresses === undefined || gateways === undefined || dnsServers === undefined) return undefined
  const bits = record.ipv6_prefix.slice(0, record.ipv6_addresses)
  if (bits.some((count) => count > 128)) return undefined
  const masks = record.ipv4_mask.slice(0, record.ipv4_addresses).map(formatIp)
  return {
    adapterId: record.adapter_id,
    addressFamily: record.addr_family,
    dhcp: record.dhcp_enabled !== 0,
    addresses,
    subnets: [...masks, ...bits.map((count) => `/${count}`)],
    gateways,
    dnsServers,
  }
}

const NO_MASK = new Uint8Array(4)

/** A mask as it is, even one with gaps: whoever reads it judges it. */
function maskOf(subnet: string | undefined): Uint8Array | undefined {
  if (subnet !== undefined && isIpv4(subnet)) return parseIp(subnet)
  const bits = prefixLength(subnet, 32)
  return bits === undefined ? undefined : parseIp(maskOfPrefix(bits))
}

function prefixLength(subnet: string | undefined, most: number): number | undefined {
  if (subnet === undefined || isIpv4(subnet) || !isSubnet(subnet)) return undefined
  const bits = prefixOf(subnet)
  return bits !== undefined && bits <= most ? bits : undefined
}

interface Address {
  readonly bytes: Uint8Array
  /** Where it stands in the list. */
  readonly index: number
}

function byFamily(
  list: readonly string[],
  [most4, most6]: readonly [number, number],
  left: string[],
): { readonly four: readonly Address[]; readonly six: readonly Address[] } {
  const four: Address[] = []
  const six: Address[] = []
  for (const [index, text] of list.entries()) {
    const bytes = parseIp(text)
    if (bytes?.length === 4 && four.length < most4) four.push({ bytes, index })
    else if (bytes?.length === 16 && six.length < most6) six.push({ bytes, index })
    else left.push(text)
  }
  return { four, six }
}

function bytesOf({ bytes }: Address): Uint8Array {
  return bytes
}

function first(list: readonly Uint8Array[], count: number): string[] | undefined {
  return count > list.length ? undefined : list.slice(0, count).map(formatIp)
}

function joined(four: readonly string[] | undefined, six: readonly string[] | undefined): string[] | undefined {
  return four === undefined || six === undefined ? undefined : [...four, ...six]
}
