import type { StorageController } from '@bis/host'
import type { BlockDevice, CrashReport } from '@bis/hyperv-types'
import type { GuestMachine, GuestMachineOptions, PowerOff } from '@bis/machine'
import { Machine } from '@bis/machine'
import { RemoteRootMachine } from '@bis/machine/node'
import type { VirtualDisk } from '@bis/vhdx'
import type { BootOptions } from './boot-options.ts'
import { CliError } from './cli-error.ts'
import type { OpenDisk } from './disk-option.ts'
import { closeDisks, openDisks } from './disk-option.ts'
import type { NetworkChoices } from './driver-modules.ts'
import { driverModules } from './driver-modules.ts'
import { isModuleThere, loadModules, releaseOptions } from './guest-release.ts'
import { emulatedChipset, integrationServices, storageDevices } from './host-devices.ts'
import { LoadableModules } from './loadable-modules.ts'
import type { NicOption } from './network/nic-option.ts'
import { Nics } from './network/nics.ts'
import type { RunningGuest, VirtualMachine } from './vm/virtual-machine.ts'
import type { GuestSide, WorkerRootData } from './worker-root.ts'
import { WorkerRoot } from './worker-root.ts'

/** A host in this thread, with what it has for its guest. */
interface InlineHost {
  readonly guest: RunningGuest
  readonly storage: readonly StorageController[]
  readonly nics: Nics
}

/** A machine with the images of its disks, switched on. */
export class BootedMachine implements AsyncDisposable {
  readonly machine: GuestMachine
  /** The host's side, when it is in this thread. */
  readonly #host: InlineHost | undefined
  /** The host's side, when it is in a thread of its own. */
  readonly #worker: WorkerRoot | undefined
  #steered: VirtualMachine | undefined
  /** The root is gone: there is nobody left to shut down with. */
  #abandoned = false

  private constructor(machine: GuestMachine, host?: InlineHost | WorkerRoot) {
    this.machine = machine
    this.#host = host instanceof WorkerRoot ? undefined : host
    this.#worker = host instanceof WorkerRoot ? host : undefined
  }

  /** Opens the images and boots. @param print gets each line of dmesg as it comes */
  static async boot(
    options: BootOptions,
    print: (line: string) => void,
    network: NetworkChoices = {},
  ): Promise<BootedMachine> {
    const { release, generation, processorCount, memoryBytes, verbose, root, profile } = options
    const all = driverModules({ ...network, files: options.files, pools: options.pools })
    const { lines, ...loaded } = await loadModules(options.guest, all)
    for (const line of lines) print(line)
    const kernel = releaseOptions(options.guest)
    const guest = {
      ...profile,
      ...kernel,
      ...loaded,
      bus: { ...kernel.bus, ...profile.bus },
      tunables: { ...loaded.tunables, ...profile.tunables },
      release,
      generation,
      processorCount,
      memoryBytes,
      verbose,
      onDmesg: print,
      partition: { ...profile.partition, onCrash: printCrash },
    }
    if (root.kind === 'inline') return bootInline(options, guest, network, (...parts) => new BootedMachine(...parts))
    if (root.kind === 'socket') return new BootedMachine(await RemoteRootMachine.withSocketRoot(root.path, guest))
    const worker = new WorkerRoot(rootData(options, network))
    const machine = await RemoteRootMachine.withWorkerRoot(worker, guest)
    worker.guestIs(guestSide(machine, options))
    return new BootedMachine(machine, worker)
  }

