import { join } from 'node:path'
import { isIpv4, maskOfPrefix, prefixOf } from '@bis/hyperv-types/ic'
import type { NetworkConfiguration } from '../../daemon/pool-server.ts'
import { KvpError } from '../../errors.ts'
import type { IpInformation } from '../../ip/ip-information.ts'
import { addressesOf, nameServersIn } from './adapters.ts'
import { replaceFile } from './files.ts'
import { pairs } from './linux-forms.ts'
import type { NetworkOptions } from './network-system.ts'
import { NetworkSystem } from './network-system.ts'

/** The network of a FreeBSD system: set through rc.conf(5). The kernel names the interface in place of its GUID. */
export class FreeBsdNetwork implements NetworkConfiguration {
  readonly #system: NetworkSystem

  constructor(options: NetworkOptions) {
    this.#system = new NetworkSystem(options)
  }

  async get(adapterId: string): Promise<IpInformation> {
    const interfaces = this.#system.interfaces()
    const name = Object.keys(interfaces).find((key) => {
      return interfaces[key]?.some(({ mac }) => mac.toUpperCase() === adapterId.toUpperCase()) ?? false
    })
    if (name === undefined) throw new KvpError('unknown-adapter', `no interface has the address ${adapterId}`)
    const rcConf = this.#system.text('etc/rc.conf') ?? ''
    return {
      adapterId,
      ...addressesOf(interfaces, name),
      dhcp: /\b(SYNC)?DHCP\b/i.test(
        variableIn(rcConf, `ifconfig_${name}`) ?? variableIn(rcConf, 'ifconfig_DEFAULT') ?? '',
      ),
      gateways: defaultGateways(await this.#system.run('netstat', ['-rn', '--libxo', 'json']).catch(() => ''), name),
      dnsServers: nameServersIn(this.#system.text('etc/resolv.conf')),
    }
  }

  async set(information: IpInformation): Promise<void> {
    const name = information.adapterId
    if (!/^[a-z][a-z0-9]*\d+$/i.test(name))
      throw new KvpError('unknown-adapter', `${JSON.stringify(name)} names no interface`)
    const settings = rcVariables(name, information)
    const { folder, hook } = this.#system
    if (hook !== undefined) {
      const file = join(folder, `rc.conf.${name}`)
      replaceFile(file, [...settings].map(([key, value]) => `${key}="${value}"\n`).join(''), 0o600)
      await this.#system.run(hook, [file])
      return
    }
    const rcConf = this.#system.text('etc/rc.conf') ?? ''
    replaceFile(this.#system.path('etc/rc.conf'), withVariables(rcConf, name, settings), 0o644)
    if (information.dnsServers.length > 0) {
      const path = 'etc/resolvconf.conf'
      const servers = new Map([['name_servers', information.dnsServers.join(' ')]])
      replaceFile(this.#system.path(path), assigned(this.#system.text(path) ?? '', servers), 0o644)
      await this.#system.run('resolvconf', ['-u'])
    }
    await this.#system.run('service', ['netif', 'restart', name])
    await this.#system.run('service', ['routing', 'restart'])
  }
}

/** What rc.conf(5) says of the interface. */
export function rcVariables(name: string, information: IpInformation): Map<string, string> {
  const settings = new Map<string, string>()
  const four = pairs(information).filter(({ address }) => isIpv4(address))
  const six = pairs(information).filter(({ address }) => !isIpv4(address))
  const inet = four.map(({ address, subnet }) => {
    return `inet ${address} netmask ${isIpv4(subnet) ? subnet : maskOfPrefix(prefixOf(subnet) ?? 24)}`
  })
  const inet6 = six.map(({ address, subnet }) => `inet6 ${address} prefixlen ${prefixOf(subnet) ?? 64}`)
  const [first = '', ...moreInet] = information.dhcp ? ['DHCP'] : inet
  const [firstInet6, ...moreInet6] = inet6
  settings.set(`ifconfig_${name}`, first)
  if (firstInet6 !== undefined) settings.set(`ifconfig_${name}_ipv6`, firstInet6)
  for (const [index, alias] of [...moreInet, ...moreInet6].entries())
    settings.set(`ifconfig_${name}_alias${index}`, alias)
  const gateway = information.gateways.find(isIpv4)
  const gateway6 = information.gateways.find((address) => !isIpv4(address))
  if (gateway !== undefined && !information.dhcp) settings.set('defaultrouter', gateway)
  if (gateway6 !== undefined) settings.set('ipv6_defaultrouter', gateway6)
  return settings
}

/** rc.conf with an interface's old settings gone and the new ones behind the rest. */
function withVariables(text: string, name: string, settings: ReadonlyMap<string, string>): string {
  const old = new RegExp(`^\\s*ifconfig_${name}(_ipv6|_alias\\d+)?=.*\\n?`, 'gm')
  return assigned(text.replace(old, ''), settings)
}

function assigned(text: string, settings: ReadonlyMap<string, string>): string {
  const kept = text
    .split('\n')
    .filter((line) => ![...settings.keys()].some((key) => line.trimStart().startsWith(`${key}=`)))
  const body = kept.join('\n').replace(/\n*$/, '')
  return `${body}${body === '' ? '' : '\n'}${[...settings].map(([key, value]) => `${key}="${value}"\n`).join('')}`
}

function variableIn(text: string, name: string): string | undefined {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}=`))
  return lines
    .at(-1)
    ?.slice(name.length + 1)
    .replace(/^(["'])(.*)\1.*$/, '$2')
}

/** Default routes of an interface in netstat's JSON. */
function defaultGateways(json: string, name: string): string[] {
  const found: string[] = []
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    const row = value as Record<string, unknown>
    const { destination, gateway } = row as { destination?: unknown; gateway?: unknown }
    if (destination === 'default' && typeof gateway === 'string' && row['interface-name'] === name) {
      found.push(gateway.split('%', 1)[0] ?? gateway)
    }
    for (const child of Object.values(row)) visit(child)
  }
  try {
    visit(JSON.parse(json))
  } catch {
    return []
  }
  return found
}
