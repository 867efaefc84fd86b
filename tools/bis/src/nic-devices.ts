import type { WriteStream } from 'node:fs'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { HostReleaseName } from '@bis/host'
import { hostRelease, NetworkAdapter, VirtualSwitch } from '@bis/host'
import { StreamPort } from '@bis/host/node'
import { systemClock } from '@bis/hyperv-types'
import { CliError } from './cli-error.ts'
import type { NicOption } from './nic-option.ts'

export interface NicSettings {
  /** Lets the guest use other addresses than its NIC's, as a bridge needs. */
  readonly spoofing?: boolean
  /** File for a capture of every NIC's port. */
  readonly capture?: string
}

/** The machine's switch with its NICs, and what they are connected to outside. */
export class Nics implements AsyncDisposable {
  readonly devices: NetworkAdapter[] = []
  readonly #switch = new VirtualSwitch({ clock: systemClock })
  readonly #outside: StreamPort[] = []
  #capture: WriteStream | undefined

  /** @throws CliError `failed` when a socket or the capture file cannot be opened */
  static async open(
    options: readonly NicOption[],
    releaseName: HostReleaseName,
    settings: NicSettings = {},
  ): Promise<Nics> {
    const nics = new Nics()
    try {
      for (const [index, option] of options.entries()) await nics.#add(option, index, releaseName, settings)
      if (settings.capture !== undefined) await nics.#startCapture(settings.capture)
      return nics
    } catch (error) {
      await nics[Symbol.asyncDispose]()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const port of this.#outside.splice(0)) await port[Symbol.asyncDispose]()
    const capture = this.#capture
    this.#capture = undefined
    if (capture === undefined) return
    capture.end()
    await finished(capture).catch(() => {})
  }

  async #add(
    { port, address, vlan }: NicOption,
    index: number,
    releaseName: HostReleaseName,
    settings: NicSettings,
  ): Promise<void> {
    const number = (index + 1).toString(16).padStart(2, '0')
    // Each stream is a wire of its own: the NIC and its socket have a switch to themselves.
    const lan = port.kind === 'stream' ? new VirtualSwitch({ clock: systemClock }) : this.#switch
    const nic = new NetworkAdapter({
      release: hostRelease(releaseName),
      instanceId: `d34b2567-b9b6-42b9-8778-0a4ec0b955${number}`,
      switch: lan,
      name: `hn${index}`,
      address: address ?? Uint8Array.of(0x00, 0x15, 0x5d, 0x00, 0x00, index + 1),
      port: { vlan, macSpoofing: settings.spoofing ?? false, connected: port.kind !== 'none' },
    })
    this.devices.push(nic)
    if (port.kind !== 'stream') return
    try {
      const trunk = { mode: 'trunk', native: 0, allowed: Array.from({ length: 4094 }, (_, i) => i + 1) } as const
      this.#outside.push(await StreamPort.open({ switch: lan, path: port.path, port: { vlan: trunk } }))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new CliError('failed', `--nic stream:${port.path}: ${why}; start what listens there first`)
    }
  }

  async #startCapture(path: string): Promise<void> {
    const file = createWriteStream(path)
    await new Promise<void>((resolve, reject) => {
      file.once('open', () => resolve())
      file.once('error', (error) => reject(new CliError('failed', `--capture ${path}: ${error.message}`)))
    })
    this.#capture = file
    const ports = this.devices.map(({ switchPort }) => switchPort)
    this.#switch.capture(ports, (bytes) => void file.write(bytes))
  }
}
