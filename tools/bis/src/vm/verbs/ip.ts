import type { KvpIpInformation, NetworkAdapter } from '@bis/host'
import { IcError } from '@bis/host'
import { formatMac } from '@bis/hyperv-types/ethernet'
import { isIpv4, isIpv6, maskOfPrefix } from '@bis/kvp'
import { CliError } from '../../cli-error.ts'
import type { ControlRequest } from '../control-protocol.ts'
import { formatTable } from '../table.ts'
import type { VmVerb } from '../verb.ts'
import type { VirtualMachine } from '../virtual-machine.ts'

interface AdapterIp extends Omit<KvpIpInformation, 'adapterId' | 'addressFamily'> {
  readonly mac: string
}

/** `bis vm ip NAME [set …]`. */
export const ip: VmVerb = {
  usage:
    'NAME [set (--dhcp | --address ADDRESS/PREFIX…) [--gateway ADDRESS]… [--dns ADDRESS]…] [--adapter NAME|MAC|GUID]',
  summary: "tell the IP configuration of the guest's network adapters, or have the guest set one's",
  options: {
    adapter: { type: 'string', value: 'NAME|MAC|GUID', help: 'which network adapter, when there are several' },
    dhcp: { type: 'boolean', help: 'have IPv4 configured by DHCP' },
    address: { type: 'string', multiple: true, value: 'ADDRESS/PREFIX', help: 'IPv4 or IPv6 address (repeatable)' },
    gateway: { type: 'string', multiple: true, value: 'ADDRESS', help: 'default gateway (repeatable)' },
    dns: { type: 'string', multiple: true, value: 'ADDRESS', help: 'DNS server (repeatable)' },
    json: { type: 'boolean', help: 'print JSON' },
  },
  words: 1,
  async serve(machine, { words: [word], options }, { signal }) {
    const { services, nics } = machine.running()
    const wanted = typeof options['adapter'] === 'string' ? options['adapter'] : undefined
    const adapters = nics?.devices ?? []
    try {
      if (word === undefined) {
        const macs = wanted === undefined ? adapters.map(macOf) : [macOfChoice(adapters, wanted)]
        const result: AdapterIp[] = []
        for (const mac of macs) result.push({ ...(await services.kvp.getIp(mac, signal)), mac })
        return result
      }
      if (word !== 'set') throw new CliError('usage', `bis vm ip: no ${JSON.stringify(word)}; there is set`)
      return await services.kvp.setIp(setting(instanceOf(machine, adapters, wanted), options), signal)
    } catch (error) {
      if (error instanceof IcError) throw new CliError('failed', `${machine.name}: ${error.message}`)
      throw error
    }
  },
  show: (result) => (Array.isArray(result) ? table(result as AdapterIp[]) : ''),
}

function macOf({ currentAddress }: NetworkAdapter): string {
  return formatMac(currentAddress)
}

function macOfChoice(adapters: readonly NetworkAdapter[], wanted: string): string {
  const found = adapters.find((adapter) => matches(adapter, wanted))
  if (found !== undefined) return macOf(found)
  // A guest elsewhere may have adapters that are not this host's.
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(wanted)) return wanted
  throw new CliError('usage', `--adapter ${wanted}: there is ${adapters.map(macOf).join(', ') || 'none'}`)
}

function instanceOf(machine: VirtualMachine, adapters: readonly NetworkAdapter[], wanted: string | undefined): string {
  if (wanted !== undefined && /^\{?[0-9a-f-]{36}\}?$/i.test(wanted)) return `{${wanted.replace(/[{}]/g, '')}}`
  const found = wanted === undefined ? adapters : adapters.filter((adapter) => matches(adapter, wanted))
  const [only, ...more] = found
  if (only === undefined) throw new CliError('failed', `${machine.name} has no such network adapter`)
  if (more.length > 0) throw new CliError('usage', `--adapter is missing: there is ${adapters.map(macOf).join(', ')}`)
  return `{${only.offer.instanceId}}`
}

function matches(adapter: NetworkAdapter, wanted: string): boolean {
  const text = wanted.toLowerCase().replace(/[{}]/g, '')
  return [adapter.switchPort.name, macOf(adapter), adapter.offer.instanceId].includes(text)
}

function setting(adapterId: string, options: ControlRequest['options']): KvpIpInformation {
  const list = (name: string): readonly string[] => (Array.isArray(options[name]) ? (options[name] as string[]) : [])
  const entries = list('address').map(parseAddress)
  const dhcp = options['dhcp'] === true
  if (!dhcp && entries.length === 0) throw new CliError('usage', 'bis vm ip set: give --dhcp or an --address')
  const four = entries.some(({ address }) => isIpv4(address)) || dhcp ? 1 : 0
  const six = entries.some(({ address }) => isIpv6(address)) ? 2 : 0
  return {
    adapterId,
    addressFamily: four | six,
    dhcp,
    addresses: entries.map(({ address }) => address),
    subnets: entries.map(({ subnet }) => subnet),
    gateways: list('gateway').map((text) => checked('gateway', text)),
    dnsServers: list('dns').map((text) => checked('dns', text)),
  }
}

function parseAddress(text: string): { address: string; subnet: string } {
  const [address = '', prefix = ''] = text.split('/')
  const most = isIpv4(address) ? 32 : isIpv6(address) ? 128 : -1
  if (!/^\d+$/.test(prefix) || Number(prefix) > most) {
    throw new CliError('usage', `--address ${text}: an address and its prefix length, such as 192.0.2.5/24`)
  }
  return { address, subnet: most === 32 ? maskOfPrefix(Number(prefix)) : prefix }
}

function checked(option: string, text: string): string {
  if (!isIpv4(text) && !isIpv6(text)) throw new CliError('usage', `--${option} ${text}: that is no address`)
  return text
}

function table(adapters: readonly AdapterIp[]): string {
  const rows = adapters.flatMap(({ mac, dhcp, addresses, subnets, gateways, dnsServers }) => {
    const withSubnets = addresses.map((address, index) => `${address}${slash(subnets[index])}`)
    return [
      ['Adapter', mac],
      ['DHCP', dhcp ? 'enabled' : 'disabled'],
      ['Addresses', withSubnets.join(', ') || '-'],
      ['Gateways', gateways.join(', ') || '-'],
      ['DNS servers', dnsServers.join(', ') || '-'],
    ]
  })
  return formatTable(rows)
}

function slash(subnet: string | undefined): string {
  if (subnet === undefined) return ''
  return subnet.startsWith('/') ? subnet : `/${subnet}`
}
