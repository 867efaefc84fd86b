import type { HostReleaseName, StorageController } from '@bis/host'
import { diskUnit, hostRelease, RamDisk, scsiController } from '@bis/host'
import type { Clock, GuestMemory, PageAllocator, VspDevice } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { connectedChannels } from '@bis/hyperv-types/loopback'
import type { GuestKernel } from '@bis/newbus'
import { addChannelBus, createKernel, DeviceTree } from '@bis/newbus'
import type { ScsiDisk } from '../../src/disk.ts'
import { storvsc } from '../../src/driver.ts'
import type { StorvscSettings } from '../../src/settings.ts'

export const MIB = 1024 * 1024
export const settingsOf = (release: HostReleaseName = '2025') => ({ release: hostRelease(release), instanceId: 'a' })

export interface BenchOptions {
  readonly clock?: Clock
  readonly memory?: GuestMemory
  readonly processorCount?: number
  readonly protocolVersion?: number
  readonly tunables?: Readonly<Record<string, string>>
  readonly settings?: Partial<StorvscSettings>
}

/** A guest whose only bus is a wire to one device of the host. */
export class Bench {
  readonly kernel: GuestKernel
  readonly tree: DeviceTree
  readonly channel: ReturnType<typeof connectedChannels>['channel']
  readonly memory: GuestMemory
  readonly pages: PageAllocator
  readonly rescind: () => Promise<void>
  readonly #settings: Partial<StorvscSettings>

  constructor(device: VspDevice, options: BenchOptions = {}) {
    const clock = options.clock ?? systemClock
    const { channel, memory, pages, rescind } = connectedChannels(device, { ...options, clock })
    this.channel = channel
    this.memory = memory
    this.pages = pages
    this.rescind = rescind
    this.#settings = options.settings ?? {}
    const tunables = options.tunables === undefined ? {} : { tunables: options.tunables }
    this.kernel = createKernel({ clock, pages, random: () => {}, ...tunables })
    this.tree = new DeviceTree(this.kernel)
  }

  /** Loads the driver and waits for its attach to end. */
  async attach(): Promise<this> {
    await this.tree.load({ name: 'hv_storvsc', drivers: [storvsc(this.#settings)] })
    if (this.tree.root.children.length === 0) await addChannelBus(this.tree, [this.channel])
    await this.tree.settled()
    return this
  }

  get dmesg(): readonly string[] {
    return this.kernel.dmesg.lines.map(({ text }) => text)
  }

  disk(name = 'da0'): ScsiDisk {
    const disk = this.kernel.disks.get(name)
    if (disk === undefined) throw new Error(`no ${name}:\n${this.dmesg.join('\n')}`)
    return disk as ScsiDisk
  }

  sysctl(name: string): unknown {
    return this.kernel.sysctl.get(name)
  }
}

/** A SCSI controller with one RAM disk at LUN 0. */
export function withRamDisk(sizeBytes = 4 * MIB, release: HostReleaseName = '2025'): [StorageController, RamDisk] {
  const settings = settingsOf(release)
  const controller = scsiController(settings)
  const ram = new RamDisk({ sizeBytes })
  controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(ram, settings))
  return [controller, ram]
}

export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * seed + seed) & 0xff)
}
