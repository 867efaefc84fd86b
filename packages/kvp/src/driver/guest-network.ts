import type { Device, Kernel } from '@bis/hyperv-types'
import { formatMac } from '@bis/hyperv-types/ethernet'
import { isIpv4, KvpAddressFamily } from '@bis/hyperv-types/ic'
import type { NetworkConfiguration } from '../daemon/pool-server.ts'
import { KvpError } from '../errors.ts'
import type { IpInformation } from '../ip/ip-information.ts'
import { adapterName } from './adapter-name.ts'

type Settings = Omit<IpInformation, 'adapterId' | 'addressFamily'>

/** What an interface has before anyone has set it. */
const UNSET: Settings = { dhcp: true, addresses: [], subnets: [], gateways: [], dnsServers: [] }

/** The network of a guest without a protocol stack: remembers what the host sets for each of its interfaces. */
export class GuestNetwork implements NetworkConfiguration {
  readonly #kernel: Kernel
  readonly #device: Device
  /** By interface name. */
  readonly #settings = new Map<string, Settings>()

  /** @param device a device of the same bus as the network adapters */
  constructor(device: Device) {
    this.#kernel = device.kernel
    this.#device = device
  }

  /** All addresses that were set, of interfaces that are there. */
  addresses(family: 'IPv4' | 'IPv6'): string[] {
    const names = this.#kernel.interfaces.list().map(({ name }) => name)
    const all = names.flatMap((name) => this.#settings.get(name)?.addresses ?? [])
    return all.filter((address) => isIpv4(address) === (family === 'IPv4'))
  }

  async get(adapterId: string): Promise<IpInformation> {
    const wanted = adapterId.toLowerCase()
    const found = this.#kernel.interfaces.list().find(({ settings }) => formatMac(settings.address) === wanted)
    if (found === undefined) throw new KvpError('unknown-adapter', `no interface has the address ${adapterId}`)
    const settings = this.#settings.get(found.name) ?? UNSET
    const has = (four: boolean): boolean => settings.addresses.some((address) => isIpv4(address) === four)
    const addressFamily = (has(true) ? KvpAddressFamily.IPV4 : 0) | (has(false) ? KvpAddressFamily.IPV6 : 0)
    return { adapterId, addressFamily, ...settings }
  }

  async set({ adapterId, ...information }: IpInformation): Promise<void> {
    const name = adapterName(this.#device, adapterId)
    if (name === undefined) throw new KvpError('unknown-adapter', `no interface is ${adapterId}`)
    const { dhcp, addresses, subnets, gateways, dnsServers } = information
    this.#settings.set(name, { dhcp, addresses, subnets, gateways, dnsServers })
    const text = dhcp ? 'DHCP' : addresses.join(', ')
    this.#kernel.log.log('info', `${name}: the host has set ${text === '' ? 'no address' : text}`)
  }
}
