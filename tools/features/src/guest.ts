import { ataDisengage } from '@bis/ata-disengage'
import type { DiskBackend, NetworkAdapterOptions, StorageController, SwitchFrame } from '@bis/host'
import { diskUnit, Host, hostRelease, NetworkAdapter, RamDisk, scsiController, VirtualSwitch } from '@bis/host'
import { BouncedDisk, guestOptions, StartQueue } from '@bis/hyperv-is'
import type { BlockDevice, Channel, Driver, EthernetInterface } from '@bis/hyperv-types'
import type { GuestServerOptions } from '@bis/kvp'
import { guestServer, kvpDriver } from '@bis/kvp'
import type { MachineOptions } from '@bis/machine'
import { Machine } from '@bis/machine'
import type { HnInterface, NetvscSettings } from '@bis/netvsc'
import { netvscDriver } from '@bis/netvsc'
import type { KernelModule } from '@bis/newbus'
import type { ScsiDisk } from '@bis/storvsc'
import { storvsc } from '@bis/storvsc'
import type { FileCopyOptions } from '@bis/utils'
import { utilsDrivers } from '@bis/utils'
import { CountedClock } from './counted-clock.ts'
import type { ProbeCell } from './feature.ts'
import { want } from './feature.ts'

export const MIB = 2 ** 20
const SCSI_INSTANCE = 'f8b3781a-1e82-4818-a1c3-63d806ec15bb'
const dependencies = ['hv_vmbus']

/** The five modules, all drivers in them. */
export function allModules(
  settings: Partial<NetvscSettings> = {},
  files: Pick<GuestServerOptions, 'pools'> & FileCopyOptions = {},
): readonly KernelModule[] {
  const utils = [...utilsDrivers(files), kvpDriver({ daemon: guestServer(files) })]
  return [
    { name: 'hv_ata_pci_disengage', drivers: [ataDisengage() as unknown as Driver] },
    { name: 'hv_utils', drivers: utils, dependencies },
    { name: 'hv_storvsc', drivers: [storvsc()], dependencies },
    { name: 'hv_netvsc', drivers: [netvscDriver(settings)], dependencies },
  ]
}

/** Switches on a guest of the cell's release on its host, with all drivers. */
export function powerOn({ profile, host }: ProbeCell, options: MachineOptions = {}, on?: Host): Promise<Machine> {
  const release = guestOptions(profile)
  return Machine.powerOn(
    { modules: allModules(), ...release, ...options, release: host, bus: { ...release.bus, ...options.bus } },
    on,
  )
}

/** A SCSI controller with one disk at LUN 0. */
export function controllerWith({ host }: ProbeCell, backend: DiskBackend): StorageController {
  const release = hostRelease(host)
  const controller = scsiController({ release, instanceId: SCSI_INSTANCE })
  controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(backend, { release }))
  return controller
}

export const ramDisk = (mib = 8): RamDisk => new RamDisk({ sizeBytes: mib * MIB })

/** A disk as the rest of the guest has it. */
export function disk(machine: Machine, name = 'da0'): BlockDevice {
  const found = machine.kernel.disks.get(name)
  want(found !== undefined, `the guest has no ${name}`)
  return found
}

/** A disk as its driver made it. */
export function scsiDisk(machine: Machine, name = 'da0'): ScsiDisk {
  const found = disk(machine, name)
  return (found instanceof BouncedDisk ? found.device : found) as ScsiDisk
}

export function network(machine: Machine, name = 'hn0'): EthernetInterface {
  const found = machine.kernel.interfaces.get(name)
  want(found !== undefined, `the guest has no ${name}`)
  return found
}

/** An interface as its driver made it. */
export function hn(machine: Machine, name = 'hn0'): HnInterface {
  const found = network(machine, name)
  return (found instanceof StartQueue ? found.device : found) as HnInterface
}

export interface LanGuest {
  readonly machine: Machine
  readonly adapter: NetworkAdapter
  /** As the rest of the guest has it. */
  readonly net: EthernetInterface
  readonly hn: HnInterface
}

/** A frame as it leaves the host. */
export interface WireFrame {
  readonly bytes: Uint8Array
  /** 0 for an untagged frame. */
  readonly vlan: number
}

export interface Wire {
  readonly frames: readonly WireFrame[]
  /** Of someone out there: frames to it leave the host. */
  readonly address: Uint8Array
}

