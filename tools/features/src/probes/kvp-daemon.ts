import type { NetworkAdapter } from '@bis/host'
import { hostRelease } from '@bis/host'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import type { KvpScene } from '../kvp-scene.ts'
import { autoValue, macText, withKvpDaemon } from '../kvp-scene.ts'

/** The daemon serves the driver's device, and the host lists each adapter with connection, addresses and status. */
export const kvpDaemon: Probe = (cell) =>
  withKvpDaemon(cell, async (scene) => {
    const { component, adapters, system, machine } = scene
    const daemon = machine.kernel.sysctl.get('dev.hvkvp.0.daemon')
    want(daemon === 'idle', `the daemon is ${daemon}`)
    // 2008 R2 knows the addresses from the pool only; later hosts ask for each adapter.
    const byAdapter = hostRelease(cell.host).ic.kvp.some(({ major }) => major >= 4)
    const view = (): Promise<string[]> => Promise.all(adapters.map((adapter) => line(scene, adapter, byAdapter)))
    const [mac, otherMac] = adapters.map(({ permanentAddress }) => macText(permanentAddress))
    const seen: string[] = []
    for (const address of ['172.16.0.5', '172.16.0.6']) {
      // The guest's administrator does this.
      system.write('rc.conf', `ifconfig_hn0="inet ${address} netmask 255.255.0.0"\n`)
      await system.run('service', ['netif', 'restart', 'hn0'])
      const [first, second] = await view()
      want(first === `Network Adapter ${mac} connected ${address} ok`, `with ${address} set, the host sees ${first}`)
      want(second === `Network Adapter ${otherMac} not connected fe80::1 ok` || !byAdapter, `the host sees ${second}`)
      seen.push(`${first}; ${second}`)
    }
    want(component.state === 'ready', `the component is ${component.state}`)
    return {
      did: 'set an address in the guest, then another, and asked for the adapters each time',
      saw: seen.join('; later '),
    }
  })

async function line({ component }: KvpScene, adapter: NetworkAdapter, byAdapter: boolean): Promise<string> {
  const mac = macText(adapter.permanentAddress)
  const { connected } = adapter.switchPort
  const told = connected ? await autoValue(component, 'NetworkAddressIPv4') : 'unknown'
  const addresses = byAdapter ? (await component.getIp(mac)).addresses.join(',') : told
  const connection = connected ? 'connected' : 'not connected'
  return `${adapter.friendlyName} ${mac} ${connection} ${addresses} ${adapter.running ? 'ok' : 'no driver'}`
}
