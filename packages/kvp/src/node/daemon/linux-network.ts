import { basename, join } from 'node:path'
import type { NetworkConfiguration } from '../../daemon/pool-server.ts'
import { KvpError } from '../../errors.ts'
import type { IpInformation } from '../../ip/ip-information.ts'
import { addressesOf, nameServersIn } from './adapters.ts'
import { replaceFile } from './files.ts'
import type { Adapter } from './linux-forms.ts'
import { ifcfgFile, keyFile } from './linux-forms.ts'
import { ipv4Gateways, ipv6Gateways } from './linux-routes.ts'
import type { NetworkOptions } from './network-system.ts'
import { NetworkSystem } from './network-system.ts'

/** Only root may read a network configuration: it may hold what others must not know. */
const PRIVATE = 0o600

/** The network of a Linux system: read from /proc and /sys, set through NetworkManager or the network scripts. */
export class LinuxNetwork implements NetworkConfiguration {
  readonly #system: NetworkSystem

  constructor(options: NetworkOptions) {
    this.#system = new NetworkSystem(options)
  }

  async get(adapterId: string): Promise<IpInformation> {
    const interfaces = this.#system.interfaces()
    const named = this.#adapters().filter(({ mac }) => mac === adapterId.toUpperCase())
    // A virtual function has the address of the adapter it stands in for: the master is the one with the addresses.
    const adapter = named.find(({ name }) => !this.#system.isThere(`sys/class/net/${name}/master`)) ?? named[0]
    if (adapter === undefined) throw new KvpError('unknown-adapter', `no interface has the address ${adapterId}`)
    const { name } = adapter
    return {
      adapterId,
      ...addressesOf(interfaces, name),
      dhcp: this.#isDhcp(name),
      gateways: [
        ...ipv4Gateways(this.#system.text('proc/net/route') ?? '', name),
        ...ipv6Gateways(this.#system.text('proc/net/ipv6_route') ?? '', name),
      ],
      dnsServers: this.#nameServers(),
    }
  }

  async set(information: IpInformation): Promise<void> {
    const wanted = information.adapterId.toLowerCase()
    const adapter = this.#adapters().find(({ name }) => {
      return this.#system.text(`sys/class/net/${name}/device/device_id`)?.trim().toLowerCase() === wanted
    })
    if (adapter === undefined) throw new KvpError('unknown-adapter', `no interface is ${information.adapterId}`)
    const ifcfg = ifcfgFile(adapter, information)
    const key = keyFile(adapter, information)
    const { folder, hook } = this.#system
    if (hook !== undefined) {
      const files = [join(folder, `ifcfg-${adapter.name}`), join(folder, `${adapter.name}.nmconnection`)] as const
      replaceFile(files[0], ifcfg, PRIVATE)
      replaceFile(files[1], key, PRIVATE)
      await this.#system.run(hook, files)
    } else if (this.#system.isThere('etc/NetworkManager')) {
      const file = this.#system.path('etc/NetworkManager/system-connections', `${adapter.name}.nmconnection`)
      replaceFile(file, key, PRIVATE)
      await this.#system.run('nmcli', ['connection', 'load', file])
      await this.#system.run('nmcli', ['connection', 'up', 'filename', file])
    } else if (this.#system.isThere('etc/sysconfig/network-scripts')) {
      replaceFile(this.#system.path('etc/sysconfig/network-scripts', `ifcfg-${adapter.name}`), ifcfg, PRIVATE)
      await this.#system.run('ifdown', [adapter.name]).catch(() => '') // it may be down already
      await this.#system.run('ifup', [adapter.name])
    } else {
      throw new KvpError('failed', 'neither NetworkManager nor network scripts here: name a hook that sets addresses')
    }
  }

  #adapters(): Adapter[] {
    return this.#system.list('sys/class/net').flatMap((path) => {
      const mac = this.#system.text(`${path}/address`)?.trim().toUpperCase()
      return mac === undefined ? [] : [{ name: basename(path), mac }]
    })
  }

  /** Whether one of the programs that configure interfaces uses DHCP for this one. */
  #isDhcp(name: string): boolean {
    const index = this.#system.text(`sys/class/net/${name}/ifindex`)?.trim() ?? ''
    if (index !== '' && this.#system.isThere(`run/systemd/netif/leases/${index}`)) return true
    if (/^BOOTPROTO=["']?dhcp/im.test(this.#system.text(`etc/sysconfig/network-scripts/ifcfg-${name}`) ?? ''))
      return true
    if (/^method=auto/m.test(section(this.#keyFileOf(name) ?? '', 'ipv4'))) return true
    const files = ['etc/network/interfaces', ...this.#system.list('etc/network/interfaces.d')]
    return files.some((file) => {
      return (this.#system.text(file) ?? '')
        .split('\n')
        .some((line) => line.trim().replace(/\s+/g, ' ') === `iface ${name} inet dhcp`)
    })
  }

  #keyFileOf(name: string): string | undefined {
    const folders = ['etc/NetworkManager/system-connections', 'run/NetworkManager/system-connections']
    const texts = folders.flatMap((folder) => this.#system.list(folder).map((file) => this.#system.text(file) ?? ''))
    return texts.find((text) => text.split('\n').includes(`interface-name=${name}`))
  }

  /** The resolver's own servers where resolv.conf only names the local stub of systemd-resolved. */
  #nameServers(): string[] {
    const servers = nameServersIn(this.#system.text('etc/resolv.conf'))
    if (!servers.every((server) => server.startsWith('127.'))) return servers
    const behind = nameServersIn(this.#system.text('run/systemd/resolve/resolv.conf'))
    return behind.length > 0 ? behind : servers
  }
}

function section(text: string, name: string): string {
  return text.split(/^\[/m).find((part) => part.startsWith(`${name}]`)) ?? ''
}
