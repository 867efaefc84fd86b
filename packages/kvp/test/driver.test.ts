import type { Driver, EthernetInterface, ManualClock } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { IcStatus, KVP_AUTO_KEYS } from '@bis/hyperv-types/ic'
import { describe, expect, it } from 'vitest'
import type { IpInformation, KvpRequest, KvpServer } from '../src/index.ts'
import { KvpError, MemoryPool, PoolServer } from '../src/index.ts'
import type { Pair, PairOptions } from './support/guest.ts'
import { boot } from './support/guest.ts'

const pools = () => ([0, 1, 2, 3, 4] as const).map((number) => new MemoryPool(number))
const server = (options: Partial<ConstructorParameters<typeof PoolServer>[0]> = {}): PoolServer =>
  new PoolServer({ pools: pools(), autoValues: () => ({ OSName: 'FreeBSD' }), ...options })
const withDaemon = (options: PairOptions = {}): Promise<Pair<ManualClock>> => boot({ daemon: server(), ...options })

describe('the key-value driver', () => {
  for (const release of ['2008r2', '2012', '2012r2', '2022'] as const) {
    for (const device of ['linux', 'freebsd'] as const) {
      it(`gets, sets, deletes and enumerates every pool on ${release} through a ${device} device`, async () => {
        const { host, clock } = await withDaemon({ release, device })
        const run = <T>(promise: Promise<T>): Promise<T> => clock.settle(promise)
        for (const pool of [0, 1, 2, 3, 4]) {
          await run(host.set(pool, 'first', 'Grüße 😀'))
          await run(host.set(pool, 'number', 4_294_967_295))
          await run(host.set(pool, 'big', 2n ** 64n - 1n))
          expect(await run(host.get(pool, 'first'))).toBe('Grüße 😀')
          expect(await run(host.get(pool, 'number'))).toBe('4294967295')
          expect(await run(host.get(pool, 'nothing'))).toBeUndefined()
          expect([await run(host.delete(pool, 'number')), await run(host.delete(pool, 'number'))]).toEqual([
            true,
            false,
          ])
          const items = await run(host.list(pool))
          if (pool === 2) expect(items.map(({ key }) => key)).toEqual(KVP_AUTO_KEYS)
          else
            expect(items).toEqual([
              { key: 'first', value: 'Grüße 😀' },
              { key: 'big', value: '18446744073709551615' },
            ])
        }
      })
    }
  }

  it('is hvkvp0, and publishes what it speaks', async () => {
    const { kernel, dmesg } = await withDaemon()
    expect(dmesg()).toContain('hvkvp0: <Hyper-V KVP> on vmbus0')
    expect(kernel.sysctl.get('dev.hvkvp.0.msg_version')).toBe('5.0')
    expect(kernel.sysctl.get('dev.hvkvp.0.daemon')).toBe('idle')
  })

  it('[KV-04] keeps what fits whole, refuses what makes no sense, and says when it had to cut', async () => {
    const mine = pools()
    const { host, clock, kernel } = await boot({ daemon: server({ pools: mine }) })
    const run = <T>(promise: Promise<T>): Promise<T> => clock.settle(promise)
    const key = 'k'.repeat(255)
    const value = 'v'.repeat(1023)
    await run(host.set(0, key, value))
    expect(await run(host.list(0))).toEqual([{ key, value }])
    // 682 characters are 2046 bytes of UTF-8, 683 do not fit a record.
    await run(host.set(0, 'euro', '€'.repeat(682)))
    await expect(run(host.set(0, 'euro', '€'.repeat(683)))).rejects.toMatchObject({ status: IcStatus.INVALID_ARGUMENT })
    await expect(run(host.set(0, 'half', '\ud800'))).rejects.toMatchObject({ status: IcStatus.INVALID_ARGUMENT })
    await expect(run(host.set(0, '', 'x'))).rejects.toMatchObject({ status: IcStatus.INVALID_ARGUMENT })
    expect(await run(host.get(0, 'euro'))).toBe('€'.repeat(682))
    await mine[1]?.set('long', `${'x'.repeat(1022)}😀`, { limit: 'file' })
    expect(await run(host.get(1, 'long'))).toBe('x'.repeat(1022))
    expect(kernel.sysctl.get('dev.hvkvp.0.cut')).toBe(1)
  })

  it('tells the host when the disk of the pools is full', async () => {
    const mine = pools()
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    for (const pool of mine) pool.change = () => Promise.reject(full)
    const { host, clock } = await withDaemon({ daemon: server({ pools: mine }) })
    const refused = clock.settle(host.set(1, 'key', 'value'))
    await expect(refused).rejects.toMatchObject({ code: 'refused', status: IcStatus.DISK_FULL })
  })

  it('[KV-12] the host can be one that passes on only the beginning of long values', async () => {
    const { host, clock } = await withDaemon({ host: { valueUnits: 511 } })
    await clock.settle(host.set(0, 'log', 'x'.repeat(1000)))
    expect((await clock.settle(host.get(0, 'log')))?.length).toBe(511)
  })
})

