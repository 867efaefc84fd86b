import { hostRelease, KvpComponent } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { allModules, Lan, powerOn } from '../guest.ts'

export function macText(address: Uint8Array): string {
  return [...address].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':')
}

/** The daemon has taken the driver's device, and the host lists each adapter with connection, addresses and status. */
export const kvpDaemon: Probe = async (cell) => {
  const component = new KvpComponent({ release: hostRelease(cell.host), clock: systemClock })
  await using lan = new Lan(cell)
  const adapters = [lan.adapter(), lan.adapter({ port: { connected: false } })]
  await using machine = await powerOn(cell, { devices: [...adapters, component], modules: allModules() })
  const daemon = machine.kernel.sysctl.get('dev.hvkvp.0.daemon')
  want(daemon === 'idle' || daemon === 'asked', `the daemon is ${daemon}`)
  const offersIp = hostRelease(cell.host).ic.kvp.length > 1
  if (offersIp) {
    const setting = { addressFamily: 1, dhcp: false, addresses: ['10.0.0.9'], subnets: ['255.0.0.0'] }
    const adapterId = `{${adapters[0]?.offer.instanceId}}`
    await component.setIp({ ...setting, adapterId, gateways: [], dnsServers: [] })
  }
  const view: string[] = []
  for (const { permanentAddress, switchPort, friendlyName } of adapters) {
    const mac = macText(permanentAddress)
    const addresses = offersIp ? (await component.getIp(mac)).addresses : []
    view.push(`${friendlyName} ${mac} ${switchPort.connected ? 'connected' : 'not connected'} ${addresses.join(',')}`)
  }
  want(!offersIp || view[0]?.includes('10.0.0.9') === true, view.join('; '))
  const values = await component.list(2)
  const status = `${component.state}, ${values.length} values of the guest`
  want(values.length > 0, status)
  return { did: 'let the daemon run and asked it for each adapter', saw: `${view.join('; ')}; ${status}` }
}
