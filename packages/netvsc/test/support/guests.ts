import type { HostReleaseName, NetworkAdapterOptions } from '@bis/host'
import { Host, hostRelease, NetworkAdapter, VirtualSwitch } from '@bis/host'
import type { EthernetInterface } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import type { MachineOptions } from '@bis/machine'
import { Machine } from '@bis/machine'
import type { HnInterface, NetvscSettings } from '../../src/index.ts'
import { netvscDriver } from '../../src/index.ts'

export const address = (n: number): Uint8Array => Uint8Array.of(0, 0x15, 0x5d, 0, 0, n)
export const instance = (n: number): string => `f8615163-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

export interface GuestOptions {
  readonly machine?: MachineOptions
  readonly settings?: Partial<NetvscSettings>
  readonly adapter?: Partial<NetworkAdapterOptions>
}

/** Guests on one switch of one host. */
export class Network implements AsyncDisposable {
  readonly host: Host
  readonly switch = new VirtualSwitch({ clock: systemClock })
  readonly machines: Machine[] = []

  readonly release: HostReleaseName

  constructor(release: HostReleaseName = '2022') {
    this.release = release
    this.host = new Host({ release, clock: systemClock })
  }

  adapter(options: Partial<NetworkAdapterOptions> = {}): NetworkAdapter {
    const n = this.switch.ports.length + 1
    return new NetworkAdapter({
      release: hostRelease(this.release),
      switch: this.switch,
      address: address(n),
      instanceId: instance(n),
      ...options,
    })
  }

  async guest(options: GuestOptions = {}): Promise<Guest> {
    const adapter = this.adapter(options.adapter)
    const machine = await Machine.powerOn(
      {
        devices: [adapter],
        modules: [{ name: 'hv_netvsc', drivers: [netvscDriver(options.settings)] }],
        verbose: true,
        ...options.machine,
      },
      this.host,
    )
    this.machines.push(machine)
    const hn = machine.kernel.interfaces.get('hn0')
    if (hn === undefined) throw new Error(machine.kernel.dmesg.lines.map(({ text }) => text).join('\n'))
    return { machine, adapter, hn: hn as HnInterface }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.machines) await machine.powerOff()
    await this.host[Symbol.asyncDispose]()
  }
}

export interface Guest {
  readonly machine: Machine
  readonly adapter: NetworkAdapter
  readonly hn: HnInterface
}

/** An Ethernet frame of so many bytes, its payload counting from `first`. */
export function frameOf(to: Uint8Array, from: Uint8Array, length = 60, first = 0): Uint8Array {
  const frame = new Uint8Array(length)
  frame.set(to.subarray(0, 6))
  frame.set(from.subarray(0, 6), 6)
  frame[12] = 0x88
  frame[13] = 0xb5
  for (let i = 14; i < length; i++) frame[i] = (i + first) & 0xff
  return frame
}

/** Collects copies of what arrives. */
export function collect(network: EthernetInterface): Uint8Array[] {
  const got: Uint8Array[] = []
  network.receive((frames, count) => {
    for (let i = 0; i < count; i++) {
      const frame = frames[i]
      if (frame !== undefined) got.push(frame.bytes.slice(frame.offset, frame.offset + frame.length))
    }
  })
  return got
}

export async function until(condition: () => boolean, what = 'it', milliseconds = 3000): Promise<void> {
  const end = Date.now() + milliseconds
  while (!condition()) {
    if (Date.now() > end) throw new Error(`${what} did not happen in ${milliseconds} ms`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

export const broadcast = new Uint8Array(6).fill(0xff)
