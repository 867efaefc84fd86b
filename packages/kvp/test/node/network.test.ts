import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import type { NetworkInterfaceInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { IpInformation } from '../../src/index.ts'
import { FreeBsdNetwork, LinuxNetwork, SystemValues } from '../../src/node/index.ts'
import { temporaryFolder } from '../support/folder.ts'

let folder: AsyncDisposable & { readonly path: string }
let commands: string[][]
beforeEach(async () => {
  folder = await temporaryFolder()
  commands = []
})
afterEach(() => folder[Symbol.asyncDispose]())

const MAC = '00:15:5D:01:02:03'
const GUID = '{0d4a1f4c-0000-4000-8000-000000000001}'
const HEAD = 'Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n'

function files(all: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true })
    writeFileSync(join(folder.path, path), text)
  }
}

const text = (path: string): string => readFileSync(join(folder.path, path), 'utf8')
const four = (address: string, bits = 24): NetworkInterfaceInfo => {
  const netmask = bits === 24 ? '255.255.255.0' : '255.255.0.0'
  return { address, netmask, family: 'IPv4', mac: MAC.toLowerCase(), internal: false, cidr: `${address}/${bits}` }
}
const six = (address: string, bits = 64): NetworkInterfaceInfo => ({
  address,
  netmask: 'ffff:ffff:ffff:ffff::',
  family: 'IPv6',
  mac: MAC.toLowerCase(),
  internal: false,
  cidr: `${address}/${bits}`,
  scopeid: 0,
})

type Interfaces = Record<string, NetworkInterfaceInfo[]>
const settings = (interfaces: Interfaces, hook?: string) => ({
  root: folder.path,
  folder: join(folder.path, 'pools'),
  interfaces: () => interfaces,
  hook,
  async run(program: string, args: readonly string[]): Promise<string> {
    commands.push([program, ...args])
    return program === 'netstat' ? NETSTAT : ''
  },
})
const linux = (interfaces: Interfaces, hook?: string): LinuxNetwork => new LinuxNetwork(settings(interfaces, hook))
const freebsd = (interfaces: Interfaces, hook?: string): FreeBsdNetwork =>
  new FreeBsdNetwork(settings(interfaces, hook))
const eth0 = {
  'sys/class/net/eth0/address': `${MAC.toLowerCase()}\n`,
  'sys/class/net/eth0/device/device_id': `${GUID}\n`,
}

const NETSTAT = JSON.stringify({
  statistics: {
    'route-information': {
      'route-table': {
        'rt-family': [
          { 'rt-entry': [{ destination: 'default', gateway: '192.0.2.1', 'interface-name': 'hn0' }] },
          { 'rt-entry': [{ destination: 'default', gateway: 'fe80::1%hn0', 'interface-name': 'hn0' }] },
          { 'rt-entry': [{ destination: 'default', gateway: '198.51.100.1', 'interface-name': 'hn1' }] },
        ],
      },
    },
  },
})