/** Guests of one cell on one switch. */
export class Lan implements AsyncDisposable {
  /** Of the host, its switch and its guests. */
  readonly clock = new CountedClock()
  readonly switch = new VirtualSwitch({ clock: this.clock })
  readonly #cell: ProbeCell
  readonly #host: Host
  readonly #machines: Machine[] = []
  #count = 0

  constructor(cell: ProbeCell) {
    this.#cell = cell
    this.#host = new Host({ release: cell.host, clock: this.clock })
  }

  adapter(options: Partial<NetworkAdapterOptions> = {}): NetworkAdapter {
    const number = ++this.#count
    return new NetworkAdapter({
      release: hostRelease(this.#cell.host),
      instanceId: `f8615163-0000-4000-8000-${number.toString(16).padStart(12, '0')}`,
      switch: this.switch,
      address: macOf(number),
      ...options,
    })
  }

  async guest(
    adapterOptions: Partial<NetworkAdapterOptions> = {},
    machineOptions: MachineOptions = {},
    settings: Partial<NetvscSettings> = {},
  ): Promise<LanGuest> {
    const adapter = this.adapter(adapterOptions)
    const options = { modules: allModules(settings), clock: this.clock, ...machineOptions, devices: [adapter] }
    const machine = await powerOn(this.#cell, options, this.#host)
    this.#machines.push(machine)
    return { machine, adapter, net: network(machine), hn: hn(machine) }
  }

  /** A port of the switch to the world outside. */
  wire(): Wire {
    const frames: WireFrame[] = []
    const client = {
      takesChecksums: false,
      takesSegments: 0,
      deliver({ bytes, offset, length, vlan }: SwitchFrame): void {
        frames.push({ bytes: bytes.slice(offset, offset + length), vlan })
      },
    }
    this.switch.addPort({ name: 'wire', kind: 'external', vlan: { mode: 'trunk', native: 0, allowed: [5, 6] } }, client)
    return { frames, address: macOf(250) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#machines) await machine.powerOff()
    await this.#host[Symbol.asyncDispose]()
  }
}

export const macOf = (number: number): Uint8Array => Uint8Array.of(0, 0x15, 0x5d, 0, 0, number)

/** A frame of an experimental protocol whose payload counts from `first`. */
export function frameOf(to: Uint8Array, from: Uint8Array, length: number, first = 0): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, i) => (i + first) & 0xff)
  frame.set(to.subarray(0, 6))
  frame.set(from.subarray(0, 6), 6)
  frame.set([0x88, 0xb5], 12)
  return frame
}

export interface Arrived {
  readonly bytes: Uint8Array
  readonly vlan: number
  readonly queue: number
  readonly segments: number
  /** 32 bits, unsigned; 0 when the host gave none. */
  readonly hash: number
}

/** Copies of the frames that arrive. */
export function collect(from: EthernetInterface): Arrived[] {
  const got: Arrived[] = []
  from.receive((frames, count) => {
    for (const { bytes, offset, length, vlan, queue, segments, hash } of frames.slice(0, count))
      got.push({ bytes: bytes.slice(offset, offset + length), vlan, queue, segments, hash: hash >>> 0 })
  })
  return got
}

/** The channel that a device of the guest works on. */
export function channelOf(machine: Machine, nameunit: string): Channel {
  const device = machine.tree.find(nameunit)
  want(device !== undefined, `the guest has no ${nameunit}`)
  return device.ivars as Channel
}

/** Bytes by a simple rule, to be compared. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = Math.imul(i + seed, 2_654_435_761) >>> 24
  return bytes
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** Writes, looks at the host's end when that is given, and reads back. */
export async function exercise(
  target: BlockDevice,
  offset: number,
  length: number,
  seed = 1,
  host?: Pick<DiskBackend, 'read'>,
): Promise<void> {
  const data = pattern(length, seed)
  await target.write(offset, data)
  await target.flush()
  const there = new Uint8Array(length)
  await host?.read(offset, there)
  want(host === undefined || same(there, data), `${target.name}: the host's disk has other bytes at ${offset}`)
  const back = new Uint8Array(length)
  await target.read(offset, back)
  want(same(back, data), `${target.name}: ${length} bytes at ${offset} read back otherwise`)
}
