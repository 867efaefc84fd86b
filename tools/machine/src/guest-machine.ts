import type { Driver, GuestMemory, PowerRequest } from '@bis/hyperv-types'
import { PageAllocator, systemClock } from '@bis/hyperv-types'
import type { GuestKernel, KernelModule } from '@bis/newbus'
import { createKernel, DeviceTree } from '@bis/newbus'
import { Partition } from '@bis/partition'
import type { VmbusDriver } from '@bis/vmbus'
import { vmbusDriver } from '@bis/vmbus'
import { ataDrivers, hasPci, pciDriver } from './legacy/index.ts'
import type { GuestMachineOptions } from './machine-options.ts'
import { platformRandom } from './platform-random.ts'
import { vmGuest } from './vm-guest.ts'

/** How a machine came to be off: switched off from outside, or by its guest. */
export interface PowerOff {
  readonly request: PowerRequest | 'host'
  readonly reason: string
}

/** A guest kernel on a partition. Who plays the root is another's business, here or elsewhere. */
export abstract class GuestMachine implements AsyncDisposable {
  readonly kernel: GuestKernel
  /** The guest's devices and modules. */
  readonly tree: DeviceTree
  readonly partition: Partition
  /** The module `hv_vmbus`, loaded or not. */
  readonly busModule: KernelModule
  readonly #bus: VmbusDriver
  /** Resolves when the machine is off. */
  readonly off: Promise<PowerOff>
  #powerOff: Promise<void> | undefined
  #resolveOff: (how: PowerOff) => void = () => {}

  protected constructor(options: GuestMachineOptions, memory: GuestMemory) {
    const { clock = systemClock, release = '2025', random = platformRandom, processorCount, generation } = options
    this.partition = new Partition({
      ...options.partition,
      memory,
      clock,
      release,
      ...(processorCount === undefined ? {} : { processorCount }),
      ...(generation === undefined ? {} : { generation }),
    })
    this.kernel = createKernel({
      clock,
      random,
      pages: new PageAllocator(memory),
      vmGuest: vmGuest((leaf) => this.partition.cpuid(leaf)),
      onPowerRequest: (request, reason) => this.#requestPower(request, reason),
      ...(options.tunables === undefined ? {} : { tunables: options.tunables }),
      ...(options.osReleaseDate === undefined ? {} : { osReleaseDate: options.osReleaseDate }),
      ...(options.fetchTunables === undefined ? {} : { fetchTunables: options.fetchTunables }),
      ...(options.verbose === undefined ? {} : { verbose: options.verbose }),
    })
    const { onDmesg } = options
    if (onDmesg !== undefined) this.kernel.dmesg.onLine(({ text }) => onDmesg(text))
    this.tree = new DeviceTree(options.adaptKernel?.(this.kernel) ?? this.kernel)
    this.#bus = vmbusDriver({ ...options.bus, hypervisor: this.partition })
    this.busModule = { name: 'hv_vmbus', drivers: [this.#bus] }
    this.off = new Promise((resolve) => {
      this.#resolveOff = resolve
    })
  }

  /** Shuts the guest down in good order, then switches off. A second call waits for the first. */
  powerOff(how: PowerOff = { request: 'host', reason: 'switched off' }): Promise<void> {
    this.#powerOff ??= this.#shutDown(how)
    return this.#powerOff
  }

  /** Pulls the plug: the guest is not asked, and finds its hypervisor gone. */
  turnOff(how: PowerOff = { request: 'host', reason: 'turned off' }): Promise<void> {
    this.#powerOff ??= this.#pullPlug(how)
    return this.#powerOff
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.powerOff()
  }

  /** The root has gone without a farewell: the guest waits for nothing of it any more. */
  protected rootHasGone(reason: string): void {
    if (!this.partition.poweredOff) this.#bus.attached?.hostGone(reason)
  }

  /** Lets go of the root, after the partition is off. */
  protected abstract releaseRoot(): Promise<void>

  /** Boots the guest; switches the machine off again when that fails. */
  protected async boot(options: GuestMachineOptions): Promise<void> {
    try {
      const { io } = this.partition
      const pci = io !== undefined && hasPci(io)
      if (pci) await this.tree.load({ name: 'kernel', drivers: [pciDriver as Driver, ...ataDrivers(options.ideNames)] })
      if (options.loadBus !== false) await this.tree.load(this.busModule)
      for (const module of options.modules ?? []) await this.tree.load(module)
      if (pci) this.tree.root.addChild({ location: 'pcib0', pnpinfo: '_HID=PNP0A03', ivars: io })
      const { vmbus } = this.partition.firmware
      if (vmbus !== undefined) {
        this.tree.root.addChild({ location: 'vmbus', pnpinfo: `_HID=${vmbus.hid}`, ivars: undefined })
      }
      await this.tree.settled()
    } catch (error) {
      await this.powerOff()
      throw error
    }
  }

  /** The guest answers the host before it goes, so the shutdown itself is a task of its own. */
  #requestPower(request: PowerRequest, reason: string): boolean {
    if (request === 'hibernate') return false
    this.kernel.clock.later(() => void this.powerOff({ request, reason }))
    return true
  }

  async #pullPlug(how: PowerOff): Promise<void> {
    this.partition.powerOff(how.reason)
    await this.releaseRoot()
    // What is left of the guest here must not go on; it may wait for answers that never come.
    const { clock } = this.kernel
    await Promise.race([this.tree.shutdown().catch(() => {}), new Promise<void>((done) => clock.after(1000, done))])
    this.#resolveOff(how)
  }

  async #shutDown(how: PowerOff): Promise<void> {
    await this.tree.shutdown()
    this.partition.powerOff(how.reason)
    await this.releaseRoot()
    this.#resolveOff(how)
  }
}
