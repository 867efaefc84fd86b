import { describe, expect, it } from 'vitest'
import { validOnly } from './ip-information.ts'

describe('validOnly', () => {
  it('leaves out what is no address or subnet, and keeps each subnet where its address is', () => {
    const kept = validOnly({
      adapterId: '',
      addressFamily: 3,
      dhcp: false,
      addresses: ['10.0.0.1', 'nonsense', '10.0.0.2', 'fe80::1'],
      subnets: ['255.0.255.0', '255.0.0.0', '255.255.0.0', '/64'],
      gateways: ['10.0.0.254', 'gateway'],
      dnsServers: ['', '10.0.0.53'],
    })
    expect(kept.addresses).toEqual(['10.0.0.2', 'fe80::1', '10.0.0.1'])
    expect(kept.subnets).toEqual(['255.255.0.0', '/64'])
    expect([kept.gateways, kept.dnsServers]).toEqual([['10.0.0.254'], ['10.0.0.53']])
  })
})
