import { join } from 'node:path'
import type { NetworkConfiguration } from '../../daemon/pool-server.ts'
import { KvpError } from '../../errors.ts'
import { isIpv4, maskOfPrefix, prefixOf } from '../../ip/address.ts'
import type { IpInformation } from '../../ip/ip-information.ts'
import { addressesOf, listInterfaces, nameServersIn } from './adapters.ts'
import { replaceFile, textOf } from './files.ts'
import { pairs } from './linux-forms.ts'
import type { NetworkOptions } from './linux-network.ts'
import type { RunCommand } from './run-command.ts'
import { runCommand } from './run-command.ts'

/** The network of a FreeBSD system: set through rc.conf(5). The kernel names the interface in place of its GUID. */
export class FreeBsdNetwork implements NetworkConfiguration {
  readonly #options: NetworkOptions
  readonly #root: string
  readonly #run: RunCommand

  constructor(options: NetworkOptions) {
    this.#options = options
    this.#root = options.root ?? '/'
    this.#run = options.run ?? runCommand
  }

  async get(adapterId: string): Promise<IpInformation> {
    const interfaces = (this.#options.interfaces ?? listInterfaces)()
    const name = Object.keys(interfaces).find((key) => {
      return interfaces[key]?.some(({ mac }) => mac.toUpperCase() === adapterId.toUpperCase()) ?? false
    })
    if (name === undefined) throw new KvpError('unknown-adapter', `no interface has the address ${adapterId}`)
    const rcConf = this.#text('etc/rc.conf')
    return {
      adapterId,
      ...addressesOf(interfaces, name),
      dhcp: /\b(SYNC)?DHCP\b/i.test(
        variableIn(rcConf, `ifconfig_${name}`) ?? variableIn(rcConf, 'ifconfig_DEFAULT') ?? '',
      ),
      gateways: defaultGateways(await this.#run('netstat', ['-rn', '--libxo', 'json']).catch(() => ''), name),
      dnsServers: nameServersIn(this.#text('etc/resolv.conf')),
    }
  }

  async set(information: IpInformation): Promise<void> {
    const name = information.adapterId
    if (!/^[a-z][a-z0-9]*\d+$/i.test(name))
      throw new KvpError('unknown-adapter', `${JSON.stringify(name)} names no interface`)
    const settings = rcVariables(name, information)
    const { folder, hook } = this.#options
    if (hook !== undefined) {
      const file = join(folder, `rc.conf.${name}`)
      replaceFile(file, [...settings].map(([key, value]) => `${key}="${value}"\n`).join(''), 0o600)
      await this.#run(hook, [file])
      return
    }
    replaceFile(join(this.#root, 'etc/rc.conf'), withVariables(this.#text('etc/rc.conf') ?? '', name, settings), 0o644)
    if (information.dnsServers.length > 0) {
      const path = join(this.#root, 'etc/resolvconf.conf')
      const servers = new Map([['name_servers', information.dnsServers.join(' ')]])
      replaceFile(path, assigned(textOf(path) ?? '', servers), 0o644)
      await this.#run('resolvconf', ['-u'])
    }
    await this.#run('service', ['netif', 'restart', name])
    await this.#run('service', ['routing', 'restart'])
  }

  #text(path: string): string {
    return textOf(join(this.#root, path)) ?? ''
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
