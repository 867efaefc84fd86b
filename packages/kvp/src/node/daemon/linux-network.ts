import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { NetworkConfiguration } from '../../daemon/pool-server.ts'
import { KvpError } from '../../errors.ts'
import type { IpInformation } from '../../ip/ip-information.ts'
import type { ListInterfaces } from './adapters.ts'
import { addressesOf, listInterfaces, nameServersIn } from './adapters.ts'
import { namesIn, replaceFile, textOf } from './files.ts'
import type { Adapter } from './linux-forms.ts'
import { ifcfgFile, keyFile } from './linux-forms.ts'
import { ipv4Gateways, ipv6Gateways } from './linux-routes.ts'
import type { RunCommand } from './run-command.ts'
import { runCommand } from './run-command.ts'

export interface NetworkOptions {
  /** Folder of what is handed to a hook. */
  readonly folder: string
  /** Program that applies a configuration in place of ours; it gets the paths of the files. */
  readonly hook?: string | undefined
  /** Where the system's files are; default `/`. */
  readonly root?: string
  readonly run?: RunCommand
  readonly interfaces?: ListInterfaces
}

/** Only root may read a network configuration: it may hold what others must not know. */
const PRIVATE = 0o600

/** The network of a Linux system: read from /proc and /sys, set through NetworkManager or the network scripts. */
export class LinuxNetwork implements NetworkConfiguration {
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
    const named = this.#adapters().filter(({ mac }) => mac === adapterId.toUpperCase())
    // A virtual function has the address of the adapter it stands in for: the master is the one with the addresses.
    const adapter = named.find(({ name }) => !this.#isThere(`sys/class/net/${name}/master`)) ?? named[0]
    if (adapter === undefined) throw new KvpError('unknown-adapter', `no interface has the address ${adapterId}`)
    const { name } = adapter
    return {
      adapterId,
      ...addressesOf(interfaces, name),
      dhcp: this.#isDhcp(name),
      gateways: [
        ...ipv4Gateways(this.#text('proc/net/route') ?? '', name),
        ...ipv6Gateways(this.#text('proc/net/ipv6_route') ?? '', name),
      ],
      dnsServers: this.#nameServers(),
    }
  }

  async set(information: IpInformation): Promise<void> {
    const wanted = information.adapterId.toLowerCase()
    const adapter = this.#adapters().find(({ name }) => {
      return this.#text(`sys/class/net/${name}/device/device_id`)?.trim().toLowerCase() === wanted
    })
    if (adapter === undefined) throw new KvpError('unknown-adapter', `no interface is ${information.adapterId}`)
    const ifcfg = ifcfgFile(adapter, information)
    const key = keyFile(adapter, information)
    const { folder, hook } = this.#options
    if (hook !== undefined) {
      const files = [join(folder, `ifcfg-${adapter.name}`), join(folder, `${adapter.name}.nmconnection`)] as const
      replaceFile(files[0], ifcfg, PRIVATE)
      replaceFile(files[1], key, PRIVATE)
      await this.#run(hook, files)
    } else if (this.#isThere('etc/NetworkManager')) {
      const file = join(this.#root, 'etc/NetworkManager/system-connections', `${adapter.name}.nmconnection`)
      replaceFile(file, key, PRIVATE)
      await this.#run('nmcli', ['connection', 'load', file])
      await this.#run('nmcli', ['connection', 'up', 'filename', file])
    } else if (this.#isThere('etc/sysconfig/network-scripts')) {
      replaceFile(join(this.#root, 'etc/sysconfig/network-scripts', `ifcfg-${adapter.name}`), ifcfg, PRIVATE)
      await this.#run('ifdown', [adapter.name]).catch(() => '') // it may be down already
      await this.#run('ifup', [adapter.name])
    } else {
      throw new KvpError('failed', 'neither NetworkManager nor network scripts here: name a hook that sets addresses')
    }
  }

  #adapters(): Adapter[] {
    return namesIn(join(this.#root, 'sys/class/net')).flatMap((name) => {
      const mac = this.#text(`sys/class/net/${name}/address`)?.trim().toUpperCase()
      return mac === undefined ? [] : [{ name, mac }]
    })
  }

  /** Whether one of the programs that configure interfaces uses DHCP for this one. */
  #isDhcp(name: string): boolean {
    const index = this.#text(`sys/class/net/${name}/ifindex`)?.trim() ?? ''
    if (index !== '' && this.#isThere(`run/systemd/netif/leases/${index}`)) return true
    if (/^BOOTPROTO=["']?dhcp/im.test(this.#text(`etc/sysconfig/network-scripts/ifcfg-${name}`) ?? '')) return true
    if (/^method=auto/m.test(section(this.#keyFileOf(name) ?? '', 'ipv4'))) return true
    const files = [
      'etc/network/interfaces',
      ...namesIn(join(this.#root, 'etc/network/interfaces.d')).map((file) => `etc/network/interfaces.d/${file}`),
    ]
    return files.some((file) => {
      return (this.#text(file) ?? '')
        .split('\n')
        .some((line) => line.trim().replace(/\s+/g, ' ') === `iface ${name} inet dhcp`)
    })
  }

  #keyFileOf(name: string): string | undefined {
    const folders = ['etc/NetworkManager/system-connections', 'run/NetworkManager/system-connections']
    const texts = folders.flatMap((folder) => {
      return namesIn(join(this.#root, folder)).map((file) => this.#text(`${folder}/${file}`) ?? '')
    })
    return texts.find((text) => text.split('\n').includes(`interface-name=${name}`))
  }

  /** The resolver's own servers where resolv.conf only names the local stub of systemd-resolved. */
  #nameServers(): string[] {
    const servers = nameServersIn(this.#text('etc/resolv.conf'))
    if (!servers.every((server) => server.startsWith('127.'))) return servers
    const behind = nameServersIn(this.#text('run/systemd/resolve/resolv.conf'))
    return behind.length > 0 ? behind : servers
  }

  #text(path: string): string | undefined {
    return textOf(join(this.#root, path))
  }

  #isThere(path: string): boolean {
    return existsSync(join(this.#root, path))
  }
}

function section(text: string, name: string): string {
  return text.split(/^\[/m).find((part) => part.startsWith(`${name}]`)) ?? ''
}
