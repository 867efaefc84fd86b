import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NetworkAdapter } from '@bis/host'
import { hostRelease, KvpComponent } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { formatMac } from '@bis/hyperv-types/ethernet'
import { isIpv4, kvpDriver, MemoryPool, PoolServer } from '@bis/kvp'
import { FreeBsdNetwork } from '@bis/kvp/node'
import type { Machine } from '@bis/machine'
import type { ProbeCell } from './feature.ts'
import { FreeBsdSystem } from './freebsd-system.ts'
import { allModules, Lan, powerOn } from './guest.ts'

export interface KvpScene {
  readonly component: KvpComponent
  /** One with its cable plugged in, one without. */
  readonly adapters: readonly [NetworkAdapter, NetworkAdapter]
  readonly system: FreeBsdSystem
  readonly machine: Machine
}

/** A guest with two NICs, whose KVP daemon tells and sets the network of a FreeBSD system. */
export async function withKvpDaemon<T>(cell: ProbeCell, act: (scene: KvpScene) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'bis-ip-'))
  try {
    await using lan = new Lan(cell)
    let booted: Machine | undefined
    const system = new FreeBsdSystem(root, () => {
      const all = booted?.kernel.interfaces.list() ?? []
      return new Map(all.map(({ name, settings }) => [name, formatMac(settings.address)]))
    })
    const addresses = (four: boolean): string => {
      const all = [...system.addresses.values()].flat().map(({ address }) => address)
      return all.filter((address) => isIpv4(address) === four).join(';')
    }
    const daemon = new PoolServer({
      pools: ([0, 1, 2, 3, 4] as const).map((number) => new MemoryPool(number)),
      network: new FreeBsdNetwork({ folder: root, root, run: system.run, interfaces: system.interfaces }),
      autoValues: () => ({ NetworkAddressIPv4: addresses(true), NetworkAddressIPv6: addresses(false) }),
    })
    const component = new KvpComponent({ release: hostRelease(cell.host), clock: systemClock })
    const adapters = [lan.adapter(), lan.adapter({ port: { connected: false } })] as const
    const drivers = [kvpDriver({ device: 'freebsd', daemon })]
    const netvsc = allModules().filter(({ name }) => name === 'hv_netvsc')
    const modules = [...netvsc, { name: 'hv_utils', drivers, dependencies: ['hv_vmbus'] }]
    await using machine = await powerOn(cell, { devices: [...adapters, component], modules })
    booted = machine
    return await act({ component, adapters, system, machine })
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

/** A MAC address as a host names an adapter by it. */
export function macText(address: Uint8Array): string {
  return formatMac(address).toUpperCase()
}

/** An item of the pool in which the guest describes itself. */
export async function autoValue(component: KvpComponent, wanted: string): Promise<string> {
  const items = await component.list(2)
  return items.find(({ key }) => key === wanted)?.value ?? ''
}