const nicDriver: Driver = {
  name: 'hn',
  module: 'hv_netvsc',
  bus: 'vmbus',
  probe: ({ location }) => (location === 'nic' ? { priority: 0, description: 'a NIC' } : undefined),
  async attach() {
    return { async [Symbol.asyncDispose]() {} }
  },
}

describe('IP information', () => {
  const network = (settings: IpInformation[]) => ({
    async get(adapterId: string): Promise<IpInformation> {
      if (adapterId !== '00:15:5D:01:02:03') throw new KvpError('unknown-adapter', adapterId)
      return {
        adapterId,
        addressFamily: 3,
        dhcp: true,
        addresses: ['192.0.2.5', 'getifaddrs failed', 'fe80::1', '2001:db8::5'],
        subnets: ['255.255.255.0', '', '/64', '/48'],
        gateways: ['192.0.2.1', 'dev', '2001:db8::1'],
        dnsServers: ['192.0.2.53'],
      }
    },
    async set(information: IpInformation): Promise<void> {
      settings.push(information)
    },
  })

  it.each(['2016', '2022'] as const)(
    '[KV-05] is asked for by MAC address from %s, and is all addresses',
    async (release) => {
      const { host, clock } = await withDaemon({ release, daemon: server({ network: network([]) }) })
      expect(await clock.settle(host.getIp('00:15:5d:01:02:03'))).toEqual({
        adapterId: '00:15:5D:01:02:03',
        addressFamily: 3,
        dhcp: true,
        addresses: ['192.0.2.5', 'fe80::1', '2001:db8::5'],
        subnets: ['255.255.255.0', '/64', '/48'],
        gateways: ['192.0.2.1', '2001:db8::1'],
        dnsServers: ['192.0.2.53'],
      })
      const unknown = clock.settle(host.getIp('00:00:00:00:00:00'))
      await expect(unknown).rejects.toMatchObject({ code: 'refused', status: IcStatus.GUID_NOT_FOUND })
    },
  )

  it("names FreeBSD's daemon the interface in place of the adapter's id, and Linux's the id", async () => {
    for (const device of ['freebsd', 'linux'] as const) {
      const settings: IpInformation[] = []
      const { host, clock, kernel, tree } = await withDaemon({ device, daemon: server({ network: network(settings) }) })
      const instanceId = 'f8615163-0000-4000-8000-0000000000ab'
      await tree.load({ name: 'hv_netvsc', drivers: [nicDriver] })
      tree.find('vmbus0')?.addChild({ location: 'nic', pnpinfo: '', ivars: { offer: { instanceId } } })
      await tree.settled()
      kernel.interfaces.add('hn', () => ({ name: 'hn0' }) as unknown as EthernetInterface)
      const set = (adapterId: string) =>
        clock.settle(
          host.setIp({
            adapterId,
            addressFamily: 1,
            dhcp: true,
            addresses: [],
            subnets: [],
            gateways: [],
            dnsServers: [],
          }),
        )
      await set(`{${instanceId.toUpperCase()}}`)
      await set('{f8615163-0000-4000-8000-0000000000ff}')
      expect(settings.map(({ adapterId }) => adapterId)).toEqual([
        device === 'freebsd' ? 'hn0' : `{${instanceId.toUpperCase()}}`,
        '{f8615163-0000-4000-8000-0000000000ff}',
      ])
    }
  })

  it('is nothing that a 2008 R2 host asks for', async () => {
    const settings: IpInformation[] = []
    const { host, clock } = await withDaemon({ release: '2008r2', daemon: server({ network: network(settings) }) })
    const { requests } = host.counters
    const asked = clock.settle(host.getIp('00:15:5D:01:02:03'))
    await expect(asked).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(/from 2012 on/) })
    expect(host.counters.requests).toBe(requests)
  })

  it.each(['2016', '2022'] as const)('is set by %s, checked before anything changes', async (release) => {
    const settings: IpInformation[] = []
    const { host, clock } = await withDaemon({ release, daemon: server({ network: network(settings) }) })
    const wanted: IpInformation = {
      adapterId: '{0d4a1f4c-0000-4000-8000-000000000001}',
      addressFamily: 3,
      dhcp: false,
      addresses: ['192.0.2.5', '2001:db8::5'],
      subnets: ['255.255.255.0', '/64'],
      gateways: ['192.0.2.1'],
      dnsServers: ['192.0.2.53', '2001:db8::53'],
    }
    await clock.settle(host.setIp(wanted))
    expect(settings).toEqual([wanted])
    const wrong: Partial<IpInformation>[] = [
      { addresses: ['192.0.2.5\nPOSTUP=x', '::1'] },
      { subnets: ['255.0.255.0', '64'] },
      { subnets: ['/33', '64'] },
      { subnets: [] },
      { gateways: ['$(reboot)'] },
      { dnsServers: ['-x'] },
    ]
    for (const part of wrong) {
      const refused = clock.settle(host.setIp({ ...wanted, ...part }))
      // The text form carries anything, and the guest refuses it; what the binary one cannot carry stays with the host.
      const error: unknown = await refused.catch((reason: unknown) => reason)
      const byHost = release === '2022' && !('subnets' in part && part.subnets?.[0] === '255.0.255.0')
      expect(error).toMatchObject(byHost ? { code: 'invalid-argument' } : { status: IcStatus.INVALID_ARGUMENT })
    }
    expect(settings.length).toBe(1)
  })
})

