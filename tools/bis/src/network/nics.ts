import type { HostReleaseName, VlanMode } from '@bis/host'
import { hostRelease, NetworkAdapter, VirtualSwitch } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { formatMac } from '@bis/hyperv-types/ethernet'
import { CliError } from '../cli-error.ts'
import { NicCapture } from './capture.ts'
import type { NicOption, NicPort } from './nic-option.ts'
import { formatNicPort } from './nic-option.ts'
import { openOutside } from './outside.ts'

/** A NIC has a hundred others beside it at most, by the number in its instance. */
const MOST_NICS = 99

export interface NicSettings {
  /** Every NIC's guest may use other addresses than its own. */
  readonly spoofing?: boolean
  /** File for a capture of every NIC's port. */
  readonly capture?: string
}

/** Takes devices for its guest: a machine's VMBus. */
export interface DeviceBus {
  offer(device: NetworkAdapter): unknown
}

interface Nic {
  readonly name: string
  readonly number: number
  readonly adapter: NetworkAdapter
  port: NicPort
  /** What is beyond the switch; ends with the connection. */
  outside: AsyncDisposable | undefined
}

/** The machine's switch with its NICs, and what they are connected to outside. They stay while guests come and go. */
export class Nics implements AsyncDisposable {
  readonly #release: HostReleaseName
  readonly #settings: NicSettings
  readonly #switch = new VirtualSwitch({ clock: systemClock })
  #nics: Nic[] = []
  #capture: NicCapture | undefined

  private constructor(release: HostReleaseName, settings: NicSettings) {
    this.#release = release
    this.#settings = settings
  }

  /** @throws CliError `failed` when a socket or a file cannot be opened */
  static async open(
    options: readonly NicOption[],
    release: HostReleaseName,
    settings: NicSettings = {},
  ): Promise<Nics> {
    const nics = new Nics(release, settings)
    try {
      if (settings.capture !== undefined) nics.#capture = await NicCapture.open(settings.capture)
      for (const option of options) await nics.add(option)
      return nics
    } catch (error) {
      await nics[Symbol.asyncDispose]()
      throw error
    }
  }

  /** In the order in which they were plugged in. */
  get devices(): readonly NetworkAdapter[] {
    return this.#nics.map(({ adapter }) => adapter)
  }

  /** The NICs as they are now: what opens the same ones again. */
  get options(): NicOption[] {
    return this.#nics.map(({ adapter, port }) => {
      const { vlan = { mode: 'untagged' }, macSpoofing = false } = adapter.switchPort.settings
      return {
        port: adapter.linkUp ? port : { kind: 'none' },
        address: adapter.permanentAddress,
        vlan,
        spoofing: macSpoofing,
      }
    })
  }

  /** What a NIC is connected to, as a user writes it; undefined when its cable is out. */
  connectionOf(adapter: NetworkAdapter): string | undefined {
    const nic = this.#nics.find((one) => one.adapter === adapter)
    return nic === undefined || !adapter.linkUp ? undefined : formatNicPort(nic.port)
  }

  /** Plugs in a NIC. @param bus of a guest that runs already @returns its name */
  async add({ port, address, vlan, spoofing }: NicOption, bus?: DeviceBus): Promise<string> {
    let number = 0
    while (this.#nics.some((nic) => nic.number === number)) number++
    if (number > MOST_NICS) throw new CliError('failed', `a machine has ${MOST_NICS + 1} NICs at most`)
    const name = `hn${number}`
    const own = address ?? Uint8Array.of(0x00, 0x15, 0x5d, 0x00, 0x00, number + 1)
    const twin = this.#nics.find(({ adapter }) => formatMac(adapter.permanentAddress) === formatMac(own))
    if (twin !== undefined) throw new CliError('failed', `${twin.name} has the address ${formatMac(own)} already`)
    const adapter = new NetworkAdapter({
      release: hostRelease(this.#release),
      instanceId: `d34b2567-b9b6-42b9-8778-0a4ec0b955${String(number + 1).padStart(2, '0')}`,
      switch: port.kind === 'switch' ? this.#switch : new VirtualSwitch({ clock: systemClock }),
      name,
      address: own,
      port: { vlan, macSpoofing: spoofing || this.#settings.spoofing === true, connected: port.kind === 'switch' },
    })
    const nic: Nic = { name, number, adapter, port: { kind: 'none' }, outside: undefined }
    this.#capture?.add(adapter, name)
    try {
      await this.#connect(nic, port)
    } catch (error) {
      adapter.remove()
      throw error
    }
    this.#nics.push(nic)
    this.#nics.sort((one, other) => one.number - other.number)
    bus?.offer(adapter)
    return name
  }

  /** Takes a NIC out; resolves when the guest has let go of it. */
  async remove(name: string): Promise<void> {
    const nic = this.#find(name)
    this.#nics = this.#nics.filter((other) => other !== nic)
    await nic.adapter.unplug()
    await nic.outside?.[Symbol.asyncDispose]()
  }

  /** Plugs the NIC's cable into something else, or in again where it was. */
  async connect(name: string, port?: NicPort): Promise<void> {
    const nic = this.#find(name)
    const target = port ?? (nic.port.kind === 'none' ? ({ kind: 'switch' } as const) : nic.port)
    if (port === undefined && nic.port.kind === target.kind) nic.adapter.switchPort.configure({ connected: true })
    else await this.#connect(nic, target)
  }

  /** Pulls the NIC's cable. */
  disconnect(name: string): void {
    this.#find(name).adapter.switchPort.configure({ connected: false })
  }

  setVlan(name: string, vlan: VlanMode): void {
    this.#find(name).adapter.switchPort.configure({ vlan })
  }

  /** @throws CliError `failed` when not all of the capture could be written */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { outside } of this.#nics) await outside?.[Symbol.asyncDispose]()
    const capture = this.#capture
    this.#capture = undefined
    await capture?.[Symbol.asyncDispose]()
  }

  #find(name: string): Nic {
    const nic = this.#nics.find((one) => one.name === name || formatMac(one.adapter.permanentAddress) === name)
    if (nic !== undefined) return nic
    const there = this.#nics.length === 0 ? 'there is none' : `there is ${this.#nics.map((one) => one.name).join(', ')}`
    throw new CliError('usage', `no NIC ${JSON.stringify(name)}; ${there}`)
  }

  /** Each stream and each replay is a wire of its own: the NIC has a switch to itself there. */
  async #connect(nic: Nic, port: NicPort): Promise<void> {
    const { adapter } = nic
    const lan = port.kind === 'switch' ? this.#switch : new VirtualSwitch({ clock: systemClock })
    // First, so that a connection that cannot be made leaves the one there is; its own socket it may use again.
    if (sameSocket(nic.port, port)) await endOutside(nic)
    const outside = await openOutside(adapter, port, lan)
    if (port.kind === 'none') adapter.switchPort.configure({ connected: false })
    else if (lan.ports.includes(adapter.switchPort)) adapter.switchPort.configure({ connected: true })
    else adapter.connectTo(lan)
    this.#capture?.add(adapter, nic.name)
    await endOutside(nic)
    nic.port = port
    nic.outside = outside
  }
}

async function endOutside(nic: Nic): Promise<void> {
  const { outside } = nic
  nic.outside = undefined
  await outside?.[Symbol.asyncDispose]()
}

function sameSocket(one: NicPort, other: NicPort): boolean {
  return one.kind === 'stream' && other.kind === 'stream' && one.path === other.path
}
