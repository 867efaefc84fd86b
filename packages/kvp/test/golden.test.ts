import type { HostReleaseName } from '@bis/host'
import { KvpComponent } from '@bis/host'
import { KVP_BODY_BYTES, KVP_IP_BODY_BYTES, KvpOperation, KvpValueType } from '@bis/hyperv-types/ic'
import { beforeEach, expect, it } from 'vitest'
import type { IpInformation } from '../src/index.ts'
import { MemoryPool, PoolServer } from '../src/index.ts'
import { boot } from './support/guest.ts'

class RawHost extends KvpComponent {
  raw(body: Uint8Array) {
    return this.request('raw', body, { timeoutMs: 1000 })
  }
}

/** Runs of bytes that are not 0, by their offset: in UTF-16 text a single 0 belongs to the run. */
function runs(bytes: Uint8Array): Record<number, string> {
  const found: Record<number, string> = {}
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 0) continue
    let end = at + 1
    while (end < bytes.length && (bytes[end] !== 0 || bytes[end + 1] !== 0)) end++
    found[at] = Buffer.from(bytes.subarray(at, end)).toString('hex')
    at = end
  }
  return found
}

/** A body with these bytes at these offsets. */
function body(length: number, parts: Readonly<Record<number, string>>): Uint8Array {
  const bytes = new Uint8Array(length)
  for (const [at, hex] of Object.entries(parts)) bytes.set(Buffer.from(hex, 'hex'), Number(at))
  return bytes
}

const utf16 = (text: string): string => Buffer.from(text, 'utf16le').toString('hex')
const setting: IpInformation[] = []
beforeEach(() => {
  setting.length = 0
})

async function guest(release: HostReleaseName = '2022') {
  const pools = ([0, 1, 2, 3, 4] as const).map((number) => new MemoryPool(number))
  const network = {
    get: async (adapterId: string): Promise<IpInformation> => ({
      adapterId,
      addressFamily: 3,
      dhcp: true,
      addresses: ['192.0.2.5', 'fe80::1'],
      subnets: ['255.255.255.0', '/64'],
      gateways: ['192.0.2.1'],
      dnsServers: ['192.0.2.53', '192.0.2.54'],
    }),
    set: async (information: IpInformation): Promise<void> => void setting.push(information),
  }
  const daemon = new PoolServer({ pools, autoValues: () => ({ FullyQualifiedDomainName: 'a.b' }), network })
  let host: RawHost | undefined
  const pair = await boot({
    release,
    daemon,
    component: (options) => {
      host = new RawHost(options)
      return host
    },
  })
  const ask = async (length: number, parts: Readonly<Record<number, string>>) => {
    const answer = await pair.clock.settle(host?.raw(body(length, parts)) ?? Promise.reject(new Error('no host')))
    return { status: answer.status, length: answer.body.length, runs: runs(answer.body) }
  }
  return { pools, ask }
}

// Offsets count from the body: operation 0, pool 1; record at 4 (type, key size, value size, key at 16, value at 528),
// behind the index at 8 in ENUMERATE; IP information at 2.
it('[KV-03] SET, GET, DELETE and ENUMERATE have their bytes, with every type of value', async () => {
  const { pools, ask } = await guest()
  const values: [number, string, number, string][] = [
    [KvpValueType.STRING, utf16('v\0'), 4, 'v'],
    [KvpValueType.EXPAND_STRING, utf16('%a%\0'), 8, '%a%'],
    [KvpValueType.U32, '01020304', 4, '67305985'],
    [KvpValueType.U64, '0102030405060708', 8, '578437695752307201'],
    [KvpValueType.QWORD, 'ffffffffffffffff', 8, '18446744073709551615'],
  ]
  for (const [type, bytes, size, text] of values) {
    const sizes = `0${type.toString(16)}0000000600000000`.slice(0, 16)
    const set = { 0: '0100', 4: `${sizes}0${size}`, 16: utf16('ké\0'), 528: bytes }
    expect(await ask(KVP_BODY_BYTES, set)).toMatchObject({ status: 0, length: KVP_BODY_BYTES })
    expect(await pools[0]?.get('ké')).toBe(text)
    const got = await ask(KVP_BODY_BYTES, { 0: '0000', 8: '06', 16: utf16('ké\0') })
    const valueSize = ((text.length + 1) * 2).toString(16).padStart(2, '0')
    expect(got).toEqual({
      status: 0,
      length: KVP_BODY_BYTES,
      runs: { 4: '01', 8: '06', 12: valueSize, 16: '6b00e9', 528: utf16(text).replace(/00$/, '') },
    })
  }
  const enumerated = await ask(KVP_BODY_BYTES, { 0: '0300' })
  expect(enumerated.runs).toEqual({
    0: '03',
    8: '01',
    12: '06',
    16: '2a',
    20: '6b00e9',
    532: utf16('18446744073709551615').replace(/00$/, ''),
  })
  const automatic = await ask(KVP_BODY_BYTES, { 0: '0302' })
  expect(automatic.runs).toMatchObject({ 0: '0302', 8: '01', 12: '32', 16: '08', 532: '61002e0062' })
  expect((await ask(KVP_BODY_BYTES, { 0: '0302', 4: '0a' })).status).toBe(0x8007_0103)
  const remove = { 0: '0200', 4: '06', 8: utf16('ké\0') }
  expect([(await ask(KVP_BODY_BYTES, remove)).status, (await ask(KVP_BODY_BYTES, remove)).status]).toEqual([
    0, 0x8007_0103,
  ])
  expect((await ask(KVP_BODY_BYTES, { 0: '0000', 8: '06', 16: utf16('ké\0') })).status).toBe(0x8007_0103)
})

