import type { VmbusServer } from '@bis/host'
import { Host } from '@bis/host'
import type { PowerRequest, VspDevice, VspPort } from '@bis/hyperv-types'
import { GuestMemory, PageAllocator, systemClock } from '@bis/hyperv-types'
import type { GuestKernel } from '@bis/newbus'
import { createKernel, DeviceTree } from '@bis/newbus'
import { Partition } from '@bis/partition'
import type { VmbusDriver } from '@bis/vmbus'
import { vmbusDriver } from '@bis/vmbus'
import type { MachineOptions } from './machine-options.ts'
import { platformRandom } from './platform-random.ts'

const DEFAULT_MEMORY_BYTES = 64 * 2 ** 20
const DEFAULT_RELEASE = '2025'

/** How a machine came to be off: switched off from outside, or by its guest. */
export interface PowerOff {
  readonly request: PowerRequest | 'host'
  readonly reason: string
}

/** A machine that is switched on: guest kernel, hypervisor and host in one process. */
export class Machine implements AsyncDisposable {
  readonly kernel: GuestKernel
  /** The guest's devices and modules. */
  readonly tree: DeviceTree
  readonly partition: Partition
  readonly host: Host
  /** The host's end of this machine's VMBus. */
  readonly server: VmbusServer
  /** Resolves when the machine is off. */
  readonly off: Promise<PowerOff>
  readonly #bus: VmbusDriver
  readonly #ownsHost: boolean
  #powerOff: Promise<void> | undefined
  #resolveOff: (how: PowerOff) => void = () => {}

  /** @param host runs the machine beside its other guests; without it the machine has one of its own. */
  constructor(options: MachineOptions = {}, host?: Host) {
    const clock = options.clock ?? systemClock
    const kind = options.memoryKind === undefined ? {} : { kind: options.memoryKind }
    const memory = GuestMemory.allocate(options.memoryBytes ?? DEFAULT_MEMORY_BYTES, kind)
    const release = host?.release.name ?? options.release ?? DEFAULT_RELEASE
    this.partition = new Partition({
      ...options.partition,
      memory,
      clock,
      release,
      ...(options.processorCount === undefined ? {} : { processorCount: options.processorCount }),
      ...(options.generation === undefined ? {} : { generation: options.generation }),
    })
    const log = options.hostLog === undefined ? {} : { log: options.hostLog }
    this.#ownsHost = host === undefined
    this.host = host ?? new Host({ release, clock, ...log })
    this.server = this.host.addGuest(this.partition.ports, options.guest)
    this.kernel = createKernel({
      clock,
      random: options.random ?? platformRandom,
      pages: new PageAllocator(memory),
      onPowerRequest: (request, reason) => this.#requestPower(request, reason),
      ...(options.tunables === undefined ? {} : { tunables: options.tunables }),
      ...(options.verbose === undefined ? {} : { verbose: options.verbose }),
    })
    const { onDmesg } = options
    if (onDmesg !== undefined) this.kernel.dmesg.onLine(({ text }) => onDmesg(text))
    this.tree = new DeviceTree(this.kernel)
    this.#bus = vmbusDriver({ ...options.bus, hypervisor: this.partition })
    this.off = new Promise((resolve) => {
      this.#resolveOff = resolve
    })
  }

  /** Puts a device on the host's bus; a running guest finds it at once. */
  plug(device: VspDevice): VspPort {
    return this.server.offer(device)
  }

  /**
   * Switches the machine on and off again when that fails: the guest boots and every device found is attached (or
   * listed as failed) when this resolves.
   */
  static async powerOn(options: MachineOptions = {}, host?: Host): Promise<Machine> {
    const machine = new Machine(options, host)
    try {
      for (const device of options.devices ?? []) machine.plug(device)
      await machine.#boot(options)
      return machine
    } catch (error) {
      await machine.powerOff()
      throw error
    }
  }

  /** Shuts the guest down in good order, then switches off. A second call waits for the first. */
  powerOff(how: PowerOff = { request: 'host', reason: 'switched off' }): Promise<void> {
    this.#powerOff ??= this.#shutDown(how)
    return this.#powerOff
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.powerOff()
  }

  async #boot(options: MachineOptions): Promise<void> {
    await this.tree.load({ name: 'hv_vmbus', drivers: [this.#bus] })
    for (const module of options.modules ?? []) await this.tree.load(module)
    const { vmbus } = this.partition.firmware
    if (vmbus !== undefined) {
      this.tree.root.addChild({ location: 'vmbus', pnpinfo: `_HID=${vmbus.hid}`, ivars: undefined })
    }
    await this.tree.settled()
  }

  /** The guest answers the host before it goes, so the shutdown itself is a task of its own. */
  #requestPower(request: PowerRequest, reason: string): boolean {
    if (request === 'hibernate') return false
    this.kernel.clock.later(() => void this.powerOff({ request, reason }))
    return true
  }

  async #shutDown(how: PowerOff): Promise<void> {
    await this.tree.shutdown()
    this.partition.powerOff(how.reason)
    await this.host.removeGuest(this.server)
    if (this.#ownsHost) await this.host[Symbol.asyncDispose]()
    this.#resolveOff(how)
  }
}
