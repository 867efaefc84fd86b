import type { GuestOptions, Host, VmbusServer } from '@bis/host'
import type { Attachment, Channel, Clock, Driver } from '@bis/hyperv-types'
import { GuestMemory, PageAllocator, ProbePriority } from '@bis/hyperv-types'
import type { GuestKernel } from '@bis/newbus'
import { createKernel, DeviceTree } from '@bis/newbus'
import { Partition } from '@bis/partition'
import type { VmbusDriver, VmbusOptions } from '@bis/vmbus'
import { vmbusDriver } from '@bis/vmbus'

export interface RealGuestOptions {
  readonly server?: GuestOptions
  readonly bus?: Partial<VmbusOptions>
  readonly processors?: number
  readonly vpIndices?: readonly number[]
}

/** A guest with the real bus driver in a partition, on a host under test. */
export class RealGuest {
  readonly partition: Partition
  readonly server: VmbusServer
  readonly kernel: GuestKernel
  readonly tree: DeviceTree
  readonly pages: PageAllocator
  readonly bus: VmbusDriver
  /** Channels that the guest has, by instance. */
  readonly channels = new Map<string, Channel>()
  readonly #clock: Clock

  constructor(host: Host, clock: Clock, options: RealGuestOptions = {}) {
    this.#clock = clock
    const memory = GuestMemory.allocate(8 * 2 ** 20, { kind: 'shared' })
    const { vpIndices } = options
    this.partition = new Partition({
      memory,
      clock,
      release: host.release.name,
      processorCount: options.processors ?? vpIndices?.length ?? 2,
      ...(vpIndices === undefined ? {} : { vpIndices }),
    })
    this.server = host.addGuest(this.partition.ports, options.server)
    this.pages = new PageAllocator(memory, 4096)
    this.kernel = createKernel({ clock, random: (bytes) => bytes.fill(7), pages: this.pages })
    this.tree = new DeviceTree(this.kernel)
    this.bus = vmbusDriver({ ...options.bus, hypervisor: this.partition })
    void this.tree.load({ name: 'hv_vmbus', drivers: [this.bus] })
    void this.tree.load({ name: 'test', drivers: [this.#driver()] })
  }

  boot(): void {
    this.tree.root.addChild({ location: 'vmbus', pnpinfo: '_HID=VMBUS', ivars: undefined })
  }

  get dmesg(): string[] {
    return this.kernel.dmesg.lines.map(({ text }) => text)
  }

  get clock(): Clock {
    return this.#clock
  }

  #driver(): Driver {
    const driver: Driver<Channel> = {
      name: 'probe',
      module: 'test',
      bus: 'vmbus',
      probe: () => ({ priority: ProbePriority.generic, description: 'Probe' }),
      attach: async (device): Promise<Attachment> => {
        const channel = device.ivars
        this.channels.set(channel.offer.instanceId, channel)
        return {
          [Symbol.asyncDispose]: async () => {
            if (this.channels.get(channel.offer.instanceId) === channel) this.channels.delete(channel.offer.instanceId)
            await channel.close()
          },
        }
      },
    }
    return driver as Driver
  }
}
