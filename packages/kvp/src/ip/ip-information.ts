import type { KvpIpInformation } from '@bis/hyperv-types/ic'
import { isIpv4, isIpv6, isSubnet } from '@bis/hyperv-types/ic'
import { KvpError } from '../errors.ts'

/** The IP configuration of one adapter, IPv4 and IPv6 together. */
export type IpInformation = KvpIpInformation

/** Longest text of each field, in UTF-16 units, NUL included. */
export const IP_FIELD_UNITS = { addresses: 1024, subnets: 1024, gateways: 512, dnsServers: 1024 } as const

/** As many entries as fit, separated by `;`; whole ones only. */
export function joinList(entries: readonly string[], units: number): string {
  let text = ''
  for (const entry of entries) {
    const longer = text === '' ? entry : `${text};${entry}`
    if (longer.length >= units) break
    text = longer
  }
  return text
}

/**
 * Without what is no address or subnet: a list never tells the host something else. Addresses whose subnet is not known
 * come last, so that the subnets stand where their addresses do.
 */
export function validOnly(information: IpInformation): IpInformation {
  const isAddress = (text: string): boolean => isIpv4(text) || isIpv6(text)
  const kept = information.addresses
    .map((address, index) => ({ address, subnet: information.subnets[index] ?? '' }))
    .filter(({ address }) => isAddress(address))
  const whole = kept.filter(({ subnet }) => isSubnet(subnet))
  const bare = kept.filter(({ subnet }) => !isSubnet(subnet))
  return {
    ...information,
    addresses: [...whole, ...bare].map(({ address }) => address),
    subnets: whole.map(({ subnet }) => subnet),
    gateways: information.gateways.filter(isAddress),
    dnsServers: information.dnsServers.filter(isAddress),
  }
}

/**
 * Checks what a host wants set.
 * @throws KvpError `bad-address` naming the first entry that is none, or when a static configuration lacks addresses
 */
export function checkSetting(information: IpInformation): void {
  const { addresses, subnets, gateways, dnsServers, dhcp } = information
  for (const text of [...addresses, ...gateways, ...dnsServers]) {
    if (!isIpv4(text) && !isIpv6(text)) throw new KvpError('bad-address', `${JSON.stringify(text)} is no address`)
  }
  for (const text of subnets) {
    if (!isSubnet(text)) throw new KvpError('bad-address', `${JSON.stringify(text)} is neither a mask nor a prefix`)
  }
  if (subnets.length > addresses.length || (!dhcp && subnets.length < addresses.length)) {
    const counts = `${addresses.length} addresses and ${subnets.length} subnets`
    throw new KvpError('bad-address', `${counts}: each address takes one`)
  }
  addresses.forEach((address, index) => {
    const subnet = subnets[index]
    if (subnet !== undefined && !fits(address, subnet)) {
      throw new KvpError('bad-address', `${subnet} is no subnet for ${address}`)
    }
  })
}

function fits(address: string, subnet: string): boolean {
  if (isIpv6(address)) return !isIpv4(subnet)
  return isIpv4(subnet) || Number(subnet.replace('/', '')) <= 32
}
