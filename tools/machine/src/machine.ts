import type { VmbusServer } from '@bis/host'
import { Host } from '@bis/host'
import type { VspDevice, VspPort } from '@bis/hyperv-types'
import { GuestMemory, systemClock } from '@bis/hyperv-types'
import { GuestMachine } from './guest-machine.ts'
import type { MachineOptions } from './machine-options.ts'
import { DEFAULT_MEMORY_BYTES, gapBaseOf } from './machine-options.ts'

/** A machine that is switched on: guest kernel, hypervisor and host in one thread. */
export class Machine extends GuestMachine {
  readonly host: Host
  /** The host's end of this machine's VMBus. */
  readonly server: VmbusServer
  readonly #ownsHost: boolean

  /** @param host runs the machine beside its other guests; without it the machine has one of its own. */
  private constructor(options: MachineOptions, host: Host | undefined) {
    const { memoryBytes = DEFAULT_MEMORY_BYTES, memoryKind, clock = systemClock, hostLog } = options
    const release = host?.release.name ?? options.release ?? '2025'
    super(
      { ...options, release },
      GuestMemory.allocate(memoryBytes, {
        ...(memoryKind === undefined ? {} : { kind: memoryKind }),
        ...gapBaseOf(options),
      }),
    )
    for (const device of options.chipset ?? []) {
      if (this.partition.io === undefined) throw new RangeError('a generation 2 machine has no devices at I/O ports')
      this.partition.io.plug(device)
    }
    this.#ownsHost = host === undefined
    this.host = host ?? new Host({ release, clock, ...(hostLog === undefined ? {} : { log: hostLog }) })
    this.server = this.host.addGuest(this.partition.ports, options.guest)
  }

  /**
   * Switches a machine on: the guest boots, and every device found is attached (or listed as failed) when this resolves.
   */
  static async powerOn(options: MachineOptions = {}, host?: Host): Promise<Machine> {
    const machine = new Machine(options, host)
    for (const device of options.devices ?? []) machine.plug(device)
    await machine.boot(options)
    return machine
  }

  /** Puts a device on the host's bus; a running guest finds it at once. */
  plug(device: VspDevice): VspPort {
    return this.server.offer(device)
  }

  protected override async releaseRoot(): Promise<void> {
    await this.host.removeGuest(this.server)
    if (this.#ownsHost) await this.host[Symbol.asyncDispose]()
  }
}
