/** The IP configuration of one adapter of a guest, IPv4 and IPv6 together: what both forms of the message carry. */
export interface KvpIpInformation {
  /**
   * MAC address (`00:15:5D:01:02:03`) in a question and its answer; in a setting the instance id in braces, or the
   * interface's name where FreeBSD's kernel has put it in place.
   */
  readonly adapterId: string
  /** `KvpAddressFamily`: 0 none, 1 IPv4, 2 IPv6, 3 both. */
  readonly addressFamily: number
  /** Of IPv4. */
  readonly dhcp: boolean
  readonly addresses: readonly string[]
  /** One for each address: a mask (`255.255.255.0`) or a prefix (`/64`). */
  readonly subnets: readonly string[]
  readonly gateways: readonly string[]
  readonly dnsServers: readonly string[]
}

/** Entries of a list in text form; empty ones, as FreeBSD's daemon leaves behind the last, do not count. */
export function splitKvpList(text: string): string[] {
  return text
    .split(';')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}
