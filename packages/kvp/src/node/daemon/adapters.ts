import { networkInterfaces } from 'node:os'
import { KvpAddressFamily } from '@bis/hyperv-types/ic'

/** The addresses of an interface, IPv4 before IPv6 as the system lists them. */
export interface AdapterAddresses {
  readonly addressFamily: number
  readonly addresses: readonly string[]
  readonly subnets: readonly string[]
}

export type Interfaces = ReturnType<typeof networkInterfaces>
export type ListInterfaces = () => Interfaces

export const listInterfaces: ListInterfaces = () => networkInterfaces()

export function addressesOf(interfaces: Interfaces, name: string): AdapterAddresses {
  const all = (interfaces[name] ?? []).filter(({ internal }) => !internal)
  const has = (family: string): boolean => all.some((entry) => entry.family === family)
  return {
    addressFamily: (has('IPv4') ? KvpAddressFamily.IPV4 : 0) | (has('IPv6') ? KvpAddressFamily.IPV6 : 0),
    addresses: all.map(({ address }) => address),
    subnets: all.map(({ family, netmask, cidr }) => (family === 'IPv4' ? netmask : `/${cidr?.split('/')[1] ?? 64}`)),
  }
}

/** Name servers of resolv.conf(5); a zone (`%eth0`) is no part of an address. */
export function nameServersIn(text: string | undefined): string[] {
  const matches = (text ?? '').matchAll(/^\s*nameserver\s+([^\s#;%]+)/gm)
  return [...matches].flatMap(([, server]) => (server === undefined ? [] : [server]))
}