describe('a daemon', () => {
  const open = (pair: Pair<ManualClock>) => {
    const device = pair.kernel.characterDevices.get('vmbus/hv_kvp')
    if (device === undefined) throw new Error('no device')
    return device
  }
  const registration = (): Uint8Array => new Uint8Array(7432).fill(100, 0, 1)

  it('[KV-02] that answers late is not misunderstood, and the next request works', async () => {
    const pair = await boot()
    const { host, clock } = pair
    const file = open(pair).open()
    file.write(registration())
    expect((await file.read())[0]).toBe(100)
    const first = clock.settle(host.get(0, 'slow'))
    const asked = await clock.settle(file.read())
    await clock.advance(5000)
    await expect(first).rejects.toMatchObject({ code: 'refused', status: IcStatus.E_FAIL })
    const second = host.get(0, 'next')
    await clock.run()
    expect(file.readable).toBe(false)
    file.write(asked)
    const next = await clock.settle(file.read())
    expect(Buffer.from(next.subarray(16, 20)).toString()).toBe('next')
    next.fill(0, 0, 4)
    next.set(Buffer.from('value\0'), 4 + 524)
    file.write(next)
    expect(await clock.settle(second)).toBe('value')
    expect(pair.kernel.sysctl.get('dev.hvkvp.0.late_answers')).toBe(1)
    expect(pair.kernel.sysctl.get('dev.hvkvp.0.timeouts')).toBe(1)
    file.close()
  })

  it('[KV-02] that answers during a new negotiation is not misunderstood either', async () => {
    const pair = await boot()
    const { host, clock } = pair
    const file = open(pair).open()
    file.write(registration())
    await file.read()
    const first = clock.settle(host.get(0, 'slow'))
    const asked = await clock.settle(file.read())
    host.renegotiate()
    await expect(first).rejects.toMatchObject({ code: 'gone' })
    file.write(asked)
    const second = clock.settle(host.delete(0, 'k'))
    const next = await clock.settle(file.read())
    next.fill(0, 0, 4)
    file.write(next)
    expect(await second).toBe(true)
  })

  it('[KV-09] that never answers, or is not there, costs the host a failure in time', async () => {
    const pair = await boot({ tunables: { 'hw.hvkvp.timeout_ms': '1000' } })
    const { host, clock } = pair
    const started = clock.now()
    const alone = host.get(0, 'a')
    await clock.advance(1000)
    await expect(alone).rejects.toMatchObject({ code: 'refused', status: IcStatus.E_FAIL })
    const again = clock.settle(host.get(0, 'a'))
    await expect(again).rejects.toMatchObject({ status: IcStatus.E_FAIL })
    expect(clock.now() - started).toBe(1000)
    const file = open(pair).open()
    file.write(registration())
    for (let i = 0; i < 3; i++) {
      const silent = host.get(0, 'a')
      await clock.advance(1000)
      await expect(silent).rejects.toMatchObject({ status: IcStatus.E_FAIL })
    }
    // Dies with a request in its hands.
    file.close()
    const second = open(pair).open()
    second.write(registration())
    await second.read()
    const answered = host.delete(0, 'a')
    await clock.settle(second.read())
    second.close()
    await expect(clock.settle(answered)).rejects.toMatchObject({ status: IcStatus.E_FAIL })
  })

  it('[KV-09] is one at a time', async () => {
    const pair = await boot()
    const file = open(pair).open()
    expect(() => open(pair).open()).toThrow(DeviceError)
    file.close()
    open(pair).open().close()
  })

  it('[KV-01] may open and register before the channel is open, and gets what the host sends then', async () => {
    const pair = await boot({ host: { faults: { silent: true } } })
    const file = open(pair).open()
    file.write(registration())
    await file.read()
    pair.host.faults = {}
    pair.host.renegotiate()
    await pair.clock.run()
    const deleted = pair.clock.settle(pair.host.delete(0, 'early'))
    const asked = await pair.clock.settle(file.read())
    asked.fill(0, 0, 4)
    file.write(asked)
    expect(await deleted).toBe(true)
  })

  it('[KV-14] gets the error of a registration that is none, and tries again with longer pauses', async () => {
    const pair = await boot()
    const file = open(pair).open()
    expect(() => file.write(new Uint8Array(7432).fill(9))).toThrow(/registers no daemon/)
    expect(() => file.write(new Uint8Array(100))).toThrow(/a message has 7432/)
    file.close()
    const busy = await boot({ daemon: server() })
    const kernel = busy.kernel
    expect(kernel.sysctl.get('dev.hvkvp.0.daemon')).toBe('idle')
    const held = await boot()
    const holder = open(held).open()
    const { runDaemon } = await import('../src/index.ts')
    const stop = new AbortController()
    const lines: string[] = []
    const log = { log: (_: string, text: string) => void lines.push(text) }
    const running = runDaemon(open(held), server(), { clock: held.clock, log, signal: stop.signal })
    await held.clock.advance(1000)
    expect(lines.length).toBe(4)
    expect(lines[0]).toMatch(/open already/)
    holder.close()
    await held.clock.advance(1000)
    expect(held.kernel.sysctl.get('dev.hvkvp.0.daemon')).toBe('idle')
    stop.abort()
    await running
    expect(held.kernel.sysctl.get('dev.hvkvp.0.daemon')).toBe('none')
  })

  it("reads nothing from FreeBSD's device before it is registered, and is answered nothing then", async () => {
    const pair = await boot({ device: 'freebsd' })
    const file = pair.kernel.characterDevices.get('hv_kvp_dev')?.open()
    await expect(file?.read()).rejects.toMatchObject({ code: 'invalid-argument' })
    file?.write(new Uint8Array(7430).fill(4, 0, 1))
    expect(file?.readable).toBe(false)
    const asked = pair.clock.settle(pair.host.delete(0, 'a'))
    const message = (await file?.read()) ?? new Uint8Array(0)
    expect([message.length, message[0]]).toEqual([7430, 2])
    message.fill(0, 0, 4)
    file?.write(message)
    expect(await asked).toBe(true)
  })

  it('reads that the device is gone when the driver detaches', async () => {
    const pair = await boot()
    const file = open(pair).open()
    const reading = file.read().catch((error: DeviceError) => error.code)
    await pair.clock.settle(pair.tree.unload('hv_utils'))
    expect(await reading).toBe('removed')
    expect(pair.kernel.characterDevices.list()).toEqual([])
  })
})

