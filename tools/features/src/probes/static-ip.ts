import { hostRelease, KvpComponent } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { allModules, Lan, powerOn } from '../guest.ts'
import { macText } from './kvp-daemon.ts'

const SETTING = {
  addressFamily: 3,
  dhcp: false,
  addresses: ['10.1.2.3', 'fd00::3'],
  subnets: ['255.255.255.0', '/64'],
  gateways: ['10.1.2.1', 'fd00::1'],
  dnsServers: ['10.1.2.53', 'fd00::53'],
}

/** The host sets addresses, masks, gateways and servers of both families; the guest has them and reports them back. */
export const staticIp: Probe = async (cell) => {
  const component = new KvpComponent({ release: hostRelease(cell.host), clock: systemClock })
  await using lan = new Lan(cell)
  const adapter = lan.adapter()
  await using _machine = await powerOn(cell, { devices: [adapter, component], modules: allModules() })
  const mac = macText(adapter.permanentAddress)
  const before = await component.getIp(mac)
  want(!before.addresses.includes('10.1.2.3'), 'the address was there before')
  await component.setIp({ ...SETTING, adapterId: `{${adapter.offer.instanceId}}` })
  const after = await component.getIp(mac)
  for (const field of ['addresses', 'gateways', 'dnsServers'] as const)
    want(
      SETTING[field].every((value) => after[field].includes(value)),
      `${field} reported: ${after[field].join()}`,
    )
  const auto = (await component.list(2)).map(({ value }) => value).join()
  want(auto.includes('10.1.2.3'), `the guest says of itself: ${auto}`)
  return {
    did: `set ${SETTING.addresses.join(' and ')} with masks, gateways and name servers for the NIC ${mac}`,
    saw: `the guest reports ${after.addresses.join(', ')} via ${after.gateways.join(', ')}, servers ${after.dnsServers.join(', ')}`,
  }
}
