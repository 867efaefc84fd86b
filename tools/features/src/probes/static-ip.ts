import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { autoValue, macText, withKvpDaemon } from '../kvp-scene.ts'

const SETTING = {
  addressFamily: 3,
  dhcp: false,
  addresses: ['10.1.2.3', 'fd00::3'],
  subnets: ['255.255.252.0', '/56'],
  gateways: ['10.1.2.1', 'fd00::1'],
  dnsServers: ['10.1.2.53', 'fd00::53'],
}
/** What of it the guest's interfaces have; the other NIC keeps out of it. */
const APPLIED = 'hn0 10.1.2.3/22 fd00::3/56'

/** The host sets addresses, masks, gateways and servers of both families; the guest applies them and reports them back. */
export const staticIp: Probe = (cell) =>
  withKvpDaemon(cell, async ({ component, adapters: [adapter, other], system }) => {
    const mac = macText(adapter.permanentAddress)
    const before = await component.getIp(mac)
    want(before.dhcp && !before.addresses.includes('10.1.2.3'), `before: ${JSON.stringify(before)}`)
    await component.setIp({ ...SETTING, adapterId: `{${adapter.offer.instanceId}}` })
    want(system.ifconfig() === APPLIED, `the guest's interfaces: ${system.ifconfig()}`)
    want(system.gateways.join() === SETTING.gateways.join(), `the guest's routers: ${system.gateways.join()}`)
    const resolver = system.read('resolv.conf')
    want(resolver === 'nameserver 10.1.2.53\nnameserver fd00::53\n', `resolv.conf: ${resolver}`)
    want(system.read('rc.conf').includes('sshd_enable="YES"\n'), 'rc.conf has lost what stood there')
    const after = await component.getIp(mac)
    for (const [field, value] of Object.entries(SETTING)) {
      const reported = String(after[field as keyof typeof SETTING])
      want(reported === String(value), `the host sees ${field} ${reported}`)
    }
    const untouched = await component.getIp(macText(other.permanentAddress))
    want(untouched.dhcp && !untouched.addresses.includes('10.1.2.3'), `the other NIC: ${JSON.stringify(untouched)}`)
    const four = await autoValue(component, 'NetworkAddressIPv4')
    want(four === '10.1.2.3', `the guest says of itself: ${four}`)
    return {
      did: `set ${SETTING.addresses.join(' and ')} with masks, gateways and name servers for the NIC ${mac}`,
      saw: `the daemon wrote rc.conf and ran ${system.commands.join(', ')}; ${APPLIED}, via ${after.gateways.join(' and ')}, name servers ${after.dnsServers.join(' and ')}: in the guest, and in the host's view`,
    }
  })

/** Management of that host has no such request; the guest stays as it is. */
export const noInjection: Probe = (cell) =>
  withKvpDaemon(cell, async ({ component, adapters: [adapter], system }) => {
    const before = system.read('rc.conf')
    const outcome = await component.setIp({ ...SETTING, adapterId: `{${adapter.offer.instanceId}}` }).then(
      () => 'it was done',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    want(outcome !== 'it was done', 'the host was told that it was done')
    want(system.read('rc.conf') === before && system.commands.length === 0, `the guest has changed: ${outcome}`)
    await component.set(0, 'Key', 'Value')
    want((await component.get(0, 'Key')) === 'Value', 'the pools do not work')
    return { did: 'asked for an address all the same', saw: `${outcome}; rc.conf as before, the pools work` }
  })