describe('[KV-05] what Linux tells of an adapter', () => {
  const layouts: [string, Interfaces, Record<string, string>, Partial<IpInformation>][] = [
    [
      'one IPv4 address',
      { eth0: [four('192.0.2.5')] },
      {},
      { addressFamily: 1, addresses: ['192.0.2.5'], subnets: ['255.255.255.0'] },
    ],
    ['no address', {}, {}, { addressFamily: 0, addresses: [], subnets: [], gateways: [], dhcp: false }],
    ['IPv6 only', { eth0: [six('fe80::1')] }, {}, { addressFamily: 2, addresses: ['fe80::1'], subnets: ['/64'] }],
    [
      'both families',
      { eth0: [four('192.0.2.5', 16), six('2001:db8::5', 48)] },
      {},
      { addressFamily: 3, subnets: ['255.255.0.0', '/48'] },
    ],
    [
      'fifty addresses',
      { eth0: Array.from({ length: 50 }, (_, i) => four(`192.0.2.${i + 1}`)) },
      {},
      { addresses: Array.from({ length: 50 }, (_, i) => `192.0.2.${i + 1}`) },
    ],
    [
      'several default routes, by metric, without those of others and without next hops that are no gateways',
      { eth0: [four('192.0.2.5')] },
      {
        'proc/net/route': `${HEAD}eth0 00000000 FE0200C0 0003 0 0 200 00000000\neth0 00000000 010200C0 0003 0 0 100 00000000\neth0 00000000 00000000 0001 0 0 50 00000000\neth1 00000000 01640A0A 0003 0 0 0 00000000\neth0 000200C0 00000000 0001 0 0 0 00FFFFFF\n`,
      },
      { gateways: ['192.0.2.1', '192.0.2.254'] },
    ],
    [
      'an IPv6 gateway',
      { eth0: [six('2001:db8::5')] },
      {
        'proc/net/ipv6_route': `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 20010db8000000010000000000000001 00000100 1 0 00000003 eth0\n${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ffffffff 1 0 00200200 lo\n`,
      },
      { gateways: ['2001:db8:0:1::1', 'fe80::1'] },
    ],
    [
      'a virtual function with the same address',
      { eth0: [four('192.0.2.5')] },
      { 'sys/class/net/eth0vf/address': MAC.toLowerCase(), 'sys/class/net/eth0vf/master': '' },
      { addresses: ['192.0.2.5'] },
    ],
    [
      'a resolver of its own behind the stub',
      { eth0: [four('192.0.2.5')] },
      {
        'etc/resolv.conf': 'nameserver 127.0.0.53\noptions edns0\n',
        'run/systemd/resolve/resolv.conf': '# x\nnameserver 192.0.2.53\nnameserver fe80::53%eth0\n',
      },
      { dnsServers: ['192.0.2.53', 'fe80::53'] },
    ],
    [
      'DHCP by the network scripts',
      { eth0: [four('192.0.2.5')] },
      { 'etc/sysconfig/network-scripts/ifcfg-eth0': 'DEVICE=eth0\nBOOTPROTO="dhcp"\n' },
      { dhcp: true },
    ],
    [
      'DHCP by NetworkManager',
      { eth0: [four('192.0.2.5')] },
      {
        'etc/NetworkManager/system-connections/x':
          '[connection]\ninterface-name=eth0\n[ipv4]\nmethod=auto\n[ipv6]\nmethod=manual\n',
      },
      { dhcp: true },
    ],
    [
      'DHCP by ifupdown',
      { eth0: [four('192.0.2.5')] },
      { 'etc/network/interfaces': 'auto eth0\niface eth0  inet dhcp\n' },
      { dhcp: true },
    ],
  ]
  for (const [name, interfaces, more, expected] of layouts) {
    it(name, async () => {
      files({ ...eth0, ...more })
      expect(await linux(interfaces).get(MAC)).toMatchObject({ adapterId: MAC, ...expected })
    })
  }

  it('nothing of an adapter that is not there', async () => {
    files(eth0)
    await expect(linux({}).get('00:00:00:00:00:01')).rejects.toMatchObject({ code: 'unknown-adapter' })
  })
})

const wanted: IpInformation = {
  adapterId: GUID.toUpperCase(),
  addressFamily: 3,
  dhcp: false,
  addresses: ['192.0.2.5', '192.0.2.6', '2001:db8::5'],
  subnets: ['255.255.255.0', '/25', '48'],
  gateways: ['192.0.2.1', '2001:db8::1'],
  dnsServers: ['192.0.2.53', '2001:db8::53'],
}

