import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PortSettings } from '@bis/host'
import { Host, hostRelease, NetworkAdapter, VirtualSwitch } from '@bis/host'
import type { EthernetInterface } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { Machine } from '@bis/machine'
import { netvscDriver } from '@bis/netvsc'
import type { Bridge } from '../../../src/network/bridge.ts'
import { bridge } from '../../../src/network/bridge.ts'

const RELEASE = '2022'

/** A guest of the test, with its first NIC. */
export interface LanGuest {
  readonly machine: Machine
  readonly adapter: NetworkAdapter
  readonly network: EthernetInterface
}

/** Guests of one host on one switch, and a folder for sockets; all of it is gone afterwards. */
export class Lan implements AsyncDisposable {
  readonly switch = new VirtualSwitch({ clock: systemClock })
  readonly folder: string
  readonly #host = new Host({ release: RELEASE, clock: systemClock })
  readonly #things: AsyncDisposable[] = []
  #addresses = 0

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<Lan> {
    return new Lan(await mkdtemp(join(tmpdir(), 'bis-lan-')))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const thing of this.#things.splice(0).reverse()) await thing[Symbol.asyncDispose]()
    await this.#host[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Ends something with the network, before what was there earlier. */
  use<T extends AsyncDisposable>(thing: T): T {
    this.#things.push(thing)
    return thing
  }

  adapter(port: PortSettings = {}): NetworkAdapter {
    const n = ++this.#addresses
    return new NetworkAdapter({
      release: hostRelease(RELEASE),
      switch: this.switch,
      address: Uint8Array.of(0, 0x15, 0x5d, 0, n >>> 8, n & 0xff),
      instanceId: `f8615163-0000-4000-8000-${String(n).padStart(12, '0')}`,
      name: `nic${n}`,
      port,
    })
  }

  /** Boots a guest with a NIC. */
  async guest(port: PortSettings = {}, coalesce = true): Promise<LanGuest> {
    const adapter = this.adapter(port)
    const modules = [{ name: 'hv_netvsc', drivers: [netvscDriver({ coalesce })], dependencies: ['hv_vmbus'] }]
    const machine = await Machine.powerOn({ devices: [adapter], modules, memoryBytes: 128 * 2 ** 20 }, this.#host)
    this.use(machine)
    const network = machine.kernel.interfaces.get('hn0')
    if (network === undefined) throw new Error('the guest has no hn0')
    return { machine, adapter, network }
  }

  /** A guest whose interface is exported at a socket, as `bis net` does. */
  async bridgedGuest(path: string, mtu: number): Promise<LanGuest & { readonly bridge: Bridge }> {
    const guest = await this.guest({ macSpoofing: true }, false)
    await guest.network.configure({ promiscuous: true, mtu })
    return { ...guest, bridge: this.use(await bridge(guest.network, path)) }
  }
}
