import { FrameHeaders, IpProtocol } from '@bis/hyperv-types/ethernet'
import type { PortSettings } from './port-settings.ts'
import type { SwitchFrame } from './switch-frame.ts'

const DHCP_SERVER = 67
const DHCPV6_SERVER = 547
const ROUTER_ADVERTISEMENT = 134
const REDIRECT_V6 = 137
const REDIRECT_V4 = 5
const ROUTER_ADVERTISEMENT_V4 = 9

/** DHCP guard and router guard: keeps what only servers and routers send from coming out of a guest. */
export class Guards {
  readonly #headers = new FrameHeaders()

  allow({ dhcpGuard, routerGuard }: PortSettings, { bytes, offset, length }: SwitchFrame): boolean {
    const headers = this.#headers
    headers.read(bytes, offset, offset + length)
    if (dhcpGuard === true && isDhcpServerMessage(bytes, headers)) return false
    return routerGuard !== true || !isRouterMessage(bytes, headers)
  }
}

/** Whether a frame is what only a DHCP server sends. */
function isDhcpServerMessage(bytes: Uint8Array, headers: FrameHeaders): boolean {
  const { transportAt, protocol, ipVersion } = headers
  if (protocol !== IpProtocol.UDP || transportAt < 0) return false
  const source = ((bytes[transportAt] ?? 0) << 8) | (bytes[transportAt + 1] ?? 0)
  return source === (ipVersion === 4 ? DHCP_SERVER : DHCPV6_SERVER)
}

/** Whether a frame is a router advertisement or redirect, which only a router sends. */
function isRouterMessage(bytes: Uint8Array, headers: FrameHeaders): boolean {
  const { protocol, ipAt, ipHeaderBytes, ipVersion, fragment, ipBytes } = headers
  if (ipVersion === 0 || fragment || ipBytes <= ipHeaderBytes) return false
  const type = bytes[ipAt + ipHeaderBytes] ?? 0
  if (protocol === IpProtocol.ICMPV6) return type === ROUTER_ADVERTISEMENT || type === REDIRECT_V6
  return protocol === IpProtocol.ICMP && (type === REDIRECT_V4 || type === ROUTER_ADVERTISEMENT_V4)
}