describe('a setting of the host', () => {
  it('becomes a keyfile of NetworkManager, a section for each family', async () => {
    files({ ...eth0, 'etc/NetworkManager/NetworkManager.conf': '' })
    await linux({}).set(wanted)
    const path = 'etc/NetworkManager/system-connections/eth0.nmconnection'
    expect(text(path)).toBe(
      [
        '[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\nautoconnect=true\n',
        `[ethernet]\nmac-address=${MAC}\n`,
        '[ipv4]\nmethod=manual\naddress1=192.0.2.5/24\naddress2=192.0.2.6/25\ngateway=192.0.2.1\ndns=192.0.2.53;\n',
        '[ipv6]\nmethod=manual\naddress1=2001:db8::5/48\ngateway=2001:db8::1\ndns=2001:db8::53;\n',
      ].join('\n'),
    )
    expect(statSync(join(folder.path, path)).mode & 0o777).toBe(0o600)
    const file = join(folder.path, path)
    expect(commands).toEqual([
      ['nmcli', 'connection', 'load', file],
      ['nmcli', 'connection', 'up', 'filename', file],
    ])
    await linux({}).set({ ...wanted, dhcp: true, addresses: [], subnets: [], gateways: [], dnsServers: [] })
    expect(text(path)).toMatch(/\[ipv4\]\nmethod=auto\n\n\[ipv6\]\nmethod=auto\n$/)
  })

  it('becomes an ifcfg file of the network scripts', async () => {
    files({ ...eth0, 'etc/sysconfig/network-scripts/ifcfg-lo': '' })
    await linux({}).set(wanted)
    expect(text('etc/sysconfig/network-scripts/ifcfg-eth0')).toBe(
      [
        `HWADDR=${MAC}`,
        'DEVICE=eth0',
        'BOOTPROTO=none',
        'ONBOOT=yes',
        'IPADDR0=192.0.2.5',
        'NETMASK0=255.255.255.0',
        'IPADDR1=192.0.2.6',
        'PREFIX1=25',
        'GATEWAY=192.0.2.1',
        'IPV6INIT=yes',
        'IPV6ADDR=2001:db8::5/48',
        'IPV6_DEFAULTGW=2001:db8::1',
        'DNS1=192.0.2.53',
        'DNS2=2001:db8::53',
        '',
      ].join('\n'),
    )
    expect(commands).toEqual([
      ['ifdown', 'eth0'],
      ['ifup', 'eth0'],
    ])
  })

  it('becomes lines of rc.conf in place of the old ones', async () => {
    files({
      'etc/rc.conf':
        'hostname="a"\nifconfig_hn0="DHCP"\nifconfig_hn0_alias0="x"\nifconfig_hn01="DHCP"\ndefaultrouter="198.51.100.1"\n',
    })
    await freebsd({}).set({ ...wanted, adapterId: 'hn0' })
    expect(text('etc/rc.conf')).toBe(
      [
        'hostname="a"',
        'ifconfig_hn01="DHCP"',
        'ifconfig_hn0="inet 192.0.2.5 netmask 255.255.255.0"',
        'ifconfig_hn0_ipv6="inet6 2001:db8::5 prefixlen 48"',
        'ifconfig_hn0_alias0="inet 192.0.2.6 netmask 255.255.255.128"',
        'defaultrouter="192.0.2.1"',
        'ipv6_defaultrouter="2001:db8::1"',
        '',
      ].join('\n'),
    )
    expect(text('etc/resolvconf.conf')).toBe('name_servers="192.0.2.53 2001:db8::53"\n')
    expect(commands).toEqual([
      ['resolvconf', '-u'],
      ['service', 'netif', 'restart', 'hn0'],
      ['service', 'routing', 'restart'],
    ])
    const told = await freebsd({ hn0: [four('192.0.2.5')] }).get(MAC)
    expect(told).toMatchObject({ dhcp: false, gateways: ['192.0.2.1', 'fe80::1'] })
  })

  it('[KV-08] goes to a hook as arguments, never through a shell', async () => {
    files(eth0)
    await linux({}, '/opt/my hook; reboot').set(wanted)
    const pools = join(folder.path, 'pools')
    expect(commands).toEqual([['/opt/my hook; reboot', join(pools, 'ifcfg-eth0'), join(pools, 'eth0.nmconnection')]])
    commands = []
    for (const adapterId of ['hn0; reboot', '-n', '$(id)', '../x', '"', 'hn0\nx']) {
      await expect(freebsd({}, '/hook').set({ ...wanted, adapterId })).rejects.toMatchObject({
        code: 'unknown-adapter',
      })
      await expect(linux({}, '/hook').set({ ...wanted, adapterId })).rejects.toMatchObject({ code: 'unknown-adapter' })
    }
    expect(commands).toEqual([])
  })

  it('[KV-08] a helper gets its arguments as they are', async () => {
    const { runCommand } = await import('../../src/node/daemon/run-command.ts')
    const odd = `a "b" 'c' $(id)\n-x`
    expect(await runCommand('printf', ['%s', odd])).toBe(odd)
    await expect(runCommand('false', [])).rejects.toMatchObject({ code: 'failed' })
    await expect(runCommand('no such program', [])).rejects.toMatchObject({ code: 'failed' })
  })

  it('[KV-07] never goes through a link, and is private from its first moment', async () => {
    files({ ...eth0, 'etc/NetworkManager/NetworkManager.conf': '', 'etc/passwd': 'untouched' })
    const path = join(folder.path, 'etc/NetworkManager/system-connections')
    mkdirSync(path, { recursive: true })
    symlinkSync('../../passwd', join(path, 'eth0.nmconnection'))
    await linux({}).set(wanted)
    expect(text('etc/passwd')).toBe('untouched')
    expect(statSync(join(path, 'eth0.nmconnection')).mode & 0o777).toBe(0o600)
  })
})

describe('what a daemon tells of the system', () => {
  it('[KV-06] has an empty name until the resolver knows it, and waits for nobody', async () => {
    let answer: (name: string) => void = () => undefined
    let fail = true
    const values = new SystemValues({
      root: folder.path,
      resolve: () =>
        fail
          ? Promise.reject(new Error('getaddrinfo failed'))
          : new Promise((resolve) => {
              answer = resolve
            }),
    })
    expect(values.current().FullyQualifiedDomainName).toBe('')
    await Promise.resolve()
    expect(values.current().FullyQualifiedDomainName).toBe('')
    fail = false
    const slow = new SystemValues({
      root: folder.path,
      resolve: () =>
        new Promise((resolve) => {
          answer = resolve
        }),
    })
    expect(slow.current().FullyQualifiedDomainName).toBe('')
    answer('guest.example.org')
    await new Promise((resolve) => setImmediate(resolve))
    expect(slow.current().FullyQualifiedDomainName).toBe('guest.example.org')
  })

  it('reads os-release', () => {
    files({ 'etc/os-release': 'NAME="Debian GNU/Linux"\nVERSION_ID=\'12\'\nPRETTY_NAME="x \\"y\\""\n' })
    const values = new SystemValues({ root: folder.path, resolve: async () => 'a' }).current()
    expect(values).toMatchObject({ OSName: 'Debian GNU/Linux', OSMajorVersion: '12', OSMinorVersion: '' })
    expect(values.OSVersion).not.toContain('-')
  })
})
