import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { NetworkInterfaceInfo } from 'node:os'
import { join } from 'node:path'
import { want } from './feature.ts'

interface Address {
  readonly address: string
  readonly bits: number
}

/** Bits of a dotted mask. */
const bitsOf = (mask: string): number =>
  mask
    .split('.')
    .map((part) => Number(part).toString(2))
    .join('')
    .replace(/0/g, '').length

/**
 * The part of a FreeBSD guest around its KVP daemon: configuration files in a folder, and what `service netif restart`,
 * `service routing restart`, `resolvconf -u` and `netstat` do with them. It reads rc.conf(5) by itself.
 */
export class FreeBsdSystem {
  /** By interface name: what ifconfig(8) shows. */
  readonly addresses = new Map<string, readonly Address[]>()
  gateways: readonly string[] = []
  /** What was run. */
  readonly commands: string[] = []
  readonly #root: string
  readonly #macs: () => ReadonlyMap<string, string>

  /** @param macs of the interfaces that there are, by name */
  constructor(root: string, macs: () => ReadonlyMap<string, string>) {
    this.#root = root
    this.#macs = macs
    mkdirSync(join(root, 'etc'))
    this.write('rc.conf', 'hostname="probe"\nifconfig_DEFAULT="SYNCDHCP"\nsshd_enable="YES"\n')
    this.write('resolvconf.conf', '')
    this.write('resolv.conf', '')
  }

  read(name: string): string {
    return readFileSync(join(this.#root, 'etc', name), 'utf8')
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.#root, 'etc', name), text)
  }

  /** The addresses that were set, a line for each interface. */
  ifconfig(): string {
    const lines = [...this.addresses].map(([name, all]) => {
      return [name, ...all.map(({ address, bits }) => `${address}/${bits}`)].join(' ')
    })
    return lines.join('\n')
  }

  readonly run = async (program: string, args: readonly string[]): Promise<string> => {
    const command = [program, ...args].join(' ')
    if (program === 'netstat') return this.#routes()
    this.commands.push(command)
    const variables = this.#variables('rc.conf')
    const [, name = ''] = /^service netif restart (\w+)$/.exec(command) ?? []
    if (name !== '') this.addresses.set(name, configured(variables, name))
    else if (command === 'service routing restart') {
      const routers = [variables.get('defaultrouter'), variables.get('ipv6_defaultrouter')]
      this.gateways = routers.filter((router) => router !== undefined)
    } else {
      want(command === 'resolvconf -u', `the daemon ran ${command}`)
      const servers = this.#variables('resolvconf.conf').get('name_servers')?.split(' ') ?? []
      this.write('resolv.conf', servers.map((server) => `nameserver ${server}\n`).join(''))
    }
    return ''
  }

  readonly interfaces = (): Record<string, NetworkInterfaceInfo[]> => {
    const all = [...this.#macs()].map(([name, mac]): [string, NetworkInterfaceInfo[]] => {
      const addresses = this.addresses.get(name) ?? []
      return [name, addresses.length === 0 ? [linkLocal(mac)] : addresses.map((item) => describe(item, mac))]
    })
    return Object.fromEntries(all)
  }

  #variables(file: string): ReadonlyMap<string, string> {
    const lines = [...this.read(file).matchAll(/^(\w+)="([^"]*)"$/gm)]
    return new Map(lines.map(([, name = '', value = '']) => [name, value]))
  }

  #routes(): string {
    const rows = this.gateways.map((gateway) => ({ destination: 'default', gateway, 'interface-name': 'hn0' }))
    return JSON.stringify({ statistics: { 'route-information': { 'rt-entry': rows } } })
  }
}

/** The addresses that rc.conf gives an interface, aliases with them. */
function configured(variables: ReadonlyMap<string, string>, name: string): Address[] {
  const own = [...variables].filter(([key]) => new RegExp(`^ifconfig_${name}(_ipv6|_alias\\d+)?$`).test(key))
  return own.flatMap(([, value]) => {
    const [, four, mask = ''] = /^inet (\S+) netmask (\S+)$/.exec(value) ?? []
    if (four !== undefined) return [{ address: four, bits: bitsOf(mask) }]
    const [, six, bits] = /^inet6 (\S+) prefixlen (\d+)$/.exec(value) ?? []
    return six === undefined ? [] : [{ address: six, bits: Number(bits) }]
  })
}

const FULL_MASK = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'

function describe({ address, bits }: Address, mac: string): NetworkInterfaceInfo {
  const cidr = `${address}/${bits}`
  if (address.includes(':'))
    return { address, netmask: FULL_MASK, family: 'IPv6', mac, internal: false, cidr, scopeid: 0 }
  const netmask = [0, 8, 16, 24].map((start) => 256 - 2 ** (8 - Math.min(8, Math.max(0, bits - start)))).join('.')
  return { address, netmask, family: 'IPv4', mac, internal: false, cidr }
}

const linkLocal = (mac: string): NetworkInterfaceInfo => describe({ address: 'fe80::1', bits: 64 }, mac)
