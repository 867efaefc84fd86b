/** Configuration files of Linux distributions for one interface, as hv_kvp_daemon writes them. */
import { isIpv4, prefixOf } from '@bis/hyperv-types/ic'
import type { IpInformation } from '../../ip/ip-information.ts'

export interface Adapter {
  readonly name: string
  readonly mac: string
}

/** ifcfg-NAME of the network scripts. */
export function ifcfgFile({ name, mac }: Adapter, information: IpInformation): string {
  const lines = [`HWADDR=${mac}`, `DEVICE=${name}`, `BOOTPROTO=${information.dhcp ? 'dhcp' : 'none'}`, 'ONBOOT=yes']
  const four = pairs(information).filter(({ address }) => isIpv4(address))
  const six = pairs(information).filter(({ address }) => !isIpv4(address))
  if (!information.dhcp) {
    four.forEach(({ address, subnet }, index) => {
      lines.push(
        `IPADDR${index}=${address}`,
        isIpv4(subnet) ? `NETMASK${index}=${subnet}` : `PREFIX${index}=${bits(subnet)}`,
      )
    })
    const gateways = information.gateways.filter(isIpv4)
    for (const [index, gateway] of gateways.entries()) lines.push(`GATEWAY${index === 0 ? '' : index}=${gateway}`)
  }
  const [first, ...more] = six.map(({ address, subnet }) => `${address}/${bits(subnet)}`)
  if (first !== undefined) lines.push('IPV6INIT=yes', `IPV6ADDR=${first}`)
  if (more.length > 0) lines.push(`IPV6ADDR_SECONDARIES="${more.join(' ')}"`)
  const gateway = information.gateways.find((address) => !isIpv4(address))
  if (gateway !== undefined) lines.push(`IPV6_DEFAULTGW=${gateway}`)
  for (const [index, server] of information.dnsServers.entries()) lines.push(`DNS${index + 1}=${server}`)
  return `${lines.join('\n')}\n`
}

/** NAME.nmconnection of NetworkManager: keyfile form, a section for each family. */
export function keyFile({ name, mac }: Adapter, information: IpInformation): string {
  const lines = [
    '[connection]',
    `id=${name}`,
    'type=ethernet',
    `interface-name=${name}`,
    'autoconnect=true',
    '',
    '[ethernet]',
    `mac-address=${mac}`,
  ]
  for (const family of ['ipv4', 'ipv6'] as const) {
    const mine = (address: string): boolean => isIpv4(address) === (family === 'ipv4')
    const own = pairs(information).filter(({ address }) => mine(address))
    const automatic = family === 'ipv4' ? information.dhcp : own.length === 0
    lines.push('', `[${family}]`, `method=${automatic ? 'auto' : own.length > 0 ? 'manual' : 'disabled'}`)
    if (!automatic) {
      for (const [index, { address, subnet }] of own.entries())
        lines.push(`address${index + 1}=${address}/${bits(subnet)}`)
      const gateway = information.gateways.find(mine)
      if (gateway !== undefined) lines.push(`gateway=${gateway}`)
    }
    const servers = information.dnsServers.filter(mine)
    if (servers.length > 0) lines.push(`dns=${servers.map((server) => `${server};`).join('')}`)
  }
  return `${lines.join('\n')}\n`
}

export function pairs({ addresses, subnets }: IpInformation): { address: string; subnet: string }[] {
  return addresses.map((address, index) => ({ address, subnet: subnets[index] ?? (isIpv4(address) ? '/24' : '/64') }))
}

function bits(subnet: string): number {
  return prefixOf(subnet) ?? 0
}