  /** From now until it is off, `bis vm` steers this machine. */
  steeredAs(machine: VirtualMachine): void {
    this.#steered = machine
    machine.startAgain = false
    machine.elsewhere = this.#worker
    if (this.#host !== undefined) machine.switchedOn(this.#host.guest)
  }

  /** Whether `bis vm` wants it up again, when it is off. */
  get startAgain(): boolean {
    return this.#worker?.remains?.startAgain ?? this.#steered?.startAgain ?? false
  }

  /** The NICs that it has at last, for when it starts again; undefined when they are another process's. */
  get nics(): readonly NicOption[] | undefined {
    return this.#worker?.remains?.nics ?? this.#host?.nics.options
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

  /**
   * Changes the size of a disk's image while the guest uses it, tells the guest, and waits until it has seen it.
   * @throws CliError, DiskImageError
   */
  async resizeDisk(disk: BlockDevice, sizeBytes: number): Promise<void> {
    const image = this.#imageOf(disk)
    await image.resize(sizeBytes)
    for (const { target } of this.#host?.storage ?? []) target.announce()
    const deadline = AbortSignal.timeout(RESIZE_SEEN_MS)
    while (byteLength(disk) !== sizeBytes) {
      if (deadline.aborted) throw new CliError('failed', `${disk.name}: the guest does not see its new size`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Hard disks are numbered in the order in which they are plugged in, IDE before SCSI. */
  #imageOf(disk: BlockDevice): VirtualDisk {
    const hard = (this.#host?.guest.images ?? []).filter(({ optical }) => !optical)
    const inOrder = [...hard.filter(({ bus }) => bus === 'ide'), ...hard.filter(({ bus }) => bus === 'scsi')]
    const image = /^da\d+$/.test(disk.name) ? inOrder[Number(disk.name.slice(2))]?.image : undefined
    if (image !== undefined && image.sizeBytes === byteLength(disk)) return image
    throw new CliError('failed', `${disk.name}: its image is not in the hands of this process`)
  }

  /** Resolves when the machine is off, with how; rejects when its root has gone. */
  async ended(): Promise<PowerOff> {
    const { machine } = this
    if (!(machine instanceof RemoteRootMachine)) return machine.off
    const reason = await Promise.race([machine.off.then(() => undefined), machine.rootGone])
    if (reason === undefined || machine.partition.poweredOff) return machine.off
    this.#abandoned = true
    throw new CliError('failed', `the root is gone: ${reason}`)
  }

  /** Shuts the guest down and closes the images: everything written is in them. */
  async powerOff(): Promise<void> {
    if (this.#abandoned) return
    await this.machine.powerOff()
    const host = this.#host
    try {
      await host?.nics[Symbol.asyncDispose]()
    } finally {
      await closeDisks(host?.guest.images ?? [])
    }
    if (this.#steered === undefined) return
    this.#steered.elsewhere = undefined
    if (host !== undefined) this.#steered.switchedOff(host.guest)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.powerOff()
  }
}

/** What the hypervisor shows of a guest that has crashed, whoever plays the root. */
function printCrash({ message, parameters }: CrashReport): void {
  const text = message ?? parameters.map((parameter) => `0x${parameter.toString(16)}`).join(' ')
  process.stderr.write(`the guest crashed: ${text}\n`)
}

/** How long the guest may take to look at a disk again. */
const RESIZE_SEEN_MS = 10_000

function byteLength({ geometry }: BlockDevice): number {
  return geometry.blockSize * geometry.blockCount
}

/** What the host has for the guest, as a root elsewhere is told. */
function rootData(options: BootOptions, { spoofing = false }: NetworkChoices): WorkerRootData {
  const { release, disks, nics, capture, refused, steered: name } = options
  const { generation, processorCount, memoryBytes } = options
  return {
    release,
    disks,
    nics,
    refused,
    network: { spoofing, ...(capture === undefined ? {} : { capture }) },
    ...(name === undefined ? {} : { steered: { name, hardware: { generation, processorCount, memoryBytes } } }),
  }
}

async function bootInline<T>(
  boot: BootOptions,
  guest: GuestMachineOptions,
  choices: NetworkChoices,
  make: (machine: Machine, host: InlineHost) => T,
): Promise<T> {
  const { disks: images, nics: options, release, refused, network } = rootData(boot, choices)
  const nics = await Nics.open(options, release, network)
  const disks: OpenDisk[] = []
  try {
    disks.push(...(await openDisks(images, boot.steered !== undefined)))
    const services = integrationServices(release)
    const storage = storageDevices(release, disks)
    const devices = [...storage, ...nics.devices, ...services.components]
    const chipset = boot.generation === 1 ? emulatedChipset(disks) : []
    const versions = { refuseVersions: refused }
    // Host and guest share this thread, so the memory need not be shared with another.
    const machine = await Machine.powerOn({ ...guest, devices, chipset, memoryKind: 'local', guest: { versions } })
    return make(machine, { storage, nics, guest: runningGuest(machine, services, nics, disks, boot) })
  } catch (error) {
    await closeDisks(disks)
    await nics[Symbol.asyncDispose]()
    throw error
  }
}

function runningGuest(
  machine: Machine,
  services: RunningGuest['services'],
  nics: Nics,
  images: readonly OpenDisk[],
  boot: BootOptions,
): RunningGuest {
  const { generation, processorCount, memoryBytes } = boot
  const { modules, sysctl, injectNmi, turnOff } = guestSide(machine, boot)
  const hardware = { generation, processorCount, memoryBytes, injectNmi }
  return { server: machine.server, services, modules, sysctl, nics, images, hardware, turnOff }
}

function guestSide(machine: GuestMachine, { files, pools, guest }: BootOptions): GuestSide {
  const modules = [machine.busModule, ...driverModules({ files, pools })]
  return {
    modules: new LoadableModules(machine.tree, modules, (name) => isModuleThere(guest, name)),
    sysctl: machine.kernel.sysctl,
    injectNmi: () => machine.partition.injectNmi(),
    turnOff: () => machine.turnOff(),
  }
}