it('[KV-03] GET_IP_INFO and SET_IP_INFO have their bytes', async () => {
  const { ask } = await guest('2016')
  const got = await ask(KVP_IP_BODY_BYTES, { 0: '0400', 2: utf16('00:15:5D:00:00:01\0') })
  const text = (value: string): string => utf16(value).replace(/00$/, '')
  expect(got).toEqual({
    status: 0,
    length: KVP_IP_BODY_BYTES,
    runs: {
      0: `0400${text('00:15:5D:00:00:01')}`,
      258: `0301${text('192.0.2.5;fe80::1')}`,
      2308: text('255.255.255.0;/64'),
      4356: text('192.0.2.1'),
      5380: text('192.0.2.53;192.0.2.54'),
    },
  })
  const set = {
    0: '0500',
    2: utf16('{g}\0'),
    258: '0100',
    260: utf16('192.0.2.5\0'),
    2308: utf16('255.255.255.0\0'),
    4356: utf16('192.0.2.1\0'),
    5380: utf16('192.0.2.53\0'),
  }
  expect((await ask(KVP_IP_BODY_BYTES, set)).status).toBe(0)
  expect(setting).toEqual([
    {
      adapterId: '{g}',
      addressFamily: 1,
      dhcp: false,
      addresses: ['192.0.2.5'],
      subnets: ['255.255.255.0'],
      gateways: ['192.0.2.1'],
      dnsServers: ['192.0.2.53'],
    },
  ])
  expect(KvpOperation.SET_IP_INFO).toBe(5)
})

// KVP 5.0: at 4 six counts, at 28 the adapter's id, at 284 family and DHCP, then an array for each thing and family.
it('[KV-03] GET_IP_INFO and SET_IP_INFO have their bytes in binary form', async () => {
  const { ask } = await guest()
  const id = { 28: utf16('00:15:5D:00:00:01\0') }
  expect(await ask(KVP_IP_BODY_BYTES, { 0: '0401', ...id })).toEqual({
    status: 0,
    length: KVP_IP_BODY_BYTES,
    runs: {
      0: '0401',
      ...{ 4: '01', 8: '01', 12: '01', 20: '02' },
      28: utf16('00:15:5D:00:00:01').replace(/00$/, ''),
      284: '0301',
      288: 'c0000205',
      ...{ 544: 'fe80', 559: '01' },
      1568: 'ffffff',
      1824: '40',
      2080: 'c0000201',
      2180: 'c0000235c0000236',
      3460: '01',
    },
  })
  const set = {
    0: '0501',
    ...{ 4: '01', 8: '01', 16: '01', 20: '01' },
    28: utf16('{g}\0'),
    284: '03',
    288: 'c0000205',
    544: `20010db8${'00'.repeat(11)}05`,
    1568: 'ffffff80',
    1824: '30',
    2100: `fe80${'00'.repeat(13)}01`,
    2180: 'c0000235',
  }
  expect((await ask(KVP_IP_BODY_BYTES, set)).status).toBe(0)
  expect(setting).toEqual([
    {
      adapterId: '{g}',
      addressFamily: 3,
      dhcp: false,
      addresses: ['192.0.2.5', '2001:db8::5'],
      subnets: ['255.255.255.128', '/48'],
      gateways: ['fe80::1'],
      dnsServers: ['192.0.2.53'],
    },
  ])
  // More than an array holds, a prefix that is none, and a message that is too short.
  for (const wrong of [{ 4: '41' }, { 16: '06' }, { 20: 'ffffffff' }, { 1824: '81' }])
    expect((await ask(KVP_IP_BODY_BYTES, { ...set, ...wrong })).status).toBe(0x8007_0057)
  expect((await ask(4 + 3711, set)).status).toBe(0x8007_0057)
  expect(setting.length).toBe(1)
})