describe('the host', () => {
  it('[KV-15] tells what it says of itself again after each negotiation, and the guest keeps it before it says so', async () => {
    const mine = pools()
    const order: string[] = []
    const inner = server({ pools: mine })
    const watched: KvpServer = {
      async serve(request: KvpRequest) {
        const reply = await inner.serve(request)
        if (request.operation === 'set') order.push(`${request.key} kept: ${await mine[3]?.get(request.key)}`)
        return reply
      },
    }
    const { host, clock } = await boot({
      daemon: watched,
      host: { hostItems: { HostName: 'root', VirtualMachineName: 'a' } },
    })
    await clock.run()
    expect((await mine[3]?.list())?.map(({ key }) => key)).toEqual(['HostName', 'VirtualMachineName'])
    await mine[3]?.clear()
    host.renegotiate()
    for (let i = 0; i < 5; i++) await clock.run()
    expect(await mine[3]?.get('VirtualMachineName')).toBe('a')
    expect(order).toEqual([
      'HostName kept: root',
      'VirtualMachineName kept: a',
      'HostName kept: root',
      'VirtualMachineName kept: a',
    ])
    host.setHostItem('VirtualMachineName', 'b')
    host.setHostItem('HostName', undefined)
    for (let i = 0; i < 5; i++) await clock.run()
    expect((await mine[3]?.list())?.map(({ key, value }) => [key, value])).toEqual([['VirtualMachineName', 'b']])
  })

  it('refuses what does not fit before it sends it', async () => {
    const { host } = await withDaemon()
    await expect(host.set(0, 'k'.repeat(256), 'v')).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(host.set(0, 'k', 'v'.repeat(1024))).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(host.set(0, 'k', -1)).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(host.set(0, 'k', 2n ** 64n)).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(host.list(5)).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})
