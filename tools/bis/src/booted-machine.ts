import { diskUnit, hostRelease, ideDisk, scsiController } from '@bis/host'
import type { BlockDevice, VspDevice } from '@bis/hyperv-types'
import { Machine } from '@bis/machine'
import type { KernelModule } from '@bis/newbus'
import { storvsc } from '@bis/storvsc'
import type { BootOptions } from './boot-options.ts'
import { CliError } from './cli-error.ts'
import type { OpenDisk } from './disk-option.ts'
import { openDisks } from './disk-option.ts'

/** The instance that Azure gives the controller of a generation 2 machine's own disks. */
const SCSI_INSTANCE = 'f8b3781a-1e82-4818-a1c3-63d806ec15bb'

/** The drivers of every machine, by their kernel modules. */
const MODULES: readonly KernelModule[] = [{ name: 'hv_storvsc', drivers: [storvsc()], dependencies: ['hv_vmbus'] }]

/** A machine with the images of its disks, switched on. */
export class BootedMachine implements AsyncDisposable {
  readonly machine: Machine
  readonly #disks: readonly OpenDisk[]

  private constructor(machine: Machine, disks: readonly OpenDisk[]) {
    this.machine = machine
    this.#disks = disks
  }

  /** Opens the images and boots. @param print gets each line of dmesg as it comes */
  static async boot(options: BootOptions, print: (line: string) => void): Promise<BootedMachine> {
    const disks = await openDisks(options.disks)
    try {
      const machine = await Machine.powerOn({
        modules: MODULES,
        devices: storageDevices(options, disks),
        release: options.release,
        generation: options.generation,
        processorCount: options.processorCount,
        memoryBytes: options.memoryBytes,
        verbose: options.verbose,
        onDmesg: print,
      })
      return new BootedMachine(machine, disks)
    } catch (error) {
      await Promise.all(disks.map(({ image }) => image.close()))
      throw error
    }
  }

  get disks(): readonly BlockDevice[] {
    return this.machine.kernel.disks.list()
  }

  /** @throws CliError `failed` when the guest did not find its disk; dmesg tells why. */
  disk(name: string): BlockDevice {
    const disk = this.machine.kernel.disks.get(name)
    if (disk === undefined) throw new CliError('failed', `the guest has no ${name}; its messages above tell why`)
    return disk
  }

  /** Shuts the guest down and closes the images: everything written is in them. */
  async powerOff(): Promise<void> {
    await this.machine.powerOff()
    const results = await Promise.allSettled(this.#disks.map(({ image }) => image.close()))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.powerOff()
  }
}

/** IDE disks take the places of their channels in order; all others are LUNs of one SCSI controller. */
function storageDevices(options: BootOptions, disks: readonly OpenDisk[]): VspDevice[] {
  const release = hostRelease(options.release)
  const ide = disks.filter(({ bus }) => bus === 'ide')
  const devices: VspDevice[] = ide.map(({ image }, place) =>
    ideDisk({ release, backend: image, channel: place < 2 ? 0 : 1, device: place % 2 === 0 ? 0 : 1 }),
  )
  const scsi = disks.filter(({ bus }) => bus === 'scsi')
  if (scsi.length > 0) {
    const controller = scsiController({ release, instanceId: SCSI_INSTANCE })
    for (const [lun, { image }] of scsi.entries()) {
      controller.target.attach({ path: 0, target: 0, lun }, diskUnit(image, { release }))
    }
    devices.push(controller)
  }
  return devices
}
