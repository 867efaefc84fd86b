import type { BlockDevice } from '@bis/hyperv-types'
import type { GuestMachine, GuestMachineOptions } from '@bis/machine'
import { Machine } from '@bis/machine'
import { RemoteRootMachine } from '@bis/machine/node'
import type { KernelModule } from '@bis/newbus'
import { storvsc } from '@bis/storvsc'
import type { BootOptions } from './boot-options.ts'
import { CliError } from './cli-error.ts'
import type { OpenDisk } from './disk-option.ts'
import { closeDisks, openDisks } from './disk-option.ts'
import { storageDevices } from './host-devices.ts'
import { rootWorker } from './root-worker-script.ts'

/** The drivers of every machine, by their kernel modules. */
const MODULES: readonly KernelModule[] = [{ name: 'hv_storvsc', drivers: [storvsc()], dependencies: ['hv_vmbus'] }]

/** A machine with the images of its disks, switched on. */
export class BootedMachine implements AsyncDisposable {
  readonly machine: GuestMachine
  readonly #disks: readonly OpenDisk[]
  /** The root is gone: there is nobody left to shut down with. */
  #abandoned = false

  private constructor(machine: GuestMachine, disks: readonly OpenDisk[]) {
    this.machine = machine
    this.#disks = disks
  }

  /** Opens the images and boots. @param print gets each line of dmesg as it comes */
  static async boot(options: BootOptions, print: (line: string) => void): Promise<BootedMachine> {
    const { release, generation, processorCount, memoryBytes, verbose, root } = options
    const guest = { modules: MODULES, release, generation, processorCount, memoryBytes, verbose, onDmesg: print }
    if (root.kind === 'inline') return bootInline(options, guest, (machine, disks) => new BootedMachine(machine, disks))
    const machine =
      root.kind === 'worker'
        ? await RemoteRootMachine.withWorkerRoot(rootWorker(release, options.disks), guest)
        : await RemoteRootMachine.withSocketRoot(root.path, guest)
    return new BootedMachine(machine, [])
  }

  get disks(): readonly BlockDevice[] {
    return this.machine.kernel.disks.list()
  }

  /** @throws CliError `failed` when the guest did not find its disk; dmesg tells why. */
  disk(name: string): BlockDevice {
    const disk = this.machine.kernel.disks.get(name)
    if (disk === undefined)
      throw new CliError('failed', `the guest has no ${name}; bis boot with the same flags shows why`)
    return disk
  }

  /** Resolves when the guest has switched itself off; rejects when its root has gone. */
  async ended(): Promise<void> {
    const { machine } = this
    if (!(machine instanceof RemoteRootMachine)) return void (await machine.off)
    const reason = await Promise.race([machine.off.then(() => undefined), machine.rootGone])
    if (reason === undefined || machine.partition.poweredOff) return
    this.#abandoned = true
    throw new CliError('failed', `the root is gone: ${reason}`)
  }

  /** Shuts the guest down and closes the images: everything written is in them. */
  async powerOff(): Promise<void> {
    if (this.#abandoned) return
    await this.machine.powerOff()
    await closeDisks(this.#disks)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.powerOff()
  }
}

async function bootInline<T>(
  { disks: images, release }: BootOptions,
  guest: GuestMachineOptions,
  make: (machine: Machine, disks: readonly OpenDisk[]) => T,
): Promise<T> {
  const disks = await openDisks(images)
  try {
    return make(await Machine.powerOn({ ...guest, devices: storageDevices(release, disks) }), disks)
  } catch (error) {
    await closeDisks(disks)
    throw error
  }
}
