/** The IP configuration of one adapter of a guest, IPv4 and IPv6 together. */
export interface KvpIpInformation {
  /** MAC address (`00:15:5D:01:02:03`) to ask with, instance id in braces to set with. */
  readonly adapterId: string
  /** `KvpAddressFamily`: 0 none, 1 IPv4, 2 IPv6, 3 both. */
  readonly addressFamily: number
  /** Of IPv4. */
  readonly dhcp: boolean
  readonly addresses: readonly string[]
  /** One for each address: a mask or a prefix (`/64`). */
  readonly subnets: readonly string[]
  readonly gateways: readonly string[]
  readonly dnsServers: readonly string[]
}

export function splitAddresses(text: string): string[] {
  return text
    .split(';')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

export function joinAddresses(entries: readonly string[]): string {
  return entries.join(';')
}
